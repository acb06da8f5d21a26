"""Breaker, cool-down, flapping and pace as state machines, with a clock that the test moves."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime, timedelta
from itertools import accumulate, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from pydantic import ValidationError

from grace.govern.restraint.breaker import CLOSED, Outcome, Position, breaker
from grace.govern.restraint.cooldown import JITTER, Try, chance_of, cools_until
from grace.govern.restraint.flapping import flapping
from grace.govern.restraint.pace import HOUR, next_place_at
from grace.model.restraint import Restraint

START = datetime(2026, 1, 1, tzinfo=UTC)
RULE = Restraint(
    cool_down=60,
    longest_cool_down=600,
    flaps=2,
    flap_window=600,
    flap_quiet=300,
    failures=3,
    failure_window=600,
    open_for=100,
    longest_open=800,
)
gaps = st.lists(st.integers(1, 400), max_size=25)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def outcomes(*told: tuple[float, bool]) -> list[Outcome]:
    return [Outcome(f"run_{number}", at(seconds), failed) for number, (seconds, failed) in enumerate(told)]


class TheBreaker(RuleBasedStateMachine):
    """A little model kept beside: what an operator would write down on paper."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.told: list[Outcome] = []
        self.recent: list[float] = []
        self.open_until: float | None = None
        self.trips = 0

    @rule(seconds=st.integers(1, 500))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds

    @rule()
    def a_run_fails(self) -> None:
        self.told.append(Outcome(f"run_{len(self.told)}", at(self.now), failed=True))
        if self.open_until is not None:
            self.trips += self.now >= self.open_until
            self.open()
        else:
            self.recent = [*(one for one in self.recent if self.now - one <= RULE.failure_window), self.now]
            if len(self.recent) >= RULE.failures:
                self.trips = 1
                self.open()
        self.now += 0.5

    @rule()
    def a_run_commits(self) -> None:
        self.told.append(Outcome(f"run_{len(self.told)}", at(self.now), failed=False))
        if self.open_until is not None:
            self.open_until, self.trips, self.recent = None, 0, []
        self.now += 0.5

    @precondition(lambda self: self.open_until is not None)
    @rule()
    def its_time_comes(self) -> None:
        self.now = max(self.now, self.open_until or 0.0)

    def open(self) -> None:
        self.open_until = self.now + min(RULE.longest_open, RULE.open_for * 2 ** (self.trips - 1))
        self.recent = []

    @invariant()
    def it_stands_where_the_paper_says(self) -> None:
        found = breaker(self.told, RULE, at(self.now))
        if self.open_until is None:
            assert found == CLOSED
        else:
            assert found.position is (Position.OPEN if self.now < self.open_until else Position.HALF_OPEN)
            assert found.until == at(self.open_until)
            assert found.trips == self.trips
            assert len(found.failures) >= RULE.failures


TestTheBreaker = TheBreaker.TestCase
TestTheBreaker.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_a_breaker_opens_at_the_last_failure_that_it_takes_and_not_before() -> None:
    told = outcomes((0, True), (10, True), (20, True))
    assert breaker(told[:2], RULE, at(25)) == CLOSED
    opened = breaker(told, RULE, at(25))
    assert (opened.position, opened.since, opened.until) == (Position.OPEN, at(20), at(120))
    assert opened.failures == ("run_0", "run_1", "run_2")


def test_failures_farther_apart_than_the_window_open_nothing() -> None:
    assert breaker(outcomes((0, True), (400, True), (700, True)), RULE, at(701)) == CLOSED


def test_success_between_failures_does_not_hide_them() -> None:
    told = outcomes((0, True), (1, False), (2, True), (3, False), (4, True))
    assert breaker(told, RULE, at(5)).position is Position.OPEN


def test_the_one_try_decides() -> None:
    told = outcomes((0, True), (1, True), (2, True))
    assert breaker(told, RULE, at(102)).position is Position.HALF_OPEN
    assert breaker([*told, Outcome("try", at(110), failed=False)], RULE, at(111)) == CLOSED
    again = breaker([*told, Outcome("try", at(110), failed=True)], RULE, at(111))
    assert (again.position, again.until, again.trips) == (Position.OPEN, at(310), 2)


def rows(gaps_s: list[int], lasts_s: int = 5) -> list[Try]:
    ends = accumulate(gap + lasts_s for gap in gaps_s)
    return [Try(f"run_{number}", at(end - lasts_s), at(end)) for number, end in enumerate(ends)]


@given(gaps)
def test_a_cool_down_lies_between_its_bounds(gaps_s: list[int]) -> None:
    tries = rows(gaps_s)
    until = cools_until(tries, RULE)
    if not tries:
        assert until is None
        return
    assert until is not None
    waits_s = (until - tries[-1].settled_at).total_seconds()
    assert RULE.cool_down * (1 - JITTER) <= waits_s <= RULE.longest_cool_down
    assert until == cools_until(tries, RULE)


@given(st.integers(1, 12))
def test_a_cool_down_doubles_with_each_repeat_up_to_the_longest(repeats: int) -> None:
    tries = rows([1] * repeats)
    until = cools_until(tries, RULE)
    assert until is not None
    whole_s = min(RULE.longest_cool_down, RULE.cool_down * 2 ** (repeats - 1))
    waits_s = (until - tries[-1].settled_at).total_seconds()
    assert waits_s == pytest.approx(whole_s * (1 - JITTER * chance_of(tries[-1].run_id)), abs=1e-3)


def test_a_long_gap_begins_the_cool_down_anew() -> None:
    tries = [*rows([1, 1, 1]), Try("run_late", at(5_000), at(5_001))]
    until = cools_until(tries, RULE)
    assert until is not None
    assert until <= at(5_001 + RULE.cool_down)


def test_chance_differs_from_run_to_run_and_never_for_one() -> None:
    drawn = {chance_of(f"run_{number}") for number in range(100)}
    assert len(drawn) == 100
    assert all(0 <= one < 1 for one in drawn)
    assert chance_of("run_1") == chance_of("run_1")


@given(gaps, st.integers(0, 700))
def test_an_incident_flaps_after_too_many_reopenings_until_it_is_quiet(gaps_s: list[int], rest: int) -> None:
    times = [at(end) for end in accumulate(gaps_s)]
    now = (times[-1] if times else START) + timedelta(seconds=rest)
    found = flapping(times, RULE, now)
    window: deque[datetime] = deque()
    densest = 0
    for time in times:
        window.append(time)
        while time - window[0] > timedelta(seconds=RULE.flap_window):
            window.popleft()
        densest = max(densest, len(window))
    if densest <= RULE.flaps or rest > RULE.flap_quiet:
        assert found is None
    if found is not None:
        assert found.reopenings > RULE.flaps
        assert found.last == times[-1]
        since = [time for time in times if time >= found.since]
        assert all((b - a).total_seconds() <= RULE.flap_quiet for a, b in pairwise(since))


def test_the_reopening_that_is_too_many_begins_it() -> None:
    times = [at(0), at(10), at(20)]
    assert flapping(times[:2], RULE, at(11)) is None
    found = flapping(times, RULE, at(21))
    assert found is not None
    assert (found.since, found.reopenings) == (at(20), 3)
    assert flapping(times, RULE, at(20 + RULE.flap_quiet)) is not None
    assert flapping(times, RULE, at(21 + RULE.flap_quiet)) is None


@given(gaps, st.integers(1, 5), st.integers(0, 4_000))
def test_no_hour_sees_more_runs_than_it_may(gaps_s: list[int], most: int, rest: int) -> None:
    """Open a run whenever a place is free; then count every hour."""
    opened: list[datetime] = []
    for end in accumulate(gaps_s):
        free_at = next_place_at(opened, most, at(end))
        if free_at is None:
            opened.append(at(end))
        else:
            assert free_at > at(end)
            assert next_place_at(opened, most, free_at) is None
    assert all(sum(begin <= one < begin + HOUR for one in opened) <= most for begin in opened)


def test_limits_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValidationError, match="cool_down is longer than longest_cool_down"):
        Restraint(cool_down=7_200)
    with pytest.raises(ValidationError, match="open_for is longer than longest_open"):
        Restraint(open_for=50_000)
