"""A value that was measured before the deed says nothing of its outcome, however often it is told."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from grace.act.verification.benchmarks import benchmark_of
from grace.act.verification.clauses import judge_window
from grace.act.verification.evidence import Evidence
from grace.act.verification.judge import judge
from grace.act.verification.sampler import Sampler
from grace.model.contract import ClauseSource, Comparator, Phase
from grace.model.reading import Known, Reading, Unknown
from grace.model.service import ServiceBenchmark
from grace.model.verdict import ClauseResult, Finding
from tests.act.verification.eyes import OnTheLoop, Scripted, ScriptedEyes
from tests.act.verification.tape import END, START, at, clause, contract, evidence
from tests.act.verification.virtual_loop import LoopClock, run_virtually

ERRORS = clause(comparator=Comparator.AT_MOST, expected=0.01)


def told(seconds: float, value: float, own_s: float) -> Reading:
    """Return what was read so long after the execution, and measured by its source at another time."""
    return Reading(at=at(seconds), found=Known(value=value, as_of=at(own_s)))


def tape(own: Callable[[float], float], value: float = 0.0, every_s: float = 0.5, last_s: float = 6.0) -> list[Reading]:
    return [told(step * every_s, value, own(step * every_s)) for step in range(int(last_s / every_s) + 1)]


def watched(source: Callable[[float], Known], **changes: float) -> ClauseResult:
    """Judge a source that is asked by time since the end of the execution."""
    asked = contract(ERRORS.model_copy(update=changes))
    meter = Telling(source)

    async def observe() -> Evidence:
        async with Sampler(ScriptedEyes(**{"sqlite.writable": meter}), LoopClock(), OnTheLoop()).watch(asked) as watch:
            return await watch.see_out()

    return judge(asked, run_virtually(observe())).clauses[0]


class Telling(Scripted):
    """A meter whose answers carry times of their own, in seconds after the end of the execution."""

    def __init__(self, source: Callable[[float], Known]) -> None:
        super().__init__(lambda _: None)
        self._source = source

    def read(self) -> Known | Unknown:
        super().read()
        return self._source(self.read_at[-1])


def measured(value: float, own_s: float) -> Known:
    return Known(value=value, as_of=at(own_s))


def test_one_value_from_before_the_execution_is_never_six_samples_after_it() -> None:
    judged = judge_window(ERRORS, tape(lambda _: -4.0), END, 6)
    assert judged.finding is Finding.INCONCLUSIVE
    result = judge(contract(ERRORS), evidence({"after-1": tuple(tape(lambda _: -4.0))})).clauses[0]
    assert result.actual is not None
    assert result.actual.found == Unknown(why="the newest value is from 11:59:56 UTC, before the execution ended")
    assert result.samples == result.missing > 0


def test_a_restarted_window_counts_what_was_measured_since_the_restart() -> None:
    seen = evidence({"after-1": tuple(tape(lambda _: -4.0))}, restarted=True)
    actual = judge(contract(ERRORS), seen).clauses[0].actual
    assert actual is not None
    assert actual.found == Unknown(why="the newest value is from 11:59:56 UTC, before the restart of the window")


def test_one_value_from_after_the_execution_is_one_sample() -> None:
    judged = judge_window(ERRORS, tape(lambda _: 0.2), END, 6)
    assert judged.finding is Finding.INCONCLUSIVE
    assert "the longest unbroken run was 1 samples" in judged.why
    assert "12 of 13 reads found no newer value than that of 12:00:00 UTC" in judged.why


def test_a_bad_value_from_before_the_execution_blames_nobody() -> None:
    assert judge_window(ERRORS, tape(lambda _: -4.0, value=1.0), END, 6).finding is Finding.INCONCLUSIVE


def test_a_source_that_is_a_little_behind_is_judged_by_its_own_times() -> None:
    judged = judge_window(ERRORS, tape(lambda read_s: read_s - 0.3), END, 6)
    assert judged.finding is Finding.MET
    assert judged.met_after_s == pytest.approx(0.2)


def test_a_read_that_comes_before_the_next_value_breaks_no_run() -> None:
    judged = judge_window(ERRORS, tape(lambda read_s: read_s // 0.75 * 0.75), END, 6)
    assert judged.finding is Finding.MET
    assert judged.run is not None
    assert judged.run.count == 9


def test_a_source_with_a_slower_beat_is_told_of_and_proves_nothing() -> None:
    judged = judge_window(ERRORS, tape(lambda read_s: read_s // 15 * 15 + 0.1, last_s=60), END, 60)
    assert judged.finding is Finding.INCONCLUSIVE
    assert "the source has one every 15 s, and the clause wants one every 0.5 s" in judged.why


def test_a_beat_like_that_of_its_source_is_proven() -> None:
    slow = ERRORS.model_copy(update={"within_s": 20.0, "for_s": 60.0, "every_s": 15.0})
    judged = judge_window(slow, tape(lambda read_s: read_s // 15 * 15 + 0.1, every_s=16, last_s=90), END, 90)
    assert judged.finding is Finding.MET


def test_a_value_measured_before_the_deadline_is_not_contrary_at_the_deadline() -> None:
    behind = [told(step / 2, 1.0 if step / 2 - 0.8 < 1.9 else 0.0, step / 2 - 0.8) for step in range(14)]
    assert judge_window(ERRORS, behind[:5], END, 2).finding is Finding.INCONCLUSIVE
    assert watched(lambda read_s: measured(1.0 if read_s - 0.8 < 1.5 else 0.0, read_s - 0.8)).finding is Finding.MET


def test_a_frozen_source_is_watched_to_the_deadline_and_no_longer() -> None:
    for own_s in (-3.0, 0.0, 0.5):
        result = watched(lambda _, own_s=own_s: measured(0.0, own_s))
        assert result.finding is Finding.INCONCLUSIVE
        assert len(result.readings) < 12


def test_a_frozen_source_ends_samples_at_once_as_well() -> None:
    for within_s in (0.0, 2.0):
        result = watched(lambda _: measured(0.0, 0.0), within_s=within_s, for_s=0.0, every_s=0.0)
        assert result.finding is Finding.INCONCLUSIVE


def test_five_measurements_at_once_are_waited_for() -> None:
    result = watched(lambda read_s: measured(0.0, read_s // 0.25 * 0.25), within_s=0.0, for_s=0.0, every_s=0.0)
    assert (result.finding, result.samples) == (Finding.MET, 5)


def test_throughout_is_not_watched_by_a_source_that_stands_still() -> None:
    whole = clause(id="whole", phase=Phase.THROUGHOUT, within_s=0.0, for_s=0.0, every_s=1.0)
    readings = tuple(Reading(at=at(s), found=Known(value=True, as_of=START)) for s in range(-10, 7))
    asked, seen = contract(whole, ERRORS), {"whole": readings}
    result = judge(asked, evidence(seen, until_s=6)).clauses[0]
    assert result.finding is Finding.INCONCLUSIVE
    assert "there is no newer value than that of 11:59:50 UTC" in result.why


def test_a_benchmark_of_a_source_that_stands_still_has_measured_once() -> None:
    readings = [told(step, 12.0, 0.0) for step in range(20)]
    smoke = clause(
        source=ClauseSource.BENCHMARK, comparator=Comparator.WORSENS_AT_MOST, expected=0.2, samples=20, for_s=0.0
    )
    golden = benchmark_of("orders", "smoke", ServiceBenchmark(probe="x", samples=20), tape(lambda own: own, 12.0))
    assert len(golden.values) == 13
    result = judge(contract(smoke), evidence({"after-1": tuple(readings)}, baselines={"after-1": golden})).clauses[0]
    assert (result.finding, result.missing) == (Finding.INCONCLUSIVE, 19)
    frozen = benchmark_of("orders", "smoke", ServiceBenchmark(probe="x", samples=20), readings)
    assert (frozen.values, frozen.missing) == ((12.0,), 19)


def test_readings_without_a_time_of_their_own_are_written_and_read_as_ever() -> None:
    plain = Reading(at=END, found=Known(value=1))
    assert plain.to_json() == {"at": "2026-11-01T12:00:00Z", "found": {"value": 1}}
    assert Reading.from_json({"at": "2026-11-01T12:00:00Z", "found": {"value": 1}}) == plain
    own = told(1, 0.0, 0.5)
    assert Reading.from_json(own.to_json()) == own


@given(
    st.lists(st.tuples(st.floats(0, 10), st.floats(-5, 10), st.booleans()), max_size=30),
    st.floats(0, 4),
    st.floats(0, 4),
)
@settings(deadline=None)
def test_what_is_met_rests_on_five_measurements_from_after_the_execution(
    told_by: list[tuple[float, float, bool]], within_s: float, for_s: float
) -> None:
    readings = [told(read_s, 0.0 if is_well else 1.0, min(own_s, read_s)) for read_s, own_s, is_well in told_by]
    judged = judge_window(ERRORS.model_copy(update={"within_s": within_s, "for_s": for_s}), readings, END, 10)
    if judged.finding is Finding.MET:
        times = {
            own_s for read_s, own_s, is_well in told_by if is_well for own_s in [min(own_s, read_s)] if own_s > -0.001
        }
        assert len(times) >= 5
        assert max(times) - min(times) >= for_s - 0.001


@given(st.floats(0, 1.5), st.floats(0.05, 0.9), st.floats(0, 0.9))
@settings(deadline=None)
def test_a_source_of_about_the_clauses_beat_lets_a_healthy_service_pass(
    lag_s: float, beat_s: float, phase: float
) -> None:
    def source(read_s: float) -> Known:
        own_s = ((read_s - lag_s) / beat_s - phase) // 1 * beat_s + phase * beat_s
        return measured(0.0, own_s)

    assert watched(source, within_s=4.0).finding is Finding.MET


@given(st.lists(st.tuples(st.integers(0, 8), st.booleans()), max_size=24), st.sampled_from([0.0, 1.0, 2.0]))
@settings(deadline=None)
def test_what_is_decided_early_by_such_a_source_stays_decided(told_by: list[tuple[int, bool]], within_s: float) -> None:
    asked = ERRORS.model_copy(update={"within_s": within_s})
    readings = [
        told(step / 2, 0.0 if is_well else 1.0, step / 2 - lag / 4) for step, (lag, is_well) in enumerate(told_by)
    ]
    final = judge_window(asked, readings, END, 12).finding
    for length in range(len(readings)):
        early = judge_window(asked, readings[:length], END, 12).finding
        assert early in {Finding.INCONCLUSIVE, final}, readings[:length]


def test_a_time_without_a_zone_is_no_time() -> None:
    with pytest.raises(ValidationError, match="timezone"):
        Known(value=1, as_of=END.replace(tzinfo=None))
