"""A verdict: expected beside actual, clause by clause."""

from __future__ import annotations

from grace.cli.plan_page import expectation
from grace.cli.screen import Screen, marked
from grace.kit.wording import written
from grace.model.reading import Known, Reading
from grace.model.verdict import Verdict


def show_verdict(screen: Screen, verdict: Verdict) -> None:
    """Print the verdict and one line for each clause."""
    restarted = "; a crash restarted the window" if verdict.restarted else ""
    screen.heading(f"Verdict after {verdict.window_s:.1f} s{restarted}")
    screen.line(marked(verdict.finding, verdict.why))
    screen.table(
        ("clause", "expected", "before", "after", "samples"),
        (
            (
                marked(result.finding),
                expectation(result.clause),
                _shown(result.before),
                _shown(result.actual),
                f"{result.samples}{f', {result.missing} missing' if result.missing else ''}",
            )
            for result in verdict.clauses
        ),
    )


def _shown(reading: Reading | None) -> str:
    if reading is None:
        return "-"
    return written(reading.found.value) if isinstance(reading.found, Known) else f"unknown: {reading.found.why}"
