"""The statistic, the benchmark clause and the choice of its baseline."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats  # pyright: ignore[reportMissingTypeStubs]

from grace.act.verification.benchmarks import (
    BenchmarkRunner,
    NotGolden,
    choose_baseline,
    declare_golden,
    judge_benchmark,
)
from grace.act.verification.statistics import cliffs_delta, median, relative_change, worsening
from grace.kit.clock import VirtualClock
from grace.model.contract import Clause, ClauseSource, Comparator
from grace.model.reading import Known, Reading, Unknown
from grace.model.service import Service, ServiceBenchmark
from grace.model.verdict import Benchmark, Finding
from tests.act.verification.eyes import OnTheLoop, Scripted, ScriptedEyes
from tests.act.verification.tape import END, clause, reading, silence

SAMPLES = st.lists(st.integers(0, 6) | st.floats(0, 6), min_size=1, max_size=30)
QUIET = (10.0, 11.0, 9.0, 10.5, 9.5, 10.2, 9.8, 10.1, 9.9, 10.0)


def benchmark(values: tuple[float, ...] = QUIET, **changes: Any) -> Benchmark:
    fields: dict[str, Any] = {
        "name": "smoke",
        "service": "orders",
        "probe": "http.latency_ms",
        "values": values,
        "median": median(values) if values else None,
        "at": END,
    }
    return Benchmark(**(fields | changes))


def asked(**changes: Any) -> Clause:
    fields: dict[str, Any] = {
        "source": ClauseSource.BENCHMARK,
        "comparator": Comparator.WORSENS_AT_MOST,
        "expected": 0.2,
        "samples": 10,
    }
    return clause(**(fields | changes))


def readings(values: tuple[float, ...], missing: int = 0) -> list[Reading]:
    found = [reading(place, value) for place, value in enumerate(values)]
    return found + [silence(len(values) + place) for place in range(missing)]


def finding(values: tuple[float, ...], baseline: Benchmark | None = None, missing: int = 0, **changes: Any) -> Finding:
    return judge_benchmark(asked(**changes), readings(values, missing), baseline or benchmark()).finding


@given(SAMPLES, SAMPLES)
def test_cliffs_delta_agrees_with_the_mann_whitney_u_of_scipy(now: list[float], before: list[float]) -> None:
    u = float(stats.mannwhitneyu(now, before, method="asymptotic").statistic)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    assert cliffs_delta(now, before) == pytest.approx(2 * u / (len(now) * len(before)) - 1)


@given(SAMPLES, SAMPLES)
def test_delta_changes_its_sign_when_the_samples_change_places(now: list[float], before: list[float]) -> None:
    assert cliffs_delta(now, before) == -cliffs_delta(before, now)


@given(SAMPLES)
def test_a_sample_is_not_worse_than_itself(values: list[float]) -> None:
    assert worsening(values, values).amount == 0


def test_a_change_from_nothing_is_infinite() -> None:
    assert relative_change(0, 0) == 0
    assert relative_change(1, 0) == math.inf
    assert relative_change(3, 2) == 0.5
    assert relative_change(-3, -2) == -0.5


def test_statistics_of_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="no median"):
        median([])
    with pytest.raises(ValueError, match="two samples"):
        cliffs_delta([], [1])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (QUIET, Finding.MET),
        (tuple(value * 1.15 for value in QUIET), Finding.MET),
        (tuple(value * 1.5 for value in QUIET), Finding.VIOLATED),
        (tuple(value / 2 for value in QUIET), Finding.MET),
        ((*QUIET[:3], *(value * 100 for value in QUIET[3:])), Finding.VIOLATED),
        ((*QUIET[:6], *(value * 100 for value in QUIET[6:])), Finding.VIOLATED),
        ((*QUIET[:9], 1000.0), Finding.MET),
    ],
)
def test_worse_means_often_and_far(values: tuple[float, ...], expected: Finding) -> None:
    assert finding(values) is expected


def test_sparse_errors_against_none_are_worse() -> None:
    none = benchmark((0.0,) * 10)
    assert finding((0.0,) * 7 + (1.0,) * 3, none) is Finding.VIOLATED
    assert finding((0.0,) * 9 + (1.0,), none) is Finding.MET


def test_more_is_better_turns_the_sign() -> None:
    throughput = benchmark(better="higher")
    assert finding(tuple(value / 2 for value in QUIET), throughput) is Finding.VIOLATED
    assert finding(tuple(value * 2 for value in QUIET), throughput) is Finding.MET


def test_one_measurement_in_ten_may_be_missing_and_no_more() -> None:
    assert finding(QUIET[:9], missing=1) is Finding.MET
    assert finding(QUIET[:8], missing=2) is Finding.INCONCLUSIVE
    assert finding(QUIET[:8]) is Finding.INCONCLUSIVE
    assert finding(()) is Finding.INCONCLUSIVE


def test_without_a_baseline_nothing_is_concluded() -> None:
    judged = judge_benchmark(asked(), readings(QUIET), None)
    assert judged.finding is Finding.INCONCLUSIVE
    assert "no baseline" in judged.why
    assert finding(QUIET, benchmark(QUIET[:4])) is Finding.INCONCLUSIVE


def test_a_limit_that_is_no_share_concludes_nothing() -> None:
    assert finding(QUIET, expected="soon") is Finding.INCONCLUSIVE
    assert finding(QUIET, expected="20%") is Finding.MET


class Kept:
    """Baselines in memory."""

    def __init__(self, golden: Benchmark | None, healthy: Benchmark | None) -> None:
        self._golden, self._healthy = golden, healthy

    def golden(self, service: str, name: str) -> Benchmark | None:
        return self._golden

    def last_healthy(self, service: str, name: str) -> Benchmark | None:
        return self._healthy


def test_the_golden_run_comes_before_the_last_healthy_window() -> None:
    golden, healthy = benchmark(golden=True), benchmark()
    assert choose_baseline(Kept(golden, healthy), "orders", "smoke") is golden
    assert choose_baseline(Kept(None, healthy), "orders", "smoke") is healthy
    assert choose_baseline(Kept(benchmark(QUIET[:3], golden=True), healthy), "orders", "smoke") is healthy
    assert choose_baseline(Kept(None, None), "orders", "smoke") is None


def test_only_a_whole_run_of_a_healthy_service_becomes_golden() -> None:
    made = declare_golden(benchmark(), is_healthy=True)
    assert isinstance(made, Benchmark)
    assert made.golden
    assert declare_golden(benchmark(missing=1), is_healthy=True) == NotGolden(
        "1 measurements are missing; a golden run is whole."
    )
    assert isinstance(declare_golden(benchmark(QUIET[:4]), is_healthy=True), NotGolden)
    assert isinstance(declare_golden(benchmark(), is_healthy=False), NotGolden)


async def test_a_benchmark_is_a_probe_measured_so_many_times() -> None:
    answers = iter([10.0, 20.0, Unknown(why="refused"), 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0])
    meter = Scripted(lambda _: next(answers))
    service = Service(
        name="orders", benchmarks={"smoke": ServiceBenchmark(probe="http.latency_ms", samples=10, better="lower")}
    )
    runner = BenchmarkRunner(ScriptedEyes(**{"http.latency_ms": meter}), VirtualClock(), OnTheLoop())
    made = await runner.run(service, "smoke", run_id="run_1")
    assert made.values == (10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0)
    assert (made.missing, made.median, made.golden, made.run_id) == (1, 50.0, False, "run_1")
    with pytest.raises(KeyError):
        await runner.run(service, "nothing")


async def test_a_benchmark_of_a_service_that_is_down_is_given_up_when_nothing_can_be_concluded() -> None:
    meter = Scripted(lambda _: Unknown(why="refused"))
    service = Service(name="orders", benchmarks={"smoke": ServiceBenchmark(probe="http.latency_ms")})
    runner = BenchmarkRunner(ScriptedEyes(**{"http.latency_ms": meter}), VirtualClock(), OnTheLoop())
    made = await runner.run(service, "smoke")
    assert len(meter.read_at) == 11, "more than a tenth of the hundred that a benchmark has by default"
    assert judge_benchmark(asked(), readings(QUIET), made).finding is Finding.INCONCLUSIVE


def test_a_reading_that_is_no_number_is_missing() -> None:
    odd = [Reading(at=END, found=Known(value=True)), *readings(QUIET[:9])]
    assert judge_benchmark(asked(), odd, benchmark()).finding is Finding.MET
    assert judge_benchmark(asked(), [odd[0], *odd[:9]], benchmark()).finding is Finding.INCONCLUSIVE
