"""Call plugs: in a thread, with whatever they raise turned into a value."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from grace.kit.attempt import Raised, Returned, attempt

T = TypeVar("T")


async def call(deed: Callable[[], T]) -> Returned[T] | Raised:
    """Run a plug's verb off the loop; failures of the world come back as values."""
    return await asyncio.to_thread(attempt, deed)


def sentence(fault: Raised) -> str:
    """Say what a plug raised, in one line."""
    first = str(fault.error).strip().splitlines()
    return f"{type(fault.error).__name__}: {first[0]}" if first else type(fault.error).__name__
