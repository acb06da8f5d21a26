"""The sampler: looks before the deed, watches throughout it and until every required clause is decided.

One loop serves all clauses, each on its own beat and each read in a thread of its own: a probe that hangs delays no
other clause. Beats go by the injected clock; the limit of a single read goes by the machine's.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Final, Self

from grace.act.verification import Eyes, Meter
from grace.act.verification.beats import Beat
from grace.act.verification.evidence import Evidence
from grace.act.verification.judge import THROUGHOUT_BEAT_S
from grace.act.verification.measuring import Found, InThreads, Measuring
from grace.kit.clock import Clock
from grace.model.contract import Clause, Contract, Phase
from grace.model.reading import Reading, Unknown
from grace.model.verdict import Benchmark, Finding

_PROMPT_S: Final = 0.02
"""How long the loop waits for answers before it looks at the clock again; most reads are done by then."""


class Sampler:
    """Read what a contract asks for."""

    def __init__(self, eyes: Eyes, clock: Clock, measuring: Measuring | None = None) -> None:
        self._eyes = eyes
        self._clock = clock
        self._measuring = measuring or InThreads()

    async def look(self, clauses: Iterable[Clause], *, again_after_s: float | None = None) -> dict[str, Reading]:
        """Read each clause once, all at the same time; return the readings by clause id.

        A rate has no value at its first reading: with `again_after_s`, what is unknown is read a second time.
        """
        meters = {clause.id: self._eyes.aim(clause.probe, clause.parameters) for clause in clauses}
        readings = await self._read(meters)
        unknown = {name: meters[name] for name, reading in readings.items() if isinstance(reading.found, Unknown)}
        if again_after_s is not None and unknown:
            await self._clock.wait(again_after_s)
            readings |= await self._read(unknown)
        return readings

    async def _read(self, meters: Mapping[str, Meter]) -> dict[str, Reading]:
        started = {name: (self._clock.now(), self._measuring.start(meter)) for name, meter in meters.items()}
        return {name: Reading(at=at, found=await future) for name, (at, future) in started.items()}

    def watch(self, contract: Contract, before: Mapping[str, Reading] | None = None) -> Watch:
        """Return a watch over one execution; `before` holds what is already known from before the first write."""
        return Watch(contract, self._eyes, self._clock, self._measuring, before or {})


class Watch:
    """One execution under observation. Use it as `async with`; nobody is left reading when the block ends.

    Enter it before the first write: on entry every `throughout` clause has been read once. After the execution
    `see_out` returns the evidence.
    """

    def __init__(
        self, contract: Contract, eyes: Eyes, clock: Clock, measuring: Measuring, before: Mapping[str, Reading]
    ) -> None:
        self._clock = clock
        self._measuring = measuring
        self._before = dict(before)
        self._beats = tuple(
            Beat(clause, eyes.aim(clause.probe, clause.parameters))
            for clause in contract.clauses
            if clause.phase is not Phase.BEFORE
        )
        self._before_clauses = contract.of(Phase.BEFORE)
        self._wake = asyncio.Event()
        self._ended_at: datetime | None = None
        self._started_at: datetime | None = None
        self._origin = clock.now()
        self._origin_s = clock.monotonic()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        throughout = self._of(Phase.THROUGHOUT)
        await self._read(throughout)
        await self._read_again([beat for beat in throughout if isinstance(beat.readings[-1].found, Unknown)])
        self._started_at = self._now()
        if throughout:
            self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait({task})
        for future in self._under_way():
            future.cancel()

    async def see_out(
        self,
        baselines: Mapping[str, Benchmark] | None = None,
        *,
        started_at: datetime | None = None,
        restarted: bool = False,
    ) -> Evidence:
        """Say that the execution has ended now; return when all required clauses are decided or their time is over.

        After a crash give the `started_at` of the execution on record: what nobody watched then counts as missing.
        """
        if self._started_at is None:
            message = "A watch is entered with `async with` before it is seen out."
            raise RuntimeError(message)
        self._ended_at = self._now()
        for beat in self._of(Phase.AFTER):
            beat.due_s = self._now_s() + (beat.clause.within_s if beat.is_benchmark else 0.0)
        self._wake.set()
        await (self._task or self._run())  # What looks at the outcome alone has nothing to look at before.
        await self._look_once_more()
        return self._evidence(started_at or self._started_at, self._ended_at, baselines or {}, restarted=restarted)

    def _evidence(
        self, started_at: datetime, ended_at: datetime, baselines: Mapping[str, Benchmark], *, restarted: bool
    ) -> Evidence:
        readings = {beat.clause.id: tuple(beat.readings) for beat in self._beats}
        known_before = {
            clause.id: self._before[clause.id] for clause in self._before_clauses if clause.id in self._before
        }
        return Evidence(
            started_at=started_at,
            ended_at=ended_at,
            observed_until=self._now(),
            readings=readings | {name: (reading,) for name, reading in known_before.items()},
            before=self._before,
            baselines=baselines,
            restarted=restarted,
        )

    async def _run(self) -> None:
        while not self._is_over():
            for beat in self._beats:
                if beat.under_way is None and beat.due_s <= self._now_s():
                    self._begin(beat)
            if self._under_way():
                await asyncio.wait(self._under_way(), timeout=_PROMPT_S)
            self._collect()
            if not self._is_over():
                await self._until_next()

    async def _until_next(self) -> None:
        """Wait for the next beat, the next answer or the end of the execution, whichever comes first."""
        due_s = min((beat.due_s for beat in self._beats if beat.under_way is None), default=math.inf)
        pause_s = due_s - self._now_s()
        if pause_s <= 0:
            return
        waits: list[asyncio.Task[Any]] = [asyncio.create_task(self._wake.wait())]
        if pause_s < math.inf:
            waits.append(asyncio.create_task(self._clock.wait(pause_s)))
        try:
            await asyncio.wait([*waits, *self._under_way()], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        self._wake.clear()

    async def _look_once_more(self) -> None:
        """Close each `throughout` clause with a reading at the end of the window."""
        await self._read([beat for beat in self._of(Phase.THROUGHOUT) if beat.finding is not Finding.VIOLATED])

    async def _read(self, beats: Sequence[Beat]) -> None:
        """Read these once, all at the same time, and wait for their answers."""
        for beat in beats:
            if beat.under_way is None:
                self._begin(beat)
        futures = {beat.under_way for beat in beats if beat.under_way is not None}
        if futures:
            await asyncio.wait(futures)
        self._collect()

    async def _read_again(self, beats: Sequence[Beat]) -> None:
        """Give what was unknown before the first write one more try: the first read of a rate only begins it."""
        if not beats:
            return
        await self._clock.wait(max(beat.clause.every_s or THROUGHOUT_BEAT_S for beat in beats))
        for beat in beats:
            beat.readings.clear()
        await self._read(beats)

    def _is_over(self) -> bool:
        """Tell whether the execution has ended, every outcome was looked at, and no more samples are needed."""
        after = self._of(Phase.AFTER)
        if self._ended_at is None or any(not beat.readings for beat in after if not beat.is_benchmark):
            return False
        if any(beat.clause.required and beat.finding is Finding.VIOLATED for beat in self._beats):
            return True
        return all(beat.is_settled for beat in after if beat.clause.required)

    def _begin(self, beat: Beat) -> None:
        meter = beat.read_with(self._now_s, is_after=self._ended_at is not None)
        beat.under_way = self._measuring.start(meter)

    def _collect(self) -> None:
        for beat in self._beats:
            if beat.under_way is not None and beat.under_way.done():
                taken = beat.take(beat.under_way.result())
                beat.began_s = taken[-1].at_s
                readings = [Reading(at=self._at(one.at_s), found=one.found) for one in taken]
                beat.record(readings, self._now_s(), self._ended_at)

    def _of(self, phase: Phase) -> tuple[Beat, ...]:
        return tuple(beat for beat in self._beats if beat.clause.phase is phase)

    def _under_way(self) -> set[asyncio.Future[Found]]:
        return {beat.under_way for beat in self._beats if beat.under_way is not None}

    def _now_s(self) -> float:
        return self._clock.monotonic()

    def _now(self) -> datetime:
        return self._at(self._now_s())

    def _at(self, moment_s: float) -> datetime:
        """Return wall time that never goes back, also when the machine's wall clock is set."""
        return self._origin + timedelta(seconds=moment_s - self._origin_s)
