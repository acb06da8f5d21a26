"""Contract: what must hold before, throughout and after the deed, written before it."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field, JsonValue

from grace.model.noun import WITH, Noun

MINIMUM_SAMPLES = 5


class Phase(StrEnum):
    """When a clause is measured."""

    BEFORE = "before"
    THROUGHOUT = "throughout"
    AFTER = "after"


class Comparator(StrEnum):
    """How a measured value is held against the expected one."""

    IS = "is"
    IS_NOT = "is_not"
    AT_MOST = "at_most"
    AT_LEAST = "at_least"
    WORSENS_AT_MOST = "worsens_at_most"


class ClauseSource(StrEnum):
    """Where a clause's values come from."""

    PROBE = "probe"
    METRIC = "metric"
    BENCHMARK = "benchmark"


class Clause(Noun):
    """One expectation. `probe` and `with` are literals: a metric or benchmark is resolved to its probe when planned."""

    id: str
    phase: Phase
    source: ClauseSource
    name: str
    """What the playbook wrote: `sqlite.writable`, `service.error_rate`, `service.smoke`."""
    probe: str
    parameters: dict[str, JsonValue] = Field(default_factory=dict, serialization_alias="with", validation_alias=WITH)
    comparator: Comparator
    expected: JsonValue
    within_s: float = Field(default=0, ge=0)
    for_s: float = Field(default=0, ge=0)
    every_s: float = Field(default=0, ge=0)
    """Seconds between samples; zero only where `for_s` is zero."""
    samples: int = Field(default=MINIMUM_SAMPLES, ge=1)
    """Benchmarks: measurements in one run. Other clauses: the fewest samples that make an unbroken run."""
    required: bool = True


class Contract(Noun):
    """Clauses in the order of the playbook. At least one required `after` clause: an empty contract is refused."""

    clauses: tuple[Clause, ...]

    def of(self, phase: Phase) -> tuple[Clause, ...]:
        """Return the clauses of one phase, in order."""
        return tuple(clause for clause in self.clauses if clause.phase is phase)
