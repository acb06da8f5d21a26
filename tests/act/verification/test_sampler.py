"""The sampler keeps its beats, waits for nobody who hangs, and stops when all is decided."""

import asyncio
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pydantic import JsonValue

from grace.act.verification.evidence import Evidence
from grace.act.verification.judge import judge
from grace.act.verification.measuring import InThreads
from grace.act.verification.sampler import Sampler
from grace.kit.clock import SystemClock
from grace.model.contract import Clause, ClauseSource, Comparator, Contract, Phase
from grace.model.reading import Known, Unknown
from grace.model.verdict import Finding
from tests.act.verification.eyes import OnTheLoop, Scripted, ScriptedEyes
from tests.act.verification.tape import clause, contract
from tests.act.verification.virtual_loop import LoopClock, run_virtually


def after(name: str, **changes: Any) -> Clause:
    return clause(id=name, name=name, probe=name, **changes)


def throughout(name: str, **changes: Any) -> Clause:
    return clause(id=name, name=name, probe=name, phase=Phase.THROUGHOUT, within_s=0, for_s=0, **changes)


async def observe(asked: Contract, eyes: ScriptedEyes, *, execution_s: float = 2.0) -> Evidence:
    sampler = Sampler(eyes, LoopClock(), OnTheLoop())
    async with sampler.watch(asked) as watch:
        await asyncio.sleep(execution_s)
        return await watch.see_out()


def watched(asked: Contract, execution_s: float = 2.0, **meters: Scripted) -> Evidence:
    return run_virtually(observe(asked, ScriptedEyes(**meters), execution_s=execution_s))


def test_a_good_clause_is_read_on_its_beat_and_no_longer_than_needed() -> None:
    meter = Scripted(lambda _: True)
    seen = watched(contract(after("ready")), ready=meter)
    assert meter.read_at == [2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0]
    assert seen.readings["ready"][0].at == seen.ended_at
    assert judge(contract(after("ready")), seen).finding is Finding.MET


def test_a_late_recovery_is_proven_at_the_moment_its_run_covers_the_time() -> None:
    meter = Scripted(lambda at_s: at_s >= 3.1)
    seen = watched(contract(after("ready", every_s=0.4)), ready=meter)
    assert meter.read_at == pytest.approx([2.0, 2.4, 2.8, 3.2, 3.6, 4.0, 4.4, 4.8, 5.2, 5.6, 6.0, 6.2])
    assert seen.observed_until - seen.ended_at == timedelta(seconds=4.2)


def test_the_sample_that_completes_a_run_is_not_squeezed_behind_another() -> None:
    meter = Scripted(lambda at_s: at_s >= 3.1)
    watched(contract(after("ready", every_s=0.58)), ready=meter)
    assert meter.read_at[-2:] == pytest.approx([6.06, 6.64]), "not at 6.16, when a rate would have no time to show"


def test_a_contrary_sample_after_the_granted_time_ends_the_watch_at_once() -> None:
    meter = Scripted(lambda _: False)
    asked = contract(after("ready"))
    seen = watched(asked, ready=meter)
    assert meter.read_at == pytest.approx([2.0, 2.5, 3.0, 3.5, 4.0])
    assert judge(asked, seen).finding is Finding.VIOLATED


def test_silence_is_watched_to_the_deadline_and_concludes_nothing() -> None:
    meter = Scripted(lambda _: Unknown(why="silent"))
    asked = contract(after("ready"))
    seen = watched(asked, ready=meter)
    assert meter.read_at[-1] == pytest.approx(4.0)
    assert judge(asked, seen).finding is Finding.INCONCLUSIVE


def test_a_probe_that_hangs_delays_no_other_clause() -> None:
    slow = Scripted(lambda _: True, takes_s=60, limit_s=2.0)
    quick = Scripted(lambda _: True)
    asked = contract(after("quick"), after("slow", required=False))
    seen = watched(asked, quick=quick, slow=slow)
    assert quick.read_at == pytest.approx([2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0], abs=0.021)
    assert judge(asked, seen).finding is Finding.MET
    assert [reading.found for reading in seen.readings["slow"]] == [Unknown(why="no answer in time")]


def test_a_slow_probe_is_read_again_as_soon_as_it_answers() -> None:
    slow = Scripted(lambda _: True, takes_s=0.8, limit_s=2.0)
    asked = contract(after("slow"))
    seen = watched(asked, slow=slow)
    assert slow.read_at == pytest.approx([2.0, 2.8, 3.6, 4.4, 5.2], abs=0.1)
    assert judge(asked, seen).finding is Finding.MET


def test_throughout_is_read_before_the_first_write_and_to_the_end_of_the_window() -> None:
    whole = Scripted(lambda _: True)
    asked = contract(throughout("whole", every_s=1), after("ready"))
    seen = watched(asked, whole=whole, ready=Scripted(lambda _: True))
    assert whole.read_at == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 5.0]
    assert judge(asked, seen).finding is Finding.MET


def test_a_rate_is_begun_before_the_first_write() -> None:
    answers = iter([Unknown(why="first reading")])
    rate = Scripted(lambda _: next(answers, True))
    asked = contract(throughout("rate", every_s=1), after("ready"))
    seen = watched(asked, rate=rate, ready=Scripted(lambda _: True))
    assert rate.read_at[:3] == [0.0, 1.0, 2.0]
    assert seen.started_at == seen.readings["rate"][0].at
    assert judge(asked, seen).finding is Finding.MET


def test_what_stays_unknown_before_the_first_write_is_inconclusive() -> None:
    asked = contract(throughout("gone", every_s=1), after("ready"))
    seen = watched(asked, gone=Scripted(lambda _: Unknown(why="gone")), ready=Scripted(lambda _: True))
    assert judge(asked, seen).finding is Finding.INCONCLUSIVE


def test_one_contrary_reading_during_the_execution_is_a_violation() -> None:
    whole = Scripted(lambda at_s: not 0.9 < at_s < 1.1)
    asked = contract(throughout("whole", every_s=1), after("ready"))
    verdict = judge(asked, watched(asked, whole=whole, ready=Scripted(lambda _: True)))
    assert verdict.finding is Finding.VIOLATED
    assert verdict.clauses[0].why == "Contrary at 1.00 s before the end of the execution."


def test_a_crash_leaves_a_hole_in_what_was_watched_throughout() -> None:
    asked = contract(throughout("whole", every_s=1), after("ready"))

    async def restarted() -> Evidence:
        eyes = ScriptedEyes(whole=Scripted(lambda _: True), ready=Scripted(lambda _: True))
        async with Sampler(eyes, LoopClock(), OnTheLoop()).watch(asked) as watch:
            return await watch.see_out(started_at=LoopClock().now() - timedelta(seconds=9), restarted=True)

    verdict = judge(asked, run_virtually(restarted()))
    assert verdict.restarted
    assert [result.finding for result in verdict.clauses] == [Finding.INCONCLUSIVE, Finding.MET]


def test_five_samples_at_once_take_no_time() -> None:
    meter = Scripted(lambda _: True)
    asked = contract(after("ready", within_s=0, for_s=0, every_s=0))
    seen = watched(asked, ready=meter)
    assert meter.read_at == [2.0] * 5
    assert judge(asked, seen).finding is Finding.MET


def test_samples_at_once_are_tried_again_within_the_granted_time() -> None:
    meter = Scripted(lambda at_s: at_s >= 2.25)
    asked = contract(after("ready", within_s=1, for_s=0, every_s=0))
    seen = watched(asked, ready=meter)
    assert meter.read_at == pytest.approx([2.0, 2.1, 2.2, 2.3, 2.3, 2.3, 2.3, 2.3])
    assert judge(asked, seen).finding is Finding.MET


def test_a_benchmark_is_given_up_when_too_many_measurements_are_missing() -> None:
    meter = Scripted(lambda _: Unknown(why="refused"), takes_s=0.5)
    asked = contract(
        clause(
            id="slow",
            name="slow",
            probe="slow",
            source=ClauseSource.BENCHMARK,
            comparator=Comparator.WORSENS_AT_MOST,
            expected="20%",
            samples=100,
            every_s=0.0,
            within_s=0.0,
            for_s=0.0,
        )
    )
    seen = watched(asked, slow=meter)
    assert len(seen.readings["slow"]) == 11
    assert judge(asked, seen).finding is Finding.INCONCLUSIVE


def test_a_benchmark_measures_as_often_as_asked() -> None:
    meter = Scripted(lambda _: 12.5)
    smoke = after(
        "smoke",
        source=ClauseSource.BENCHMARK,
        comparator=Comparator.WORSENS_AT_MOST,
        expected=0.2,
        samples=20,
        every_s=0,
        within_s=0,
        for_s=0,
    )
    seen = watched(contract(smoke), smoke=meter)
    assert len(seen.readings["smoke"]) == 20
    assert judge(contract(smoke), seen).finding is Finding.INCONCLUSIVE


def test_an_advisory_clause_does_not_prolong_the_watch() -> None:
    asked = contract(after("ready"), after("later", required=False, within_s=60, for_s=60))
    seen = watched(asked, ready=Scripted(lambda _: True), later=Scripted(lambda _: True))
    assert seen.observed_until - seen.ended_at == timedelta(seconds=3)
    assert judge(asked, seen).finding is Finding.MET


def test_a_look_reads_every_clause_once() -> None:
    async def look() -> dict[str, Any]:
        eyes = ScriptedEyes(ready=Scripted(lambda _: True), errors=Scripted(lambda _: Unknown(why="gone")))
        return dict(await Sampler(eyes, LoopClock(), OnTheLoop()).look([after("ready"), after("errors")]))

    seen = run_virtually(look())
    assert seen["ready"].found == Known(value=True)
    assert seen["errors"].found == Unknown(why="gone")


class Answering:
    """A real meter, read in a real thread."""

    def __init__(self, answer: Callable[[], JsonValue], limit_s: float = 5.0) -> None:
        self.limit_s = limit_s
        self._answer = answer

    def read(self) -> Known | Unknown:
        return Known(value=self._answer())


async def test_a_read_that_hangs_is_unknown_after_its_limit_and_leaves_the_thread_to_itself() -> None:
    free = threading.Event()
    try:
        found = await InThreads().start(Answering(free.wait, limit_s=0.05))
        assert found == Unknown(why="no answer within 0.05 s")
    finally:
        free.set()


async def test_a_read_that_raises_is_unknown_with_the_reason() -> None:
    def broken() -> JsonValue:
        message = "no such table"
        raise LookupError(message)

    found = await InThreads().start(Answering(broken))
    assert found == Unknown(why="the probe failed with LookupError: no such table")


async def test_reads_happen_in_other_threads() -> None:
    found = await InThreads().start(Answering(lambda: threading.current_thread() is threading.main_thread()))
    assert found == Known(value=False)


async def test_one_thread_does_one_read_after_the_other() -> None:
    measuring = InThreads()
    found = [await measuring.start(Answering(threading.get_ident)) for _ in range(3)]
    assert len(set(map(repr, found))) == 1


async def test_a_thread_that_hangs_holds_up_no_other_read() -> None:
    measuring, free = InThreads(), threading.Event()
    try:
        hanging = measuring.start(Answering(free.wait))
        for _ in range(2):
            assert await measuring.start(Answering(lambda: 1)) == Known(value=1)
        assert not hanging.done()
    finally:
        free.set()
    assert await hanging == Known(value=True)


async def test_a_thread_that_nobody_needs_ends() -> None:
    reading: list[threading.Thread] = []
    await InThreads().start(Answering(lambda: reading.append(threading.current_thread())))
    await asyncio.to_thread(reading[0].join, 30.0)
    assert not reading[0].is_alive()


async def test_a_watch_that_is_left_stops_reading() -> None:
    meter = Answering(lambda: True)
    asked = contract(throughout("whole", every_s=0.01), after("whole"))
    before = threading.active_count()
    async with Sampler(ScriptedEyes(whole=meter), SystemClock()).watch(asked):
        pass
    await asyncio.sleep(0)
    assert not [task for task in asyncio.all_tasks() if "Watch._run" in repr(task)]
    assert threading.active_count() <= before + 1
