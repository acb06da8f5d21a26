from __future__ import annotations

import asyncio
from functools import partial
from itertools import pairwise

from grace.api.turns import LARGE, Turns
from grace.kit.clock import SystemClock


async def test_between_two_large_messages_everybody_else_is_served() -> None:
    turns, order = Turns(SystemClock()), list[str]()

    async def read(name: str) -> str:
        order.append(name)
        return name

    async def others() -> None:
        for _ in range(6):
            order.append("other")
            await asyncio.sleep(0)

    large = [turns.take(partial(read, name), LARGE + 1) for name in "abc"]
    results = await asyncio.gather(*large, others())
    assert list(results[:3]) == ["a", "b", "c"]
    read_at = [order.index(name) for name in "abc"]
    assert all("other" in order[first:second] for first, second in pairwise(read_at))


async def test_a_small_message_waits_for_no_turn() -> None:
    turns = Turns(SystemClock())
    blocked = asyncio.Event()

    async def long() -> None:
        await blocked.wait()

    async def short() -> str:
        return "read"

    waiting = asyncio.create_task(turns.take(long, LARGE + 1))
    await asyncio.sleep(0)
    assert await turns.take(short, LARGE) == "read"
    blocked.set()
    await waiting


async def test_what_the_work_raises_reaches_who_asked() -> None:
    async def fails() -> None:
        message = "too many wait"
        raise RuntimeError(message)

    (raised,) = await asyncio.gather(Turns(SystemClock()).take(fails, LARGE + 1), return_exceptions=True)
    assert isinstance(raised, RuntimeError)


async def test_who_goes_away_before_the_turn_leaves_nothing_begun_and_blocks_nobody() -> None:
    turns, begun = Turns(SystemClock()), list[str]()

    async def read(name: str) -> None:
        begun.append(name)

    first, gone, last = [asyncio.create_task(turns.take(partial(read, name), LARGE + 1)) for name in "abc"]
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(first, last)
    assert begun == ["a", "c"]
