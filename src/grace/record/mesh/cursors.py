"""How far each subscriber came, whether it is disabled, and which entries it could not take."""

import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, select, update

from grace.kit.clock import to_rfc3339
from grace.model.events import EventType
from grace.record.mesh.agenda import Pointer
from grace.record.store.engine import driver_connection
from grace.record.store.tables import ledger_entries, mesh_cursors, mesh_dead_letters

_KEY = func.coalesce(ledger_entries.c.run_id, ledger_entries.c.incident_id, ledger_entries.c.service, "")

_POINTERS = """
    SELECT "index", coalesce(run_id, incident_id, service, '') FROM ledger_entries WHERE "index" > ?
"""
_SAVE_CURSOR = """
    INSERT INTO mesh_cursors (subscriber, delivered, updated_at) VALUES (?, ?, ?)
    ON CONFLICT (subscriber) DO UPDATE SET delivered = excluded.delivered, updated_at = excluded.updated_at
"""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a subscriber stands."""

    delivered: int
    disabled_why: str | None = None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An entry that a subscriber refused as often as it was tried."""

    subscriber: str
    index: int
    attempts: int
    error: str
    at: datetime
    requeued_at: datetime | None = None
    """Since when it is to be offered again; None while nobody asked for that."""


def pointers(driver: sqlite3.Connection, types: Collection[EventType], after: int, limit: int) -> tuple[Pointer, ...]:
    """Return where the next entries of these types are, in order; it is asked after nearly every commit."""
    query = f'{_POINTERS} AND type IN ({", ".join("?" * len(types))}) ORDER BY "index" LIMIT ?'
    names = sorted(event_type.value for event_type in types)
    return tuple(Pointer(index, key) for index, key in driver.execute(query, (after, *names, limit)))


def saved_cursor(connection: Connection, subscriber: str) -> Cursor | None:
    """Return where the subscriber is known to stand."""
    query = select(mesh_cursors.c.delivered, mesh_cursors.c.disabled_why).where(mesh_cursors.c.subscriber == subscriber)
    row = connection.execute(query).first()
    return None if row is None else Cursor(row.delivered, row.disabled_why)


def save_cursor(connection: Connection, subscriber: str, delivered: int, at: datetime) -> None:
    driver_connection(connection).execute(_SAVE_CURSOR, (subscriber, delivered, to_rfc3339(at)))


def save_disabled(connection: Connection, subscriber: str, delivered: int, at: datetime, why: str | None) -> None:
    """Keep that a subscriber is disabled and why; None enables it."""
    save_cursor(connection, subscriber, delivered, at)
    mine = mesh_cursors.c.subscriber == subscriber
    connection.execute(update(mesh_cursors).where(mine).values(disabled_why=why))


def save_dead_letter(connection: Connection, letter: DeadLetter) -> None:
    """Keep the newest refusal of an entry by a subscriber; attempts add up."""
    same = _these(letter.subscriber, [letter.index])
    before = connection.execute(select(mesh_dead_letters.c.attempts).where(same)).scalar_one_or_none() or 0
    connection.execute(delete(mesh_dead_letters).where(same))
    connection.execute(
        insert(mesh_dead_letters).values(
            subscriber=letter.subscriber,
            index=letter.index,
            attempts=before + letter.attempts,
            error=letter.error,
            at=letter.at,
            requeued_at=letter.requeued_at,
        )
    )


def dead_letters(
    connection: Connection, subscriber: str | None = None, after: tuple[str, int] = ("", -1), limit: int | None = None
) -> tuple[DeadLetter, ...]:
    """Return the refused entries of one subscriber, or of all, in order of subscriber and index."""
    name, index = mesh_dead_letters.c.subscriber, mesh_dead_letters.c.index
    query = select(mesh_dead_letters).where((name > after[0]) | and_(name == after[0], index > after[1]))
    if subscriber is not None:
        query = query.where(name == subscriber)
    rows = connection.execute(query.order_by(name, index).limit(limit)).mappings()
    return tuple(DeadLetter(**row) for row in rows)


def dead_letter_counts(connection: Connection) -> dict[str, int]:
    """Return how many dead letters each subscriber has."""
    query = select(mesh_dead_letters.c.subscriber, func.count()).group_by(mesh_dead_letters.c.subscriber)
    return {row[0]: row[1] for row in connection.execute(query)}


def letter_indexes(connection: Connection, subscriber: str) -> frozenset[int]:
    query = select(mesh_dead_letters.c.index).where(mesh_dead_letters.c.subscriber == subscriber)
    return frozenset(connection.execute(query).scalars())


def requeued(connection: Connection, subscriber: str) -> tuple[Pointer, ...]:
    """Return the letters that are to be offered again, in order."""
    mine = (mesh_dead_letters.c.subscriber == subscriber) & mesh_dead_letters.c.requeued_at.is_not(None)
    query = (
        select(mesh_dead_letters.c.index, _KEY)
        .join(ledger_entries, ledger_entries.c.index == mesh_dead_letters.c.index)
        .where(mine)
        .order_by(mesh_dead_letters.c.index)
    )
    return tuple(Pointer(index, key) for index, key in connection.execute(query))


def requeue(connection: Connection, subscriber: str, indexes: Sequence[int] | None, at: datetime) -> tuple[int, ...]:
    """Mark letters (None: all that are not marked yet) to be offered again; return which."""
    wanted = _these(subscriber, indexes) & mesh_dead_letters.c.requeued_at.is_(None)
    query = update(mesh_dead_letters).where(wanted).values(requeued_at=at).returning(mesh_dead_letters.c.index)
    return tuple(sorted(connection.execute(query).scalars()))


def discard(connection: Connection, subscriber: str, indexes: Sequence[int] | None) -> tuple[int, ...]:
    """Drop letters (None: all); return which there were."""
    query = delete(mesh_dead_letters).where(_these(subscriber, indexes)).returning(mesh_dead_letters.c.index)
    return tuple(sorted(connection.execute(query).scalars()))


def _these(subscriber: str, indexes: Sequence[int] | None) -> ColumnElement[bool]:
    mine = mesh_dead_letters.c.subscriber == subscriber
    return mine if indexes is None else mine & mesh_dead_letters.c.index.in_(indexes)
