"""How far each subscriber came, and which entries it could not take."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from grace.record.store.tables import mesh_cursors, mesh_dead_letters


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An entry that a subscriber refused as often as it was tried."""

    subscriber: str
    index: int
    attempts: int
    error: str
    at: datetime


def saved_cursor(connection: Connection, subscriber: str) -> int | None:
    """Return the highest index that the subscriber is known to have taken."""
    query = select(mesh_cursors.c.delivered).where(mesh_cursors.c.subscriber == subscriber)
    return connection.execute(query).scalar_one_or_none()


def save_cursor(connection: Connection, subscriber: str, delivered: int, at: datetime) -> None:
    mine = mesh_cursors.c.subscriber == subscriber
    changed = connection.execute(update(mesh_cursors).where(mine).values(delivered=delivered, updated_at=at))
    if changed.rowcount == 0:
        connection.execute(insert(mesh_cursors).values(subscriber=subscriber, delivered=delivered, updated_at=at))


def save_dead_letter(connection: Connection, letter: DeadLetter) -> None:
    """Keep the newest refusal of an entry by a subscriber."""
    same = (mesh_dead_letters.c.subscriber == letter.subscriber) & (mesh_dead_letters.c.index == letter.index)
    connection.execute(delete(mesh_dead_letters).where(same))
    connection.execute(
        insert(mesh_dead_letters).values(
            subscriber=letter.subscriber,
            index=letter.index,
            attempts=letter.attempts,
            error=letter.error,
            at=letter.at,
        )
    )


def dead_letters(connection: Connection, subscriber: str | None = None) -> tuple[DeadLetter, ...]:
    """Return the refused entries of one subscriber, or of all, in order."""
    query = select(mesh_dead_letters).order_by(mesh_dead_letters.c.subscriber, mesh_dead_letters.c.index)
    if subscriber is not None:
        query = query.where(mesh_dead_letters.c.subscriber == subscriber)
    return tuple(DeadLetter(**row) for row in connection.execute(query).mappings())
