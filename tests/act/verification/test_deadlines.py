"""`within: W` is granted in full, whatever the beat: who recovers by then is in time, and nobody is blamed before."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from grace.act.verification.evidence import Evidence
from grace.act.verification.judge import judge
from grace.act.verification.sampler import Sampler
from grace.model.contract import Contract
from grace.model.verdict import ClauseResult, Finding
from tests.act.verification.eyes import OnTheLoop, Scripted, ScriptedEyes
from tests.act.verification.tape import clause, contract
from tests.act.verification.virtual_loop import LoopClock, run_virtually

BEATS = st.floats(0.1, 20)
WINDOWS = st.floats(0.05, 30)
SPANS = st.floats(0.1, 30)


def outcome(
    recovers_s: float, *, within_s: float, for_s: float, every_s: float, takes_s: float = 0.0
) -> tuple[ClauseResult, Scripted]:
    """Judge a service that is ill until so long after the execution, and well ever after."""
    asked = contract(clause(within_s=within_s, for_s=for_s, every_s=every_s))
    meter = Scripted(lambda at_s: at_s >= recovers_s - 1e-9, takes_s=takes_s, limit_s=60)
    verdict = judge(asked, run_virtually(_observe(asked, ScriptedEyes(**{"sqlite.writable": meter}))))
    return verdict.clauses[0], meter


async def _observe(asked: Contract, eyes: ScriptedEyes) -> Evidence:
    async with Sampler(eyes, LoopClock(), OnTheLoop()).watch(asked) as watch:
        return await watch.see_out()


def test_a_beat_longer_than_the_granted_time_blames_nobody_at_the_first_look() -> None:
    result, meter = outcome(1.0, within_s=3, for_s=16, every_s=4)
    assert result.finding is Finding.MET
    assert meter.read_at == pytest.approx([0, 3, 7, 11, 15, 19])


def test_who_is_ill_at_the_deadline_is_found_out_there_and_not_before() -> None:
    result, meter = outcome(9.0, within_s=3, for_s=16, every_s=4)
    assert result.finding is Finding.VIOLATED
    assert result.why == "Contrary 3.00 s after the execution, when the 3 s granted were over."
    assert meter.read_at == pytest.approx([0, 3])


@pytest.mark.parametrize(("within_s", "every_s"), [(3, 2), (2, 0.6), (1, 0.8), (1, 0.3)])
def test_a_recovery_at_the_last_moment_is_in_time(within_s: float, every_s: float) -> None:
    result, _ = outcome(within_s, within_s=within_s, for_s=4 * every_s, every_s=every_s)
    assert result.finding is Finding.MET
    assert result.met_after_s == pytest.approx(within_s)


def test_a_look_that_would_still_be_under_way_at_the_deadline_waits_for_it() -> None:
    result, meter = outcome(1.9, within_s=2, for_s=4, every_s=1, takes_s=0.7)
    assert meter.read_at[:3] == pytest.approx([0, 1, 2], abs=0.05)
    assert result.finding is Finding.MET


def test_without_a_granted_time_the_sentence_says_so() -> None:
    result, meter = outcome(1.0, within_s=0, for_s=3, every_s=0.5)
    assert (result.finding, meter.read_at) == (Finding.VIOLATED, [0])
    assert result.why == "Contrary 0.00 s after the execution, and no time was granted."


@given(BEATS, WINDOWS, SPANS, st.floats(0, 1))
@settings(deadline=None)
def test_whoever_recovers_within_the_granted_time_is_never_blamed(
    every_s: float, within_s: float, for_s: float, share: float
) -> None:
    result, _ = outcome(share * within_s, within_s=within_s, for_s=for_s, every_s=every_s)
    assert result.finding is Finding.MET, result.why


@given(BEATS, WINDOWS, SPANS, st.floats(0.002, 60))
@settings(deadline=None)
def test_whoever_recovers_later_is_found_out_at_the_deadline_and_never_before(
    every_s: float, within_s: float, for_s: float, late_s: float
) -> None:
    result, meter = outcome(within_s + late_s, within_s=within_s, for_s=for_s, every_s=every_s)
    assert result.finding is Finding.VIOLATED
    assert meter.read_at[-1] == pytest.approx(within_s, abs=0.001)


@given(BEATS, WINDOWS, st.floats(0, 0.9), st.floats(0, 1))
@settings(deadline=None)
def test_a_slow_probe_blames_nobody_who_recovered_in_time(
    every_s: float, within_s: float, slowness: float, share: float
) -> None:
    takes_s = slowness * min(every_s, within_s)
    result, _ = outcome(share * within_s, within_s=within_s, for_s=4 * every_s, every_s=every_s, takes_s=takes_s)
    assert result.finding is Finding.MET, result.why


@given(BEATS, WINDOWS, st.floats(0, 1) | st.floats(1.1, 2))
@example(1.3359375, 8.0, 1.0)  # The beats' moments, cut to microseconds, once led to a look just before W.
@settings(deadline=None)
def test_samples_at_once_have_the_whole_granted_time_as_well(every_s: float, within_s: float, times: float) -> None:
    result, meter = outcome(times * within_s, within_s=within_s, for_s=0, every_s=every_s)
    assert result.finding is (Finding.MET if times <= 1 else Finding.VIOLATED)
    assert result.finding is Finding.MET or meter.read_at[-1] == pytest.approx(within_s, abs=0.001)
