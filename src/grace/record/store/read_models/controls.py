"""The tables `quarantines`, `halts` and `playbook_versions`: what is closed, stopped and pinned."""

from sqlite3 import Connection
from typing import Final

from sqlalchemy import bindparam, delete, insert, select, update

from grace.model.events import EventType, HaltChanged, PlaybookLoaded, TargetChanged
from grace.model.ledger_entry import LedgerEntry
from grace.record.store.prepared import Prepared
from grace.record.store.projection import Projection
from grace.record.store.read_models.entries import noun_of
from grace.record.store.tables import halts, playbook_versions, quarantines

_TARGET: Final = quarantines.c.target == bindparam("closed")
_FORGET: Final = Prepared(delete(quarantines).where(_TARGET & (quarantines.c.run_id == bindparam("run"))))
_QUARANTINE: Final = Prepared(insert(quarantines), "target", "run_id", "since")
_RELEASE: Final = Prepared(update(quarantines).where(_TARGET & quarantines.c.ended_at.is_(None)), "ended_at")
_HALT: Final = Prepared(insert(halts), "id", "scope", "reason", "by", "since", "doc")
_END_HALT: Final = Prepared(update(halts).where(halts.c.id == bindparam("halt")), "ended_at")
_PINNED: Final = Prepared(
    select(playbook_versions.c.digest).where(
        (playbook_versions.c.name == bindparam("name")) & (playbook_versions.c.version == bindparam("version"))
    )
)
_PIN: Final = Prepared(insert(playbook_versions), "name", "version", "digest", "doc")


def _quarantined(driver: Connection, entry: LedgerEntry) -> None:
    changed = noun_of(entry, TargetChanged)
    _FORGET.run(driver, closed=changed.target, run=changed.run_id)
    _QUARANTINE.run(driver, target=changed.target, run_id=changed.run_id, since=entry.at)


def _released(driver: Connection, entry: LedgerEntry) -> None:
    """End every quarantine of the target: whoever released it looked at the target, not at one run."""
    _RELEASE.run(driver, closed=noun_of(entry, TargetChanged).target, ended_at=entry.at)


def _halted(driver: Connection, entry: LedgerEntry) -> None:
    halt = noun_of(entry, HaltChanged)
    told = {"scope": halt.scope, "reason": halt.reason, "by": halt.by}
    _HALT.run(driver, id=halt.halt_id, since=entry.at, doc=entry.payload, **told)


def _halt_ended(driver: Connection, entry: LedgerEntry) -> None:
    _END_HALT.run(driver, halt=noun_of(entry, HaltChanged).halt_id, ended_at=entry.at)


def _loaded(driver: Connection, entry: LedgerEntry) -> None:
    """Pin a playbook version to the digest under which it was first loaded."""
    loaded = noun_of(entry, PlaybookLoaded)
    if _PINNED.run(driver, name=loaded.name, version=loaded.version).fetchone() is None:
        pinned = {"name": loaded.name, "version": loaded.version, "digest": loaded.digest}
        _PIN.run(driver, **pinned, doc=entry.payload)


PROJECTIONS: Final[dict[EventType, Projection]] = {
    EventType.TARGET_QUARANTINED: _quarantined,
    EventType.TARGET_RELEASED: _released,
    EventType.HALT_STARTED: _halted,
    EventType.HALT_ENDED: _halt_ended,
    EventType.PLAYBOOK_LOADED: _loaded,
}
