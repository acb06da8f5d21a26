"""The halt: rows and entries in one transaction, read at the last moment before each deed."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, Select, select

from grace.kit.ids import IdMint
from grace.model.events import EventType, HaltChanged
from grace.model.ledger_entry import Draft
from grace.model.warrant import Refusal
from grace.record import Journal, Reader, Transaction
from grace.record.store.tables import halts

EVERYWHERE: Final = "*"

_STOPS: Final = "SELECT 1 FROM halts WHERE ended_at IS NULL AND scope IN (?, ?) LIMIT 1"
_STANDING: Final[Select[Any]] = select(halts).where(halts.c.ended_at.is_(None)).order_by(halts.c.since, halts.c.id)


@dataclass(frozen=True, slots=True)
class Halt:
    """New deeds are stopped: everywhere or for one service, since when, by whom and why."""

    id: str
    scope: str
    by: str
    reason: str
    since: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class HaltSwitch:
    """Stops new deeds and lets them go on again. It never stops a way back; who undoes does not ask it."""

    journal: Journal
    reader: Reader
    mint: IdMint

    def start(self, scope: str, by: str, reason: str) -> Halt:
        """Stop new deeds for a service or everywhere (`*`); for a halted scope return the standing halt."""

        def unit(tx: Transaction) -> Halt:
            for standing in _read(tx.connection.execute(_STANDING).all()):
                if standing.scope == scope:
                    return standing
            halt_id = self.mint.mint("hlt")
            tx.append(_draft(halt_id, scope, "started", EventType.HALT_STARTED, by, reason))
            return _named(tx, halt_id)[0]

        return self.journal.run(unit)

    def end(self, halt_id: str, by: str, reason: str) -> Halt | Refusal:
        """Let new deeds go on again; refused when there is no such halt or it has ended."""

        def unit(tx: Transaction) -> Halt | Refusal:
            found = _named(tx, halt_id)
            if not found:
                return Refusal(rule="no-halt", why=f"there is no halt {halt_id}", next="grace status")
            if found[0].ended_at is not None:
                return Refusal(rule="halt-ended", why=f"{halt_id} has ended already", next="grace status")
            tx.append(_draft(halt_id, found[0].scope, "ended", EventType.HALT_ENDED, by, reason))
            return _named(tx, halt_id)[0]

        return self.journal.run(unit)

    def is_halted_at(self, driver: sqlite3.Connection, service: str) -> bool:
        """Tell whether new deeds for a service are stopped in the state that a connection sees.

        In a transaction, no halt comes before what that one writes.
        """
        return driver.execute(_STOPS, (EVERYWHERE, service)).fetchone() is not None

    def standing(self) -> tuple[Halt, ...]:
        """Return every halt that has not ended, oldest first."""
        with self.reader.read() as connection:
            return _read(connection.execute(_STANDING).all())


def _named(tx: Transaction, halt_id: str) -> tuple[Halt, ...]:
    return _read(tx.connection.execute(select(halts).where(halts.c.id == halt_id)).all())


def _read(rows: Sequence[Row[Any]]) -> tuple[Halt, ...]:
    return tuple(Halt(row.id, row.scope, row.by, row.reason, row.since, row.ended_at) for row in rows)


def _draft(halt_id: str, scope: str, stage: str, type_: EventType, by: str, reason: str) -> Draft:
    changed = HaltChanged(halt_id=halt_id, scope=scope, by=by, reason=reason)
    service = None if scope == EVERYWHERE else scope
    return Draft(key=f"{halt_id}/{stage}", type=type_, actor=by, service=service, payload=changed.to_json())
