"""The judge: a pure function from contract and evidence to a verdict, clause by clause, expected beside actual.

Violated if any required clause is violated; else inconclusive if any required clause is; else met. Advisory clauses are
shown and do not decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from grace.act.verification.benchmarks import judge_benchmark
from grace.act.verification.clauses import (
    Judgement,
    Sample,
    judge_window,
    runs_in,
    samples_of,
)
from grace.act.verification.comparison import Held, as_number
from grace.act.verification.evidence import Evidence
from grace.act.verification.newness import (
    LONGEST_GAP_BEATS,
    SINCE_EXECUTION,
    SINCE_RESTART,
    TICK_S,
    new_measurements,
    news_for,
)
from grace.model.contract import Clause, ClauseSource, Comparator, Contract, Phase
from grace.model.reading import Known, Reading
from grace.model.verdict import ClauseResult, Finding, Verdict

THROUGHOUT_BEAT_S: Final = 1.0
"""The beat of a `throughout` clause that names none."""
_MOST_READINGS_SHOWN: Final = 200


class ContractEmpty(ValueError):
    """A contract without a required `after` clause proves nothing and is not judged."""

    def __init__(self) -> None:
        super().__init__(
            "The contract has no required `after` clause, so nothing could prove the deed."
            " Give the playbook's contract at least one."
        )


def judge(contract: Contract, evidence: Evidence) -> Verdict:
    """Judge every clause; raise ContractEmpty when no required clause looks at the outcome."""
    if not any(clause.required for clause in contract.of(Phase.AFTER)):
        raise ContractEmpty
    results = tuple(judge_clause(clause, evidence) for clause in contract.clauses)
    finding, why = _overall([result for result in results if result.clause.required])
    return Verdict(
        finding=finding,
        clauses=results,
        why=why,
        window_s=max(0.0, (evidence.observed_until - evidence.ended_at).total_seconds()),
        restarted=evidence.restarted,
        at=evidence.observed_until,
    )


def judge_clause(clause: Clause, evidence: Evidence) -> ClauseResult:
    """Judge one clause by its own readings alone."""
    taken = tuple(sorted(evidence.readings.get(clause.id, ()), key=lambda reading: reading.at))
    judgement = _judgement(clause, taken, evidence)
    is_benchmark = _is_benchmark(clause)
    readings = (
        new_measurements(taken, evidence.ended_at)
        if is_benchmark
        else news_for(clause, taken, evidence.ended_at, _since(evidence))
    )
    samples = samples_of(clause, readings, evidence.ended_at)
    longest = max(runs_in(clause, samples), key=lambda run: run.length_s, default=None)
    return ClauseResult(
        clause=clause,
        finding=judgement.finding,
        before=evidence.before.get(clause.id)
        or (readings[0] if readings and clause.phase is Phase.THROUGHOUT else None),
        actual=judgement.decided_by or (readings[-1] if readings else None),
        worst=_worst(clause, samples),
        samples=len(samples),
        missing=sum(sample.held is Held.MISSING for sample in samples),
        longest_run_s=0.0 if longest is None else longest.length_s,
        met_after_s=judgement.met_after_s,
        why=judgement.why,
        readings=_thinned(readings),
    )


def _is_benchmark(clause: Clause) -> bool:
    return clause.source is ClauseSource.BENCHMARK or clause.comparator is Comparator.WORSENS_AT_MOST


def _judgement(clause: Clause, readings: Sequence[Reading], evidence: Evidence) -> Judgement:
    if _is_benchmark(clause):
        return judge_benchmark(clause, new_measurements(readings, evidence.ended_at), evidence.baselines.get(clause.id))
    match clause.phase:
        case Phase.BEFORE:
            return _judge_before(clause, readings)
        case Phase.THROUGHOUT:
            return _judge_throughout(clause, readings, evidence)
        case Phase.AFTER:
            observed_s = (evidence.observed_until - evidence.ended_at).total_seconds()
            return judge_window(clause, readings, evidence.ended_at, observed_s, _since(evidence))


def _judge_before(clause: Clause, readings: Sequence[Reading]) -> Judgement:
    """Judge the last reading before the first write."""
    if not readings:
        return Judgement(Finding.INCONCLUSIVE, "It was not measured before the execution.")
    last = readings[-1]
    (sample,) = samples_of(clause, (last,), last.at)
    match sample.held:
        case Held.HOLDS:
            return Judgement(Finding.MET, "Held before the execution.", last)
        case Held.CONTRARY:
            return Judgement(Finding.VIOLATED, "Did not hold before the execution.", last)
        case Held.MISSING:
            return Judgement(Finding.INCONCLUSIVE, f"Unknown before the execution: {_reason(clause, last)}.", last)


def _judge_throughout(clause: Clause, readings: Sequence[Reading], evidence: Evidence) -> Judgement:
    """Judge every reading from before the first write to the end of the window: none contrary, none missing."""
    samples = samples_of(clause, readings, evidence.ended_at)
    contrary = next((sample for sample in samples if sample.held is Held.CONTRARY), None)
    if contrary is not None:
        return Judgement(Finding.VIOLATED, f"Contrary at {_moment(contrary.at_s, evidence)}.", contrary.reading)
    unknown = next((sample for sample in samples if sample.held is Held.MISSING), None)
    if unknown is not None and unknown.reading is not None:
        why = f"Unknown at {_moment(unknown.at_s, evidence)}: {_reason(clause, unknown.reading)}."
        return Judgement(Finding.INCONCLUSIVE, why, unknown.reading)
    hole = _hole(clause, samples, evidence)
    if hole:
        return Judgement(Finding.INCONCLUSIVE, hole)
    why = f"Held in all {len(samples)} samples from before the first write to the end of the window."
    return Judgement(Finding.MET, why, readings[-1])


def _hole(clause: Clause, samples: Sequence[Sample], evidence: Evidence) -> str:
    """Say where samples are missing between the first write and the end of the window; empty when none are."""
    began_s = (evidence.started_at - evidence.ended_at).total_seconds()
    until_s = (evidence.observed_until - evidence.ended_at).total_seconds()
    if not samples or samples[0].at_s > began_s + TICK_S:
        return "It was not measured before the first write."
    if samples[-1].at_s < -TICK_S:
        return f"It was not measured after {_since(evidence)}."
    longest_gap_s = (clause.every_s or THROUGHOUT_BEAT_S) * LONGEST_GAP_BEATS + TICK_S
    # A sample long before the first write only says that the watch began early.
    moments = [max(sample.at_s, began_s) for sample in samples] + [until_s]
    for earlier, later in pairwise(moments):
        if later - earlier > longest_gap_s:
            return f"No sample for {later - earlier:.2f} s from {_moment(earlier, evidence)}."
    return ""


def _since(evidence: Evidence) -> str:
    return SINCE_RESTART if evidence.restarted else SINCE_EXECUTION


def _moment(at_s: float, evidence: Evidence) -> str:
    since = SINCE_RESTART if evidence.restarted else f"the end of {SINCE_EXECUTION}"
    return f"{abs(at_s):.2f} s {'after' if at_s >= 0 else 'before'} {since}"


def _reason(clause: Clause, reading: Reading) -> str:
    match reading.found:
        case Known(value=value):
            return f"{value!r} cannot be held against {clause.comparator.value} {clause.expected!r}"
        case unknown:
            return unknown.why.rstrip(".")


def _worst(clause: Clause, samples: Sequence[Sample]) -> str | float | int | bool | None:
    """Return the value that is farthest from the expected one; None where nothing was known."""
    values = [s.reading.found.value for s in samples if s.reading is not None and isinstance(s.reading.found, Known)]
    numbers = [number for number in map(as_number, values) if number is not None]
    match clause.comparator:
        case Comparator.AT_MOST:
            return max(numbers, default=None)
        case Comparator.AT_LEAST:
            return min(numbers, default=None)
        case Comparator.WORSENS_AT_MOST:
            return None
        case Comparator.IS | Comparator.IS_NOT:
            contrary = (s.reading for s in samples if s.held is Held.CONTRARY and s.reading is not None)
            found = next((reading.found for reading in contrary), None)
            return _scalar(found) if isinstance(found, Known) else None


def _scalar(found: Known) -> str | float | int | bool | None:
    return found.value if isinstance(found.value, str | int | float | bool) else str(found.value)


def _thinned(readings: Sequence[Reading]) -> tuple[Reading, ...]:
    """Keep at most 200 readings, evenly, with the first and the last."""
    if len(readings) <= _MOST_READINGS_SHOWN:
        return tuple(readings)
    step = (len(readings) - 1) / (_MOST_READINGS_SHOWN - 1)
    return tuple(readings[round(step * place)] for place in range(_MOST_READINGS_SHOWN))


def _overall(required: Sequence[ClauseResult]) -> tuple[Finding, str]:
    for finding in (Finding.VIOLATED, Finding.INCONCLUSIVE):
        decisive = [result for result in required if result.finding is finding]
        if decisive:
            return finding, _sentence(decisive, len(required))
    return Finding.MET, f"All {len(required)} required clauses were measured and met."


def _sentence(decisive: Sequence[ClauseResult], required: int) -> str:
    first = decisive[0]
    head = (
        f"{len(decisive)} of {required} required clauses {'is' if len(decisive) == 1 else 'are'} {first.finding.value}"
    )
    return f"{head}, first {first.clause.name}: {first.why}"
