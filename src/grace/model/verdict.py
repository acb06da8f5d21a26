"""Verdict: expected beside actual, clause by clause."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import JsonValue

from grace.model.contract import Clause
from grace.model.noun import Noun
from grace.model.reading import Reading


class Finding(StrEnum):
    """How a clause, or the whole contract, came out."""

    MET = "met"
    VIOLATED = "violated"
    INCONCLUSIVE = "inconclusive"


class Benchmark(Noun):
    """Measurements with their statistic: the sample, its median and where it came from."""

    name: str
    service: str
    probe: str
    values: tuple[float, ...]
    missing: int = 0
    median: float | None = None
    better: str = "lower"
    at: datetime
    golden: bool = False
    healthy: bool = False
    """Whether the service had no open incident when this was measured by hand."""
    run_id: str | None = None


class ClauseResult(Noun):
    """One clause judged: what was expected, what was there before and after, and why it came out so."""

    clause: Clause
    finding: Finding
    before: Reading | None = None
    actual: Reading | None = None
    """The reading that decided, or the last one."""
    worst: JsonValue = None
    samples: int = 0
    missing: int = 0
    longest_run_s: float = 0
    met_after_s: float | None = None
    """Seconds from the end of the execution to the start of the run that met the clause."""
    why: str = ""
    readings: tuple[Reading, ...] = ()
    """The samples themselves, thinned to at most 200, in order: what a plot shows."""


class Verdict(Noun):
    """The contract judged. Advisory clauses are shown and do not decide."""

    finding: Finding
    clauses: tuple[ClauseResult, ...]
    why: str
    window_s: float
    restarted: bool = False
    """Whether a crash restarted the window."""
    at: datetime

    @property
    def is_met(self) -> bool:
        """Tell whether every required clause was measured and met."""
        return self.finding is Finding.MET
