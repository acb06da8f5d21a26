"""Turns: one large message is read at a time, and between two of them everybody else who waits is served."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Final, TypeVar

from grace.kit.clock import Clock

T = TypeVar("T")

LARGE: Final = 4_096
"""Bytes. Smaller ones take less time to read than to queue."""


class Turns:
    """Begins coroutines whose first stretch is long, one in each round of the event loop.

    A request passes through several rounds before it is answered. Where each round reads whatever came meanwhile, a
    storm of large messages makes every one of them as long as all those messages together.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._turn = asyncio.Lock()

    async def take(self, work: Callable[[], Coroutine[object, object, T]], size: int) -> T:
        """Return what the work returns; with a large message it begins when its turn comes."""
        if size <= LARGE:
            return await work()
        async with self._turn:
            under_way = asyncio.ensure_future(work())
            await self._clock.wait(0.0)
        return await under_way
