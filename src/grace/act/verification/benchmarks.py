"""Benchmarks: run one, hold it against its baseline, and choose what it is held against.

A benchmark is a probe measured so many times in a row. At most one measurement in ten may be missing; with more,
nothing is concluded. The baseline is the golden run, else the last healthy window; never the incident.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from grace.act.verification import Baselines, Eyes
from grace.act.verification.clauses import Judgement
from grace.act.verification.comparison import as_number
from grace.act.verification.measuring import Measuring, measure
from grace.act.verification.newness import new_measurements
from grace.act.verification.statistics import median, worsening
from grace.kit.clock import Clock
from grace.model.contract import MINIMUM_SAMPLES, Clause
from grace.model.quantities import share
from grace.model.reading import Known, Reading, Unknown
from grace.model.service import Service, ServiceBenchmark
from grace.model.verdict import Benchmark, Finding

MOST_MISSING: Final = 0.1
"""The share of measurements that may be missing."""


@dataclass(frozen=True, slots=True)
class NotGolden:
    """Why a benchmark may not become golden."""

    why: str


def judge_benchmark(clause: Clause, readings: Sequence[Reading], baseline: Benchmark | None) -> Judgement:
    """Judge `worsens_at_most`: violated when min(Cliff's delta, relative change) towards worse is above the limit."""
    limit, asked, values = _limit(clause), max(MINIMUM_SAMPLES, clause.samples), numbers_in(readings)
    missing = max(asked, len(readings)) - len(values)
    if limit is None:
        return _undecided(f"{clause.expected!r} is no share; write it like 20%.")
    if missing > MOST_MISSING * max(asked, len(readings)):
        return _undecided(f"{missing} of {max(asked, len(readings))} measurements are missing; at most 10 % may be.")
    if baseline is None:
        return _undecided("There is no baseline: neither a golden run nor a healthy window is on record.")
    if not is_complete(baseline):
        return _undecided(f"The baseline has {len(baseline.values)} values and {baseline.missing} missing: too few.")
    better: Literal["lower", "higher"] = "higher" if baseline.better == "higher" else "lower"
    found = worsening(values, baseline.values, better)
    worse = found.amount > limit
    why = (
        f"{'Worse' if worse else 'Not worse'} by {found.amount:.0%} (limit {limit:.0%}): median {found.median_now:.4g}"
        f" against {found.median_before:.4g} before, Cliff's delta {found.delta:.2f}, change {found.change:.2f}."
    )
    return Judgement(Finding.VIOLATED if worse else Finding.MET, why, readings[-1])


def numbers_in(readings: Sequence[Reading]) -> tuple[float, ...]:
    """Return the finite numbers among the readings, in order."""
    found = (as_number(reading.found.value) for reading in readings if isinstance(reading.found, Known))
    return tuple(float(number) for number in found if number is not None)


def unknowns_in(readings: Sequence[Reading], ended_at: datetime | None = None) -> int:
    """Count the measurements without a value, those among them that only repeat one which was had before."""
    return sum(isinstance(reading.found, Unknown) for reading in new_measurements(readings, ended_at))


def is_complete(benchmark: Benchmark) -> bool:
    """Tell whether enough was measured to conclude anything."""
    total = len(benchmark.values) + benchmark.missing
    return len(benchmark.values) >= MINIMUM_SAMPLES and benchmark.missing <= MOST_MISSING * total


def _limit(clause: Clause) -> float | None:
    """Return the fraction that the plan holds; None where it holds none."""
    limit = as_number(clause.expected)
    if limit is not None:
        return float(limit) if limit >= 0 else None
    try:
        return share(clause.expected)
    except ValueError:
        return None


def _undecided(why: str) -> Judgement:
    return Judgement(Finding.INCONCLUSIVE, why)


def choose_baseline(baselines: Baselines, service: str, name: str) -> Benchmark | None:
    """Return the golden run, else the last healthy window, else None; never one that is too thin to compare with."""
    candidates = (baselines.golden(service, name), baselines.last_healthy(service, name))
    return next((found for found in candidates if found is not None and is_complete(found)), None)


def declare_golden(benchmark: Benchmark, *, is_healthy: bool) -> Benchmark | NotGolden:
    """Return the benchmark as golden, or say why it cannot be: only a whole run of a healthy service is one."""
    if benchmark.missing:
        return NotGolden(f"{benchmark.missing} measurements are missing; a golden run is whole.")
    if len(benchmark.values) < MINIMUM_SAMPLES:
        return NotGolden(f"It has {len(benchmark.values)} measurements; a golden run has at least {MINIMUM_SAMPLES}.")
    if not is_healthy:
        return NotGolden("The service was not healthy when it was measured.")
    return benchmark.model_copy(update={"golden": True})


class BenchmarkRunner:
    """Measure a service's benchmark now."""

    def __init__(self, eyes: Eyes, clock: Clock, measuring: Measuring) -> None:
        self._eyes = eyes
        self._clock = clock
        self._measuring = measuring

    async def run(self, service: Service, name: str, run_id: str | None = None) -> Benchmark:
        """Measure every sample in a row, up to where too many are missing to conclude anything.

        Raise KeyError when the service declares no such benchmark.
        """
        declared: ServiceBenchmark = service.benchmarks[name]
        meter = self._eyes.aim(declared.probe, declared.parameters)
        readings: list[Reading] = []
        while len(readings) < declared.samples and unknowns_in(readings) <= MOST_MISSING * declared.samples:
            found = await measure(self._measuring, meter)
            readings.append(Reading(at=self._clock.now(), found=found))
        return benchmark_of(service.name, name, declared, readings, run_id)


def benchmark_of(
    service: str, name: str, declared: ServiceBenchmark, readings: Sequence[Reading], run_id: str | None = None
) -> Benchmark:
    """Make the noun of what was measured; raise ValueError when nothing was."""
    if not readings:
        message = f"The benchmark {name!r} of {service!r} has no readings."
        raise ValueError(message)
    values = numbers_in(new_measurements(readings))
    return Benchmark(
        name=name,
        service=service,
        probe=declared.probe,
        values=values,
        missing=len(readings) - len(values),
        median=median(values) if values else None,
        better=declared.better,
        at=readings[-1].at,
        run_id=run_id,
    )
