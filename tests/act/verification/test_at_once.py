"""Samples that are asked for at once are read in one go, where that takes no time and nothing speaks against it."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from pydantic import JsonValue

from grace.act.verification.at_once import AtOnce
from grace.act.verification.judge import judge
from grace.act.verification.measuring import InThreads
from grace.act.verification.sampler import Sampler
from grace.kit.clock import SystemClock
from grace.model.contract import Comparator, Phase
from grace.model.reading import Known, Unknown
from grace.model.verdict import Finding
from tests.act.verification.eyes import ScriptedEyes
from tests.act.verification.tape import clause, contract


@dataclass
class Telling:
    """A real meter that says one thing after the other, then the last one for ever, and knows who reads it."""

    says: list[JsonValue | Known | Unknown]
    limit_s: float = 5.0
    before: Callable[[int], object] = lambda _: None
    readers: list[int] = field(default_factory=list[int])

    def read(self) -> Known | Unknown:
        self.before(len(self.readers))
        said = self.says[min(len(self.readers), len(self.says) - 1)]
        self.readers.append(threading.get_ident())
        return said if isinstance(said, Known | Unknown) else Known(value=said)


def row(meter: Telling, most: int = 5, now: Iterable[float] = ()) -> AtOnce:
    moments = iter(now)
    return AtOnce(meter, most, lambda found: found == Known(value=True), lambda: next(moments, 0.0))


def test_all_are_read_while_each_goes_on() -> None:
    meter = row(Telling([True]))
    found = meter.read()
    assert [taken.found for taken in meter.end(found)] == [Known(value=True)] * 5


@pytest.mark.parametrize("against", [False, Unknown(why="silent")])
def test_the_first_that_does_not_is_the_last(against: JsonValue | Unknown) -> None:
    meter = row(Telling([True, True, against, True]))
    found = meter.read()
    assert [taken.found for taken in meter.end(found)][2:] == [found]


def test_reads_that_take_time_are_not_taken_together() -> None:
    meter = row(Telling([True]), now=[0.0, 0.0, 0.03])
    meter.read()
    assert len(meter.taken) == 1


def test_each_has_the_moment_at_which_it_began() -> None:
    meter = row(Telling([True]), most=2, now=[1.0, 1.0, 1.001, 1.002])
    assert [taken.at_s for taken in meter.end(meter.read())] == [1.0, 1.002]


async def test_one_that_hangs_is_unknown_and_those_before_it_count() -> None:
    free, measuring = threading.Event(), InThreads()
    hangs = Telling([True], limit_s=0.3, before=lambda number: number == 2 and free.wait())
    meter = row(hangs, now=[0.0, 1.0, 0.0, 3.0, 0.0, 5.0])
    try:
        found = await measuring.start(meter)
        assert found == Unknown(why="no answer within 0.3 s")
        taken = meter.end(found)
        assert [one.found for one in taken] == [Known(value=True), Known(value=True), found]
        assert [one.at_s for one in taken] == [1.0, 3.0, 5.0], "the third began, and was not heard of again"
    finally:
        free.set()
    assert meter.end(found)[:-1] == taken[:-1]


async def judged(meter: Telling, **changes: float) -> Finding:
    asked = contract(
        clause(
            id="ready", probe="ready", phase=Phase.AFTER, comparator=Comparator.IS, expected=True, for_s=0, **changes
        )
    )
    async with Sampler(ScriptedEyes(ready=meter), SystemClock()).watch(asked) as watch:
        return judge(asked, await watch.see_out()).finding


async def test_a_clause_without_a_window_is_met_by_five_reads_of_one_thread() -> None:
    meter = Telling([True])
    assert await judged(meter, within_s=0) is Finding.MET
    assert len(meter.readers) == 5
    assert len(set(meter.readers)) == 1


async def test_one_bad_sample_among_them_violates_it_and_ends_the_reading() -> None:
    meter = Telling([True, True, False, True])
    assert await judged(meter, within_s=0) is Finding.VIOLATED
    assert len(meter.readers) == 3


async def test_within_a_granted_time_it_is_tried_again_after_a_bad_one() -> None:
    meter = Telling([False, True])
    assert await judged(meter, within_s=20) is Finding.MET
    assert len(meter.readers) == 6


async def test_a_source_with_a_time_of_its_own_is_not_read_again_at_once() -> None:
    old = Known(value=True, as_of=datetime(2026, 1, 1, tzinfo=UTC))
    meter = Telling([old, True])
    assert await judged(meter, within_s=20) is Finding.MET
    assert len(meter.readers) == 6
