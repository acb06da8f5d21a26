"""How each kind of clause is judged. Pure: clause and readings in, one finding with one sentence out.

A clause `within: W, for: F` asks for a *run*: samples in unbroken sequence that all hold, at least `samples` of them,
covering F seconds from the first to the last, the first no later than W seconds after the end of the execution. A
missing sample (unknown, of the wrong type, or not taken: a gap of nearly two beats) breaks a run as contrary ones do.

- There is such a run: met.
- Else, seen contrary at W or after it, when the granted time was over: violated. The sampler looks at W itself where no
  run is under way then, whatever the beat, so that a recovery within W is always seen and one that came too late is a
  violation, although it looks well at the end.
- Else inconclusive: nobody saw it contrary when the granted time was over. What was seen before W decides nothing.

Examples with W = 2 s, F = 3 s and a beat of 0.5 s (`+` holds, `-` contrary, `?` missing):

    ++++++++                met        the run begins at 0
    ---+++++++              met        it begins at 1.5
    ----+++++++             met        it begins at 2, at the last moment
    -----+++++++            violated   contrary at 2.0, at W
    ----                    inconclusive   the granted time is not over yet
    +++++++-                met        nothing after a complete run counts: the sampler has stopped
    ++++++-                 violated   contrary at 3.0, before the run was complete
    ++?+++++++              met        a new run begins at 1.5
    ++++?++++++             inconclusive   the run from 2.5 begins too late, but the missing sample may have held
    ----?+++++++            inconclusive   as before; contrary samples within W are the time that was granted
    ++?+++-++++             violated   contrary at 3.0, after W, and no run before it
    ???????????             inconclusive   silence is not good news, and no bad news either

With F = 0 a run is `samples` samples taken at once. With W = 0 as well, they are all there are: all must hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from grace.act.verification.comparison import Held, hold_against
from grace.act.verification.newness import (
    LONGEST_GAP_BEATS,
    SINCE_EXECUTION,
    TICK_S,
    measured_at,
    news_for,
    slowness,
)
from grace.model.contract import MINIMUM_SAMPLES, Clause
from grace.model.reading import Reading
from grace.model.verdict import Finding

_PROMPT_BEAT_S: Final = 1.0
"""The beat by which the first of several samples at once is called prompt."""
_LATEST_AT_DEADLINE_S: Final = 0.1
"""How late the sample that was due at W may be taken, and still be the one at W."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One reading, seconds after the end of the execution, and how it came out."""

    at_s: float
    held: Held
    reading: Reading | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """Samples in unbroken sequence that all hold."""

    start_s: float
    end_s: float
    count: int

    @property
    def length_s(self) -> float:
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True)
class Judgement:
    """A finding with the sample that decided and the run that met the clause or came closest."""

    finding: Finding
    why: str
    decided_by: Reading | None = None
    run: Run | None = None
    met_after_s: float | None = None


def samples_of(
    clause: Clause, readings: Iterable[Reading], ended_at: datetime, since: str = SINCE_EXECUTION
) -> tuple[Sample, ...]:
    """Place what the readings say anew on the clause's own time axis: where its source measured it, else where read."""
    return tuple(
        Sample((measured_at(reading) - ended_at).total_seconds(), hold_against(clause, reading), reading)
        for reading in news_for(clause, readings, ended_at, since)
    )


def fewest_samples(clause: Clause) -> int:
    """Return how many samples make a run: never fewer than five, whatever the clause says."""
    return max(MINIMUM_SAMPLES, clause.samples)


def runs_in(clause: Clause, samples: Sequence[Sample]) -> tuple[Run, ...]:
    """Return the longest unbroken runs, in order."""
    longest_gap_s = clause.every_s * LONGEST_GAP_BEATS if clause.for_s > 0 else float("inf")
    runs: list[Run] = []
    current: Run | None = None
    for sample in samples:
        if sample.held is not Held.HOLDS:
            current = None
            continue
        if current is None or sample.at_s - current.end_s > longest_gap_s + TICK_S:
            current = Run(sample.at_s, sample.at_s, 1)
            runs.append(current)
        else:
            current = Run(current.start_s, sample.at_s, current.count + 1)
            runs[-1] = current
    return tuple(runs)


def begins_in_time(clause: Clause, run: Run, samples: Sequence[Sample]) -> bool:
    """Tell whether a run begins within W.

    The very first sample, at most half a beat late, begins at the end itself; the first one from W on may be a little
    late as well, since nobody wakes exactly on time.
    """
    half_a_beat_s = (clause.every_s or _PROMPT_BEAT_S) / 2
    if run.start_s <= clause.within_s + TICK_S:
        return True
    if run.start_s == samples[0].at_s:
        return run.start_s <= max(half_a_beat_s, clause.within_s + TICK_S)
    at_deadline_s = next(sample.at_s for sample in samples if sample.at_s >= clause.within_s - TICK_S)
    return run.start_s == at_deadline_s <= clause.within_s + min(half_a_beat_s, _LATEST_AT_DEADLINE_S)


def meets(clause: Clause, run: Run, samples: Sequence[Sample]) -> bool:
    """Tell whether a run is early, long and dense enough."""
    is_long = run.length_s >= clause.for_s - TICK_S
    return is_long and run.count >= fewest_samples(clause) and begins_in_time(clause, run, samples)


def judge_window(
    clause: Clause, readings: Sequence[Reading], ended_at: datetime, observed_s: float, since: str = SINCE_EXECUTION
) -> Judgement:
    """Judge an `after` clause; `observed_s` tells how long after `ended_at` somebody looked, `since` what that was."""
    return judge_samples(clause, readings, samples_of(clause, readings, ended_at, since), observed_s, since)


def judge_samples(
    clause: Clause,
    readings: Sequence[Reading],
    samples: Sequence[Sample],
    observed_s: float,
    since: str = SINCE_EXECUTION,
) -> Judgement:
    """Judge an `after` clause by what `samples_of` its readings are."""
    samples = tuple(sample for sample in samples if sample.at_s >= -TICK_S)
    in_vain = slowness(clause, readings)
    if not samples:
        why = f"Nothing was measured after {since}{in_vain and ': ' + in_vain}."
        return Judgement(Finding.INCONCLUSIVE, why)
    runs = runs_in(clause, samples)
    good = next((run for run in runs if meets(clause, run, samples)), None)
    if good is not None:
        return _met(good, samples, since)
    longest = max(runs, key=lambda run: run.length_s, default=None)
    late = next((s for s in samples if s.held is Held.CONTRARY and s.at_s >= clause.within_s - TICK_S), None)
    if late is not None:
        return Judgement(Finding.VIOLATED, _too_late(clause, late, since), late.reading, longest)
    return Judgement(Finding.INCONCLUSIVE, _unproven(clause, samples, longest, observed_s, in_vain), None, longest)


def _met(run: Run, samples: Sequence[Sample], since: str) -> Judgement:
    last = next(s for s in reversed(samples) if s.at_s <= run.end_s)
    began_s = max(0.0, run.start_s)
    why = f"Held in {run.count} samples over {run.length_s:.2f} s, beginning {began_s:.2f} s after {since}."
    return Judgement(Finding.MET, why, last.reading, run, began_s)


def _too_late(clause: Clause, late: Sample, since: str) -> str:
    if clause.for_s == 0 and clause.within_s == 0:
        return f"Contrary in at least one of {fewest_samples(clause)} samples taken at once."
    granted = f"when the {clause.within_s:g} s granted were over" if clause.within_s else "and no time was granted"
    return f"Contrary {late.at_s:.2f} s after {since}, {granted}."


def _unproven(clause: Clause, samples: Sequence[Sample], longest: Run | None, observed_s: float, in_vain: str) -> str:
    missing = sum(sample.held is Held.MISSING for sample in samples)
    seen = (
        "no sample held"
        if longest is None
        else f"the longest unbroken run was {longest.count} samples over {longest.length_s:.2f} s"
    )
    asked = f"{fewest_samples(clause)} samples over {clause.for_s:g} s beginning within {clause.within_s:g} s"
    lost = f"{missing} of {len(samples)} samples were missing{in_vain and '; ' + in_vain}"
    return f"Not proven in {observed_s:.2f} s: {seen}, asked were {asked}; {lost}."
