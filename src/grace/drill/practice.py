"""Practice: one drill at a time, from the fault that is made to the settlement that ends it."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import JsonValue
from sqlalchemy import select

from grace.drill import Closer, Declarer, Sender
from grace.drill.ground import Ground, grounds_left, make_ground
from grace.drill.players import Player, PlayerFailedError, start_clerk, start_holder
from grace.kit.attempt import Raised, attempt
from grace.kit.clock import Clock, to_rfc3339
from grace.kit.ids import IdMint
from grace.model.drill import DRILL_SERVICE, Drill, DrillEnding, DrillKind
from grace.model.events import EventType
from grace.model.incident import Incident, IncidentState
from grace.model.ledger_entry import Draft, LedgerEntry
from grace.model.run import Run
from grace.model.service import DRILL_ENVIRONMENT, Service
from grace.model.warrant import Refusal
from grace.record import Journal, Reader
from grace.record.store.tables import incidents, runs

_LOG: Final = logging.getLogger(__name__)
SUBSCRIBER: Final = "drill"
FOLLOWED: Final = (EventType.INCIDENT_OPENED, EventType.RUN_OPENED, EventType.RUN_SETTLED)
_NEXT: Final = "grace incidents"
ReadServices = Callable[[Path], Sequence[Service]]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What drills need of the house."""

    root: Path
    """The folder that holds the folder of each drill; made with the first one."""
    limit_s: float
    """How long a drill waits for its settlement."""
    clock: Clock
    mint: IdMint
    journal: Journal
    reader: Reader
    declarer: Declarer
    closer: Closer
    read_services: ReadServices
    send: Sender


@dataclass(slots=True)
class _Play:
    """A drill under way."""

    drill: Drill
    ground: Ground
    clerk: Player
    holder: Player

    @property
    def made(self) -> frozenset[int]:
        return frozenset({self.clerk.pid, self.holder.pid})


class Drills:
    """Make a fault on purpose and follow what becomes of it. Close it before the record."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._with = surroundings
        self._changed = threading.Condition()
        self._play: _Play | None = None
        self._last: Drill | None = None
        self._is_starting = False
        self._is_closing = False
        self._threads: list[threading.Thread] = []

    @property
    def latest(self) -> Drill | None:
        """Return the drill under way, else the last one of this process."""
        with self._changed:
            return self._last

    def is_under_way(self) -> bool:
        """Tell whether a drill is followed at the moment; it waits for nobody."""
        return self._play is not None

    def made_pids(self) -> frozenset[int]:
        """Return the processes that GRACE made for the drill under way: no others may be ended in one."""
        with self._changed:
            return self._play.made if self._play else frozenset()

    def declare_left(self) -> None:
        """Declare the services of drills that a killed server left, so that their runs can be settled."""
        for ground in grounds_left(self._with.root):
            if ground.services.is_file():
                for service in self._with.read_services(ground.services):
                    self._with.declarer.declare(service)

    def start(self, kind: DrillKind, by: str) -> Drill | Refusal:
        """Lock a scratch database for real; return as soon as the lock is held. One drill runs at a time."""
        with self._changed:
            if self._play is not None or self._is_starting:
                under_way = self._last.id if self._last else "one"
                why = f"a drill is under way already: {under_way}"
                return Refusal(rule="drill-running", why=why, next="wait for its end: grace drill --status")
            self._is_starting = True
        try:
            return self._tidy(by) or self._begin(kind, by)
        finally:
            with self._changed:
                self._is_starting = False

    def wait_for_run(self, drill: Drill, timeout_s: float) -> Drill:
        """Wait until the drill's incident has its run; return the drill as far as it came."""

        def found() -> bool:
            last = self._last
            return last is None or last.id != drill.id or last.run_id is not None or last.ending is not None

        with self._changed:
            self._changed.wait_for(found, timeout_s)
            return self._last if self._last and self._last.id == drill.id else drill

    def deliver(self, entry: LedgerEntry) -> None:
        """Take an entry from the mesh: the incident, the run and the settlement of the drill under way."""
        payload = entry.payload
        with self._changed:
            if self._play is None or payload is None:
                return
            update = _told_by(entry, payload, self._play)
            if update:
                self._play.drill = self._last = self._play.drill.model_copy(update=update)
                self._changed.notify_all()

    def close(self) -> None:
        """End the drill under way and its programs."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _begin(self, kind: DrillKind, by: str) -> Drill | Refusal:
        drill_id = self._with.mint.mint("drl")
        with ExitStack() as undoing:
            try:
                ground = make_ground(self._with.root, drill_id)
                undoing.callback(ground.remove)
                clerk, address = start_clerk(ground)
                undoing.callback(clerk.end)
                ground.declare(address, by)
                for service in self._with.read_services(ground.services):
                    self._with.declarer.declare(service)
                holder = start_holder(ground)
                undoing.callback(holder.end)
            except OSError as error:
                why = f"no drill can be made in {self._with.root}: {error.strerror}"
                return Refusal(rule="drill-ground", why=why, next="name another folder with GRACE_DRILL_FOLDER")
            except PlayerFailedError as error:
                return Refusal(rule="drill-ground", why=str(error), next="grace doctor")
            drill = Drill(
                id=drill_id,
                kind=kind,
                by=by,
                folder=str(ground.folder),
                database=str(ground.database),
                started_at=self._with.clock.now(),
            )
            self._with.journal.append(_draft(drill, EventType.DRILL_STARTED, by))
            undoing.pop_all()
        self._let_play(_Play(drill, ground, clerk, holder))
        return drill

    def _let_play(self, play: _Play) -> None:
        with self._changed:
            self._play, self._last = play, play.drill
        self._threads = [
            threading.Thread(target=self._report, args=(play,), name="grace-drill-reports", daemon=True),
            threading.Thread(target=self._wait_for_end, args=(play,), name="grace-drill-end", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _report(self, play: _Play) -> None:
        """Hand in each failure that the clerk tells, until it ends."""
        number = 0
        while line := play.clerk.says():
            number += 1
            signal = _signal(play.drill, number, json.loads(line), self._with.clock)
            # One that is not taken is told and the next one is handed in: the clerk fails again in a moment.
            outcome = attempt(lambda signal=signal: self._with.send(signal))
            if isinstance(outcome, Raised):
                _LOG.error("failure %d of drill %s was not taken", number, play.drill.id, exc_info=outcome.error)
            elif outcome.value is not None:
                _LOG.warning("failure %d of drill %s was not taken: %s", number, play.drill.id, outcome.value.why)

    def _wait_for_end(self, play: _Play) -> None:
        def is_over() -> bool:
            return self._is_closing or play.drill.settlement is not None or play.clerk.process.poll() is not None

        with self._changed:
            came = self._changed.wait_for(is_over, self._with.limit_s)
            is_settled = play.drill.settlement is not None
        ending = DrillEnding.SETTLED if is_settled else DrillEnding.STOPPED if came else DrillEnding.OUT_OF_TIME
        play.holder.end()
        play.clerk.end()
        if is_settled:
            play.ground.remove()
        drill = play.drill.model_copy(update={"ending": ending})
        self._with.journal.append(_draft(drill, EventType.DRILL_ENDED, "grace"))
        with self._changed:
            self._play, self._last = None, drill
            self._changed.notify_all()

    def _tidy(self, by: str) -> Refusal | None:
        """Close and remove what earlier drills left; refuse while a run is at work on one."""
        for incident in self._left_open():
            if isinstance(refusal := self._with.closer.close(incident, by, "a new drill begins"), Refusal):
                return refusal
        with self._with.reader.read() as connection:
            mine = (runs.c.service == DRILL_SERVICE) & runs.c.settlement.is_(None)
            at_work = connection.execute(select(runs.c.id).where(mine)).scalar()
        if at_work is not None:
            return Refusal(
                rule="at-work", why=f"{at_work} of an earlier drill is not settled", next=f"grace runs {at_work}"
            )
        for ground in grounds_left(self._with.root):
            ground.remove()
        return None

    def _left_open(self) -> list[Incident]:
        mine = (incidents.c.service == DRILL_SERVICE) & (incidents.c.state == IncidentState.OPEN.value)
        with self._with.reader.read() as connection:
            rows = connection.execute(select(incidents.c.doc, incidents.c.state).where(mine)).all()
        return [Incident.model_validate({**row.doc, "state": row.state}) for row in rows]


def _told_by(entry: LedgerEntry, payload: dict[str, JsonValue], play: _Play) -> dict[str, str]:
    """Return what an entry adds to a drill; nothing when it is about something else."""
    drill = play.drill
    match entry.type:
        case EventType.INCIDENT_OPENED:
            incident = Incident.from_json(payload)
            is_mine = incident.labels.get("database") == drill.database
            return {"incident_id": incident.id} if is_mine else {}
        case EventType.RUN_OPENED if drill.incident_id is not None and drill.run_id is None:
            run = Run.from_json(payload)
            return {"run_id": run.id} if run.incident_id == drill.incident_id else {}
        case EventType.RUN_SETTLED if drill.run_id is not None and entry.run_id == drill.run_id:
            return {"settlement": str(payload["kind"])}
        case _:
            return {}


def _signal(drill: Drill, number: int, raised: dict[str, JsonValue], clock: Clock) -> bytes:
    name = f"{raised['module']}.{raised['type']}"
    return json.dumps(
        {
            "format": 1,
            "id": f"{drill.id}-{number}",
            "service": drill.service,
            "environment": DRILL_ENVIRONMENT,
            "at": to_rfc3339(clock.now()),
            "kind": "exception",
            "severity": "error",
            "title": name,
            "message": raised["message"],
            "exception": {**raised, "type": name},
            "labels": {"engine": "sqlite", "database": drill.database},
            "session": drill.id,
            "sequence": number,
        }
    ).encode()


def _draft(drill: Drill, type_: EventType, by: str) -> Draft:
    return Draft(
        key=f"{drill.id}/{type_.value}",
        type=type_,
        actor=by,
        service=drill.service,
        incident_id=drill.incident_id,
        run_id=None,
        payload=drill.to_json(),
    )
