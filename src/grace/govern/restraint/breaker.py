"""Breaker: after failures in a row of time a subject is given up to people, and later tried once. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from grace.model.restraint import Restraint


class Position(StrEnum):
    """Closed: by the policy. Open: nothing acts alone. Half-open: one run may act, and its end decides."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one run on the subject ended."""

    run_id: str
    at: datetime
    failed: bool


@dataclass(frozen=True, slots=True)
class Breaker:
    """Where the breaker of one subject stands at one moment."""

    position: Position
    since: datetime | None = None
    until: datetime | None = None
    failures: tuple[str, ...] = ()
    trips: int = 0
    """How often it opened since it was last closed."""


CLOSED = Breaker(Position.CLOSED)


def breaker(outcomes: Iterable[Outcome], rule: Restraint, now: datetime) -> Breaker:
    """Return where the breaker stands after these outcomes, which come in the order of their times."""
    standing, failures = CLOSED, tuple[Outcome, ...]()
    for outcome in outcomes:
        if standing is not CLOSED:
            standing = _again(standing, outcome, rule) if outcome.failed else CLOSED
            failures = ()
        elif outcome.failed:
            window = timedelta(seconds=rule.failure_window)
            failures = (*(one for one in failures if outcome.at - one.at <= window), outcome)
            if len(failures) >= rule.failures:
                standing = _opened(outcome, tuple(one.run_id for one in failures), 1, rule)
    return _seen_at(standing, now)


def _opened(last: Outcome, failures: tuple[str, ...], trips: int, rule: Restraint) -> Breaker:
    open_s = min(rule.longest_open, rule.open_for * 2 ** min(trips - 1, 32))
    return Breaker(Position.OPEN, last.at, last.at + timedelta(seconds=open_s), failures, trips)


def _again(standing: Breaker, outcome: Outcome, rule: Restraint) -> Breaker:
    """Open again after a failure; for longer, if this was the try that the time had come for."""
    was_due = standing.until is not None and outcome.at >= standing.until
    return _opened(outcome, (*standing.failures, outcome.run_id), standing.trips + was_due, rule)


def _seen_at(standing: Breaker, now: datetime) -> Breaker:
    if standing.until is None or now < standing.until:
        return standing
    return Breaker(Position.HALF_OPEN, standing.since, standing.until, standing.failures, standing.trips)
