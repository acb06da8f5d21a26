"""Restraint: how GRACE holds itself back, as declared for a service, and what it says when it does."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from grace.model.noun import Noun
from grace.model.quantities import Duration


class Restraint(Noun):
    """The limits of one service. The shipped ones let one cure be tried at once, and the same cure not in a hurry."""

    cool_down: Duration = 300.0
    """So long after a run the same fault gets no other one; doubled with each run that followed on another."""
    longest_cool_down: Duration = 3_600.0
    flaps: int = Field(default=3, ge=1, le=1_000)
    """An incident that comes back more often than this within `flap_window` is flapping."""
    flap_window: Duration = 3_600.0
    flap_quiet: Duration = 1_800.0
    """A flapping incident that did not come back for so long is steady again."""
    failures: int = Field(default=3, ge=1, le=1_000)
    """So many runs that failed within `failure_window` open the breaker of their fingerprint or target."""
    failure_window: Duration = 3_600.0
    open_for: Duration = 900.0
    """So long an opened breaker lets nothing act alone; doubled each time the one try after it fails."""
    longest_open: Duration = 14_400.0
    runs_per_hour: int = Field(default=60, ge=1, le=100_000)
    runs_at_once: int = Field(default=4, ge=1, le=1_000)
    """How many of its runs may be under way, those that wait for a person not counted."""
    questions_at_once: int = Field(default=10, ge=1, le=1_000)
    """While so many of its runs wait for a person, no other one begins: a flood of questions is answered by nobody."""

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        for shorter, longer in (("cool_down", "longest_cool_down"), ("open_for", "longest_open")):
            if getattr(self, shorter) > getattr(self, longer):
                message = f"{shorter} is longer than {longer}"
                raise ValueError(message)
        return self


SHIPPED = Restraint()


class WaitRule(StrEnum):
    """Why an automatic run does not begin yet."""

    COOL_DOWN = "cool-down"
    NOT_SEEN_AGAIN = "not-seen-again"
    RUNS_AT_ONCE = "runs-at-once"
    RUNS_PER_HOUR = "runs-per-hour"
    QUESTIONS_AT_ONCE = "questions-at-once"


class RunDeferred(Noun):
    """An incident opened, and its run waits: for what, and until when if that is known."""

    incident_id: str
    occurrence: int
    service: str
    environment: str
    rule: WaitRule
    why: str
    until: datetime | None = None


class FlappingChanged(Noun):
    """An incident keeps coming back, or stopped doing so; while it flaps a person is asked before anything is done."""

    incident_id: str
    service: str
    environment: str
    owner: str
    reopenings: int
    since: datetime
    why: str


class BreakerChanged(Noun):
    """The breaker of a fingerprint (its incident) or of a target opened, or closed after a run that committed."""

    subject: str
    """The id of the incident, or the key of the target."""
    service: str
    environment: str
    owner: str
    run_id: str
    failures: tuple[str, ...] = ()
    """The runs that opened it."""
    until: datetime | None = None
    """From then on one run may act again."""
    why: str


class RestraintLifted(Noun):
    """A person's word: what was held against an incident or a target until now is forgotten."""

    subject: str
    by: str
    reason: str


class WaitingRun(Noun):
    """An open incident whose run has not begun."""

    incident_id: str
    title: str
    service: str
    environment: str
    place: int
    """Its place in the queue, from 1."""
    rule: WaitRule | None = None
    """None: its run begins with the next look."""
    why: str
    until: datetime | None = None


class BreakerStanding(Noun):
    """A breaker that is not closed."""

    subject: str
    service: str
    environment: str
    owner: str
    position: str
    """`open`, or `half_open`: one run may act."""
    since: datetime | None
    until: datetime | None
    failures: tuple[str, ...]
    trips: int
    """How often it opened since it was last closed."""


class Restrained(Noun):
    """Everything that holds GRACE back now."""

    waiting: tuple[WaitingRun, ...]
    """The longest waiting first, at most the first two thousand."""
    waiting_in_all: int
    flapping: tuple[FlappingChanged, ...]
    breakers: tuple[BreakerStanding, ...]


class RestraintCounts(Noun):
    """How much holds GRACE back now."""

    waiting: int
    flapping: int
    breakers: int


class HeldBack(Noun):
    """What holds GRACE back from one incident now."""

    waits: WaitingRun | None = None
    flapping: FlappingChanged | None = None
    breaker: BreakerStanding | None = None
