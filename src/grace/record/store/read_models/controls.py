"""The tables `quarantines`, `halts` and `playbook_versions`: what is closed, stopped and pinned."""

from typing import Final

from sqlalchemy import Connection, delete, insert, select, update

from grace.model.events import EventType, HaltChanged, PlaybookLoaded, TargetChanged
from grace.model.ledger_entry import LedgerEntry
from grace.record.store.projection import Projection
from grace.record.store.read_models.entries import noun_of
from grace.record.store.tables import halts, playbook_versions, quarantines


def _quarantined(connection: Connection, entry: LedgerEntry) -> None:
    changed = noun_of(entry, TargetChanged)
    same = (quarantines.c.target == changed.target) & (quarantines.c.run_id == changed.run_id)
    connection.execute(delete(quarantines).where(same))
    connection.execute(insert(quarantines).values(target=changed.target, run_id=changed.run_id, since=entry.at))


def _released(connection: Connection, entry: LedgerEntry) -> None:
    """End every quarantine of the target: whoever released it looked at the target, not at one run."""
    changed = noun_of(entry, TargetChanged)
    still = (quarantines.c.target == changed.target) & quarantines.c.ended_at.is_(None)
    connection.execute(update(quarantines).where(still).values(ended_at=entry.at))


def _halted(connection: Connection, entry: LedgerEntry) -> None:
    halt = noun_of(entry, HaltChanged)
    connection.execute(
        insert(halts).values(
            id=halt.halt_id, scope=halt.scope, reason=halt.reason, by=halt.by, since=entry.at, doc=entry.payload
        )
    )


def _halt_ended(connection: Connection, entry: LedgerEntry) -> None:
    halt = noun_of(entry, HaltChanged)
    connection.execute(update(halts).where(halts.c.id == halt.halt_id).values(ended_at=entry.at))


def _loaded(connection: Connection, entry: LedgerEntry) -> None:
    """Pin a playbook version to the digest under which it was first loaded."""
    loaded = noun_of(entry, PlaybookLoaded)
    same = (playbook_versions.c.name == loaded.name) & (playbook_versions.c.version == loaded.version)
    if connection.execute(select(playbook_versions.c.digest).where(same)).first() is None:
        connection.execute(
            insert(playbook_versions).values(
                name=loaded.name, version=loaded.version, digest=loaded.digest, doc=entry.payload
            )
        )


PROJECTIONS: Final[dict[EventType, Projection]] = {
    EventType.TARGET_QUARANTINED: _quarantined,
    EventType.TARGET_RELEASED: _released,
    EventType.HALT_STARTED: _halted,
    EventType.HALT_ENDED: _halt_ended,
    EventType.PLAYBOOK_LOADED: _loaded,
}
