"""Tell what was measured: the preconditions, the verdict clause by clause, and what was seen of a run's end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from grace.act.healing.telling_restraint import Payload, Told
from grace.kit.wording import written_fact
from grace.model.contract import Clause, Comparator, Phase
from grace.model.events import EventType, PreconditionsRead
from grace.model.execution import Aftermath
from grace.model.observation import Observation
from grace.model.reading import Known, Reading
from grace.model.verdict import ClauseResult, Finding, Verdict

_COMPARED: Final = {comparator: comparator.value.replace("_", " ") for comparator in Comparator}


def _preconditions(payload: Payload) -> Told:
    read = PreconditionsRead.from_json(payload)
    return "looked again under the locks", (
        *(f"{name}: {written_fact(value)}" for name, value in read.readings.items()),
        *(f"stale: {item}" for item in read.stale),
        *(f"unmet: {item}" for item in read.unmet),
    )


def _judged(payload: Payload) -> Told:
    verdict = Verdict.from_json(payload)
    restarted = ", window restarted after a crash" if verdict.restarted else ""
    return f"verdict: {verdict.finding} after {verdict.window_s:.1f} s{restarted}", (
        verdict.why,
        *(line for result in verdict.clauses for line in clause_lines(result)),
    )


def _aftermath(payload: Payload) -> Told:
    after = Aftermath.from_json(payload)
    return "measured after the way back", tuple(f"{name}: {shown(reading)}" for name, reading in after.readings.items())


def clause_lines(result: ClauseResult) -> tuple[str, ...]:
    """Tell one clause: expected, before, actual, why."""
    watching = "" if result.clause.required else " (watching)"
    before = f", before {shown(result.before)}" if result.before else ""
    actual = f", got {shown(result.actual)}" if result.actual else ", got nothing"
    counts = f"{result.samples} samples, {result.missing} missing, longest run {result.longest_run_s:.1f} s"
    return (f"{result.finding}{watching}: {expects(result.clause)}{before}{actual}; {counts}; {result.why}",)


def expects(clause: Clause) -> str:
    """Say what a clause expects, as the playbook would."""
    value = clause.expected
    if clause.comparator is Comparator.WORSENS_AT_MOST and isinstance(value, int | float):
        value = f"{value:.0%}"
    window = (
        f" within {clause.within_s:g} s for {clause.for_s:g} s, every {clause.every_s:g} s"
        if clause.phase is Phase.AFTER
        else ""
    )
    return f"{clause.name} {_COMPARED[clause.comparator]} {written_fact(value)}{window}"


def shown(reading: Reading) -> str:
    """Show a reading: its value, or why there is none."""
    return written_fact(reading.found.value) if isinstance(reading.found, Known) else f"unknown ({reading.found.why})"


def _looked_on(payload: Payload) -> Told:
    seen = Observation.from_json(payload)
    what = {
        Finding.MET: "the contract held without GRACE",
        Finding.VIOLATED: "the contract did not hold",
        Finding.INCONCLUSIVE: "whether the contract held is not known",
    }[seen.finding]
    lines = [seen.why]
    if seen.closed_by:
        lines.append(f"{seen.closed_by} closed the incident: {seen.closed_because}")
    lines += [
        f"{one.find} was {written_fact(one.was)}, is "
        + (f"unknown: {one.unknown}" if one.unknown else written_fact(one.now))
        for one in seen.differences
    ]
    return f"{what}, {seen.after_s / 60:.1f} min after GRACE would have gone on", lines


MEASURED_TELLERS: Final[Mapping[EventType, Callable[[Payload], Told]]] = {
    EventType.PRECONDITIONS_READ: _preconditions,
    EventType.VERDICT_REACHED: _judged,
    EventType.AFTERMATH_MEASURED: _aftermath,
    EventType.OBSERVATION_JUDGED: _looked_on,
}
