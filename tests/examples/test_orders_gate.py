"""The order service's gate."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from examples.orders.orders.gate import Gate

FOREVER_MS = 60_000


async def settled() -> None:
    """Let every task that can go on go on."""
    for _ in range(10):
        await asyncio.sleep(0)


class Worker:
    """Holds a turn until told to leave."""

    def __init__(self, gate: Gate) -> None:
        self.is_in = False
        self._leave = asyncio.Event()
        self.task = asyncio.create_task(self._work(gate))

    async def _work(self, gate: Gate) -> None:
        async with gate:
            self.is_in = True
            await self._leave.wait()
        self.is_in = False

    def leave(self) -> None:
        self._leave.set()


@pytest.fixture
async def workers() -> AsyncGenerator[list[Worker]]:
    started: list[Worker] = []
    yield started
    for worker in started:
        worker.task.cancel()
    await asyncio.gather(*(worker.task for worker in started), return_exceptions=True)


async def test_no_more_than_the_limit_work_and_the_first_come_is_the_first_served(workers: list[Worker]) -> None:
    gate = Gate(2, FOREVER_MS)
    workers += [Worker(gate) for _ in range(4)]
    await settled()
    assert [worker.is_in for worker in workers] == [True, True, False, False]
    workers[1].leave()
    await settled()
    assert [worker.is_in for worker in workers] == [True, False, True, False]


async def test_who_waits_too_long_gets_a_timeout_and_takes_no_turn(workers: list[Worker]) -> None:
    gate = Gate(1, 1)
    workers.append(Worker(gate))
    await settled()
    with pytest.raises(TimeoutError, match="no turn within 1 ms"):
        await gate.__aenter__()
    workers[0].leave()
    await settled()
    async with gate:
        pass


async def test_a_waiter_that_is_cancelled_takes_no_turn(workers: list[Worker]) -> None:
    gate = Gate(1, FOREVER_MS)
    workers += [Worker(gate) for _ in range(3)]
    await settled()
    workers[1].task.cancel()
    workers[0].leave()
    await settled()
    assert workers[2].is_in


async def test_a_waiter_that_is_cancelled_just_as_its_turn_comes_passes_it_on(workers: list[Worker]) -> None:
    gate = Gate(1, FOREVER_MS)
    workers += [Worker(gate) for _ in range(3)]
    await settled()
    gate.change(2, FOREVER_MS)
    workers[1].task.cancel()
    await settled()
    assert [worker.is_in for worker in workers] == [True, False, True]


async def test_a_higher_limit_lets_the_waiting_in_at_once(workers: list[Worker]) -> None:
    gate = Gate(1, FOREVER_MS)
    workers += [Worker(gate) for _ in range(3)]
    await settled()
    gate.change(3, FOREVER_MS)
    await settled()
    assert all(worker.is_in for worker in workers)
