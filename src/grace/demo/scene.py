"""What the scenes share: the incident that a fault leads to, its run, and what is kept for the table at the end."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from grace.demo.cast import Cast
from grace.demo.tale import Tale
from grace.demo.visitor import IncidentSeen, RunSeen
from grace.model.events import EventType

DETECT_S = 15.0


@dataclass(frozen=True, slots=True)
class Played:
    """One run of a scene, for the table."""

    incident: IncidentSeen
    tale: Tale
    broke_at: datetime | None = None
    """When the fault was made; None where the incident stood open already."""

    @property
    def detect_s(self) -> float | None:
        """Return how long after the fault its incident was on the record."""
        return None if self.broke_at is None else (self.incident.opened_at - self.broke_at).total_seconds()

    @property
    def act_s(self) -> float | None:
        """Return the seconds from the run's beginning to the end of its execution: thought, question and deed."""
        return self._between(EventType.RUN_OPENED, EventType.EXECUTION_FINISHED)

    @property
    def verify_s(self) -> float | None:
        """Return the seconds from the end of the execution to the verdict."""
        return self._between(EventType.EXECUTION_FINISHED, EventType.VERDICT_REACHED)

    def _between(self, first: EventType, last: EventType) -> float | None:
        began, ended = self.tale.at(first), self.tale.at(last)
        return None if began is None or ended is None else (ended - began).total_seconds()


def incident_of(cast: Cast, title: str, since: datetime) -> IncidentSeen:
    """Wait for the incident that a fault leads to, and tell that it is there."""

    def look() -> IncidentSeen | None:
        seen = (one for one in cast.olga.incidents() if title in one.title and one.opened_at >= since)
        return next(seen, None)

    incident = cast.olga.wait_for(look, f"an incident about {title!r}", DETECT_S)
    at_s = (incident.opened_at - cast.began_at).total_seconds()
    cast.report.tell("detected", f"{incident.title} (captured by the SDK, {incident.id[:16]}…)", at_s)
    return incident


def run_of(cast: Cast, incident_id: str, besides: Collection[str] = ()) -> RunSeen:
    """Wait for the run that GRACE opens for an incident by itself."""

    def look() -> RunSeen | None:
        return next((one for one in cast.olga.runs(incident_id) if one.id not in besides), None)

    return cast.olga.wait_for(look, f"a run for {incident_id}", DETECT_S)


def open_incident(cast: Cast, title: str) -> IncidentSeen:
    """Return the newest open incident about something; raise LookupError when there is none."""
    found = [one for one in cast.olga.incidents() if title in one.title and one.state == "open"]
    if not found:
        message = f"no open incident about {title!r}"
        raise LookupError(message)
    return found[-1]
