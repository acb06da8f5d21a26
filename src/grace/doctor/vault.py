"""The vault: whether it still holds what takes back the runs that are not over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, func, or_, select

from grace.act.safehold.vault import VaultGone, is_kept
from grace.doctor.saying import failed, well
from grace.model.examination import CheckResult
from grace.model.settlement import SettlementKind
from grace.model.snapshot import Snapshot
from grace.record.store.read_models.proofs import TAKEN
from grace.record.store.tables import quarantines, runs, safe_hold_snapshots

_MOST_NAMED: Final = 10
_SNAPSHOTS: Final = safe_hold_snapshots.c
_HELD: Final = select(quarantines.c.run_id).where(quarantines.c.ended_at.is_(None))
_NOT_OVER: Final = (
    select(_SNAPSHOTS.run_id, runs.c.settlement, _SNAPSHOTS.doc)
    .join(runs, runs.c.id == _SNAPSHOTS.run_id)
    .where(or_(runs.c.settlement.is_(None), runs.c.id.in_(_HELD)))
    .order_by(_SNAPSHOTS.run_id)
)
_COMMITTED: Final = (
    select(func.count())
    .select_from(safe_hold_snapshots.join(runs, runs.c.id == _SNAPSHOTS.run_id))
    .where(runs.c.settlement == SettlementKind.COMMITTED.value, _SNAPSHOTS.state == TAKEN)
)


@dataclass(frozen=True, slots=True)
class LostWaysBack:
    """What can no longer be taken back: runs that are open or held, each with how it stands, and committed ones."""

    runs: tuple[str, ...]
    committed: int
    """How many; counted only where the whole vault is gone."""

    @property
    def sentence(self) -> str:
        named = [*self.runs[:_MOST_NAMED]]
        if len(self.runs) > _MOST_NAMED:
            named.append(f"{len(self.runs) - _MOST_NAMED} more that are open or held")
        if self.committed:
            named.append(f"{self.committed} committed")
        return ", ".join(named)


def lost_ways_back(connection: Connection, folder: Path) -> LostWaysBack | None:
    """Return which runs need contents that are not in the vault; None when there is none. No content is read."""
    lost: list[str] = []
    for run_id, settlement, doc in connection.execute(_NOT_OVER):
        snapshot = Snapshot.from_json(doc)
        needed = {one.content for one in (*snapshot.objects, *snapshot.evidence) if one.content}
        if not all(is_kept(folder, address) for address in needed):
            lost.append(f"{run_id} ({settlement or 'open'})")
    committed = 0 if folder.is_dir() else connection.execute(_COMMITTED).scalar_one()
    return LostWaysBack(tuple(lost), committed) if lost or committed else None


def require_vault(connection: Connection, folder: Path, key_file: Path) -> LostWaysBack | None:
    """Raise VaultGone where the folder is gone that ways back need; return what else is lost, for it to be told."""
    lost = lost_ways_back(connection, folder)
    if lost is not None and key_file.exists() and not folder.is_dir():
        raise VaultGone(folder, lost.sentence)
    return lost


def vault(connection: Connection, folder: Path) -> Iterator[CheckResult]:
    """Look whether everything that open and held runs need is in the vault, by name; nothing is opened."""
    check, about = "record.vault", str(folder)
    lost = lost_ways_back(connection, folder)
    if lost is not None:
        what = "is not there" if not folder.is_dir() else "lacks contents"
        found = f"{what}: no way back for {lost.sentence}"
        advice = "put the vault back from its backup; else grace keep RUN --as-is --reason WHY"
        yield failed(check, about, found, advice)
    elif folder.is_dir():
        yield well(check, about, "holds what the ways back of open and held runs need")
    else:
        yield well(check, about, "is not there yet: the next start makes it, and no way back needs it")
