"""The queue: open incidents whose run has not begun, which of them may begin now, and what is said of those that wait.

It is kept nowhere: who waits is who is open and has no run for this opening.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection, text

from grace.act.healing.escalating import AUTOMATIC
from grace.act.healing.runs import Runs
from grace.govern.restraint.restraints import Restraints
from grace.model.incident import Incident
from grace.model.restraint import RunDeferred, WaitingRun, WaitRule
from grace.model.run import Run
from grace.record import Reader
from grace.record.reading import noun_in
from grace.record.store.engine import driver_connection

_MOST: Final = 2_000
_OF_SERVICE: Final = frozenset({WaitRule.RUNS_AT_ONCE, WaitRule.QUESTIONS_AT_ONCE, WaitRule.RUNS_PER_HOUR})
_WHO: Final = (
    " FROM incidents i WHERE i.state = 'open' AND NOT EXISTS (SELECT 1 FROM runs r"
    " WHERE r.incident_id = i.id AND r.kind = 'heal'"
    " AND json_extract(r.doc, '$.run.occurrence') = json_extract(i.doc, '$.occurrence'))"
)
_WAITING: Final = text(f"SELECT i.doc{_WHO} ORDER BY i.updated_at, i.id LIMIT :most")
_COUNT: Final = text(f"SELECT count(*){_WHO}")
_ONE: Final = text(f"SELECT i.doc, i.updated_at{_WHO} AND i.id = :incident")
_BEFORE: Final = text(f"SELECT count(*){_WHO} AND (i.updated_at, i.id) < (:at, :incident)")


@dataclass(frozen=True, slots=True)
class Waiting:
    """An incident without its run; no deferral: the run begins at the next look."""

    incident: Incident
    deferral: RunDeferred | None


@dataclass(slots=True)
class Queue:
    """Begins what may begin, the longest waiting first."""

    runs: Runs
    reader: Reader
    restraints: Restraints
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def waiting(self) -> tuple[list[Waiting], int]:
        """Return who waits and why, the longest waiting first, and how many they are in all, of one moment."""
        with self.reader.read() as connection:
            return self._waiting(connection), _counted(connection)

    def count(self) -> int:
        """Count who waits."""
        with self.reader.read() as connection:
            return _counted(connection)

    def place_of(self, incident_id: str) -> WaitingRun | None:
        """Return how one incident waits, None where it does not."""
        with self.reader.read() as connection:
            row = connection.execute(_ONE, {"incident": incident_id}).first()
            if row is None:
                return None
            before = {"incident": incident_id, "at": row.updated_at}
            incident = noun_in(row.doc, Incident)
            waiting = Waiting(incident, self.restraints.deferral(driver_connection(connection), incident))
            return _told(waiting, int(connection.execute(_BEFORE, before).scalar_one()) + 1)

    def begin(self) -> tuple[str, ...]:
        """Open a run for each that may have one now; return the ids of their incidents. Safe to call from anywhere."""
        with self._turn:
            with self.reader.read() as connection:
                ready = [one.incident for one in self._waiting(connection) if one.deferral is None]
            return tuple(one.id for one in ready if isinstance(self.runs.heal(one, AUTOMATIC), Run))

    def _waiting(self, connection: Connection) -> list[Waiting]:
        found = [noun_in(row[0], Incident) for row in connection.execute(_WAITING, {"most": _MOST})]
        full: dict[tuple[str, str], RunDeferred] = {}
        return [Waiting(one, self._deferral(connection, one, full)) for one in found]

    def _deferral(
        self, connection: Connection, incident: Incident, full: dict[tuple[str, str], RunDeferred]
    ) -> RunDeferred | None:
        """Ask once whether a service has room: where it has none, none of its incidents has."""
        place = (incident.service, incident.environment)
        if place in full:
            told = {"incident_id": incident.id, "occurrence": incident.occurrence}
            return full[place].model_copy(update=told)
        deferral = self.restraints.deferral(driver_connection(connection), incident)
        if deferral is not None and deferral.rule in _OF_SERVICE:
            full[place] = deferral
        return deferral


def _counted(connection: Connection) -> int:
    return int(connection.execute(_COUNT).scalar_one())


def told(waiting: Sequence[Waiting]) -> tuple[WaitingRun, ...]:
    """Return the queue as people see it, with each one's place in it."""
    return tuple(_told(one, place) for place, one in enumerate(waiting, 1))


def _told(waiting: Waiting, place: int) -> WaitingRun:
    incident, deferral = waiting.incident, waiting.deferral
    return WaitingRun(
        incident_id=incident.id,
        title=incident.title,
        service=incident.service,
        environment=incident.environment,
        place=place,
        rule=None if deferral is None else deferral.rule,
        why="its run begins with the next look" if deferral is None else deferral.why,
        until=None if deferral is None else deferral.until,
    )
