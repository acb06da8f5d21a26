"""Safe-hold snapshots, and the way back to them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy import RowMapping, select

from grace.api.access import Operator, TheHouse, Viewer
from grace.api.house import House
from grace.api.paging import AskedPage, Page, rows_of
from grace.api.problems import documented, not_found, refused
from grace.api.routes.runs import read_run
from grace.api.routes.verification import newest_golden_snapshot
from grace.api.texts import Identifier, Reason
from grace.api.views import Asked, RunDetail, SnapshotDetail, SnapshotView, View
from grace.model.snapshot import Restoration
from grace.model.warrant import Refusal
from grace.record.store.tables import safe_hold_snapshots

router = APIRouter(prefix="/api/verification/snapshots", tags=["snapshots"])


class Restoring(Asked):
    """A rehearsal unless `dry_run` is false; then a run is opened that undoes the run of the snapshot."""

    dry_run: bool = True
    reason: Reason = ""


class Restored(View):
    """What a rehearsal found object by object, or the run that was opened."""

    dry_run: bool
    restorations: tuple[Restoration, ...] = ()
    run: RunDetail | None = None


@router.get("")
def list_snapshots(
    _viewer: Viewer, house: TheHouse, wanted: AskedPage, run_id: Annotated[str | None, Query(max_length=64)] = None
) -> Page[SnapshotView]:
    """List snapshots, newest first."""
    where = [safe_hold_snapshots.c.run_id == run_id] if run_id else []
    with house.record.read() as connection:
        rows, following = rows_of(connection, safe_hold_snapshots, "taken_at", wanted, *where)
    return Page(items=[SnapshotView.model_validate(row) for row in rows], next_cursor=following)


@router.get("/golden/latest", responses=documented(HTTPStatus.NOT_FOUND))
def latest_golden(_viewer: Viewer, house: TheHouse) -> SnapshotDetail:
    """Show the newest snapshot whose run was committed."""
    with house.record.read() as connection:
        row = connection.execute(newest_golden_snapshot()).mappings().first()
    if row is None:
        not_found("snapshot", "golden", "grace runs")
    return _detail(row)


@router.get("/{snapshot_id}", responses=documented(HTTPStatus.NOT_FOUND))
def get_snapshot(snapshot_id: Identifier, _viewer: Viewer, house: TheHouse) -> SnapshotDetail:
    """Show what a snapshot keeps, digest by digest."""
    return _detail(_row(house, snapshot_id))


@router.post("/{snapshot_id}/restore", responses=documented(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT))
def restore(snapshot_id: Identifier, body: Restoring, operator: Operator, house: TheHouse) -> Restored:
    """Rehearse a restore, or open the run that does it."""
    row = _row(house, snapshot_id)
    if body.dry_run:
        rehearsed = house.proofs.rehearse(snapshot_id)
        if isinstance(rehearsed, Refusal):
            raise refused(rehearsed)
        return Restored(dry_run=True, restorations=tuple(rehearsed))
    opened = house.runs.undo(row["run_id"], operator.name, body.reason)
    if isinstance(opened, Refusal):
        raise refused(opened)
    return Restored(dry_run=False, run=read_run(house, opened.id))


def _row(house: House, snapshot_id: str) -> RowMapping:
    with house.record.read() as connection:
        row = (
            connection.execute(select(safe_hold_snapshots).where(safe_hold_snapshots.c.id == snapshot_id))
            .mappings()
            .first()
        )
    if row is None:
        not_found("snapshot", snapshot_id, "GET /api/verification/snapshots")
    return row


def _detail(row: RowMapping) -> SnapshotDetail:
    return SnapshotDetail.model_validate({**row, "snapshot": row["doc"]})
