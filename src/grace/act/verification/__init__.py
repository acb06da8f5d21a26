"""The contract judge, the sampler that feeds it, the benchmark suite, its statistics and golden baselines.

It never reads an executor's own claim. `judge.py`, `clauses.py` and `statistics.py` are pure; only `sampler.py` and
`benchmarks.py` touch the world, through the ports below.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from pydantic import JsonValue

from grace.model.reading import Known, Unknown
from grace.model.verdict import Benchmark


class Meter(Protocol):
    """A probe aimed at one thing."""

    @property
    def limit_s(self) -> float:
        """Return the longest that a read may take; whoever waits gives up after it."""
        ...

    def read(self) -> Known | Unknown:
        """Return what is there now."""
        ...


class Eyes(Protocol):
    """Whoever can aim a probe; what cannot be aimed reads as `Unknown`, with the reason."""

    def aim(self, probe: str, parameters: Mapping[str, JsonValue]) -> Meter:
        """Return a meter; touches nothing yet."""
        ...


class Baselines(Protocol):
    """The benchmarks on record that a new one may be held against."""

    def golden(self, service: str, name: str) -> Benchmark | None:
        """Return the benchmark that a person or a passing run declared golden."""
        ...

    def last_healthy(self, service: str, name: str) -> Benchmark | None:
        """Return the newest passing benchmark of a committed run or of a smoke run outside any open incident."""
        ...
