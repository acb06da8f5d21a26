"""When each clause wants its next sample. No clock and no probe in here: the sampler brings both.

Times are seconds on the sampler's own axis, which never goes back.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from grace.act.verification import Meter
from grace.act.verification.at_once import AtOnce, Taken
from grace.act.verification.benchmarks import MOST_MISSING, unknowns_in
from grace.act.verification.clauses import (
    Sample,
    begins_in_time,
    fewest_samples,
    judge_samples,
    runs_in,
    samples_of,
)
from grace.act.verification.comparison import Held, hold_against
from grace.act.verification.judge import THROUGHOUT_BEAT_S
from grace.act.verification.measuring import Found
from grace.act.verification.newness import TICK_S, repeats_itself
from grace.model.contract import Clause, ClauseSource, Comparator, Phase
from grace.model.reading import Known, Reading
from grace.model.verdict import Finding

RETRY_S: Final = 0.1
"""How long a clause without a beat of its own waits after a sample that did not hold."""


LONGEST_LAG_S: Final = 60.0
"""How far behind a source with times of its own may be and still be waited for."""
_ROUNDED_S: Final = 0.000_001
"""How far the time of a reading, in whole microseconds, may be off: W is looked at when it is over, never before."""
_ANY_TIME: Final = datetime.min.replace(tzinfo=UTC)
_LEAST_OF_A_BEAT: Final = 0.4
"""How soon after a sample the one that completes a run may come, and how soon before W another one."""


@dataclass(slots=True)
class Beat:
    """The sampling of one clause: what it has seen, what is under way, when it wants to look again."""

    clause: Clause
    meter: Meter
    due_s: float = math.inf
    began_s: float = -math.inf
    under_way: asyncio.Future[Found] | None = None
    in_one_go: AtOnce | None = None
    """What is under way, where more than one read is."""
    readings: list[Reading] = field(default_factory=list[Reading])
    finding: Finding = Finding.INCONCLUSIVE
    is_exhausted: bool = False

    @property
    def is_benchmark(self) -> bool:
        return self.clause.source is ClauseSource.BENCHMARK or self.clause.comparator is Comparator.WORSENS_AT_MOST

    @property
    def is_settled(self) -> bool:
        """Tell whether more samples could not change what is found, or none are to be taken."""
        return self.is_exhausted or self.finding is not Finding.INCONCLUSIVE

    def _misses_too_many(self, ended_at: datetime) -> bool:
        """Tell whether no further sample of a benchmark could let anything be concluded: a silent service is slow."""
        return unknowns_in(self.readings, ended_at) > MOST_MISSING * fewest_samples(self.clause)

    def read_with(self, now_s: Callable[[], float], *, is_after: bool) -> Meter:
        """Return what to read next: the meter itself, or all samples that are asked for at once."""
        self.began_s, self.in_one_go = now_s(), None
        if not is_after or self.clause.phase is not Phase.AFTER or self.is_benchmark or self.clause.for_s > 0:
            return self.meter
        self.in_one_go = AtOnce(self.meter, fewest_samples(self.clause), self._holds, now_s)
        return self.in_one_go

    def take(self, found: Found) -> tuple[Taken, ...]:
        """Return the reads that have ended with this answer."""
        self.under_way = None
        if self.in_one_go is None:
            return (Taken(self.began_s, found),)
        return self.in_one_go.end(found)

    def _holds(self, found: Found) -> bool:
        """Tell whether an answer is good news for certain: one with a time of its own may be no news."""
        at = found.as_of if isinstance(found, Known) else None
        return at is None and hold_against(self.clause, Reading(at=_ANY_TIME, found=found)) is Held.HOLDS

    def record(self, readings: Sequence[Reading], now_s: float, ended_at: datetime | None) -> None:
        """Add finished samples, one or those of one go, and decide when the next one is due."""
        self.readings += readings
        if self.clause.phase is Phase.THROUGHOUT:
            self._record_throughout(readings[-1], now_s)
        elif ended_at is not None:
            self._record_after(now_s, ended_at)

    def _record_throughout(self, reading: Reading, now_s: float) -> None:
        (sample,) = samples_of(self.clause, (reading,), reading.at)
        if sample.held is Held.CONTRARY:
            self.finding = Finding.VIOLATED
        self.due_s = max(self.began_s + (self.clause.every_s or THROUGHOUT_BEAT_S), now_s)

    def _record_after(self, now_s: float, ended_at: datetime) -> None:
        since_s = (self.readings[-1].at - ended_at).total_seconds()
        if self.is_benchmark:
            self.is_exhausted = len(self.readings) >= fewest_samples(self.clause) or self._misses_too_many(ended_at)
            due_s = max(self.began_s + self.clause.every_s, now_s)
        else:
            samples = samples_of(self.clause, self.readings, ended_at)
            self.finding = judge_samples(self.clause, self.readings, samples, since_s).finding
            self.is_exhausted = _is_exhausted(self.clause, samples, since_s)
            due_s = self._next_due_s(now_s, since_s, samples)
        self.due_s = math.inf if self.is_settled else due_s

    def _next_due_s(self, now_s: float, since_s: float, samples: Sequence[Sample]) -> float:
        """Return the next beat, or the moment that decides if it comes first: when a run covers F, or the deadline."""
        run_began_s = _current_run_began_s(self.clause, samples)
        if run_began_s is None:
            return max(now_s, self._next_try_s(now_s, since_s))
        if self.clause.for_s == 0:
            return now_s + (RETRY_S if repeats_itself(self.readings) else 0.0)
        due_s = self.began_s + self.clause.every_s
        covers_s = self.began_s - since_s + run_began_s + self.clause.for_s
        # A rate over a moment is unknown where nothing happens in it: the last sample keeps some distance.
        is_apart = covers_s - self.began_s >= self.clause.every_s * _LEAST_OF_A_BEAT
        return max(min(due_s, covers_s) if is_apart else due_s, now_s)

    def _next_try_s(self, now_s: float, since_s: float) -> float:
        """Return when to look for the begin of a run: on the beat, and at W itself, where it must have begun.

        A look that would still be under way at W, or come just before it, is put off until then.
        """
        beat_s = self.clause.every_s or RETRY_S
        due_s = max((now_s if self.clause.for_s == 0 else self.began_s) + beat_s, now_s)
        if since_s >= self.clause.within_s - TICK_S:
            return due_s
        deadline_s = self.began_s - since_s + self.clause.within_s + _ROUNDED_S
        took_s = now_s - self.began_s
        return deadline_s if due_s + max(took_s, beat_s * _LEAST_OF_A_BEAT) > deadline_s else due_s


def _current_run_began_s(clause: Clause, samples: Sequence[Sample]) -> float | None:
    """Return when the run began that the last sample belongs to; None when that sample did not hold."""
    is_running = bool(samples) and samples[-1].held is Held.HOLDS
    return runs_in(clause, samples)[-1].start_s if is_running else None


def _is_exhausted(clause: Clause, samples: Sequence[Sample], looked_s: float) -> bool:
    """Tell whether the deadline has passed and no run that began in time is still going.

    A source with times of its own may be behind: what it measured before the deadline is not its word at the deadline.
    """
    if clause.for_s == 0 and clause.within_s == 0:
        return len(samples) >= fewest_samples(clause)
    if not samples or looked_s < clause.within_s - TICK_S:
        return False
    last = samples[-1]
    if looked_s - last.at_s > LONGEST_LAG_S:
        return True
    if last.held is Held.HOLDS:
        return not begins_in_time(clause, runs_in(clause, samples)[-1], samples)
    return last.at_s >= clause.within_s - TICK_S
