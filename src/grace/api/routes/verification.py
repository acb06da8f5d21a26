"""Verification: contracts, and how many of them held."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter
from sqlalchemy import Connection, Select, func, select

from grace.api.access import TheHouse, Viewer
from grace.api.paging import AskedPage, Page, rows_of
from grace.api.problems import documented, not_found
from grace.api.texts import Identifier
from grace.api.views import ContractView, SnapshotView, View
from grace.model.settlement import SettlementKind
from grace.model.verdict import Finding
from grace.record.store.tables import action_contracts, benchmark_runs, runs, safe_hold_snapshots

router = APIRouter(prefix="/api/verification", tags=["verification"])


class ContractCounts(View):
    total: int
    verified: int
    failed: int
    inconclusive: int
    waiting: int
    """Not judged yet: the run is open."""
    unjudged: int
    """Never to be judged: the run ended observed, refused, expired or stopped before its first write."""
    success_rate: float | None
    """Verified among those that were judged; null while none was: absent is not zero."""


class VerificationStatus(View):
    contracts: ContractCounts
    snapshots: int
    benchmarks: int
    golden_benchmarks: int
    golden_snapshot: SnapshotView | None
    """The newest one whose run was committed: the last state that was known to be good before a verified change."""


@router.get("/status")
def status(_viewer: Viewer, house: TheHouse) -> VerificationStatus:
    """Count contracts by how they came out, snapshots and benchmarks."""
    with house.record.read() as connection:
        golden = connection.execute(newest_golden_snapshot()).mappings().first()
        return VerificationStatus(
            contracts=_contracts(connection),
            snapshots=connection.execute(select(func.count()).select_from(safe_hold_snapshots)).scalar_one(),
            benchmarks=connection.execute(select(func.count()).select_from(benchmark_runs)).scalar_one(),
            golden_benchmarks=connection.execute(
                select(func.count()).select_from(benchmark_runs).where(benchmark_runs.c.golden)
            ).scalar_one(),
            golden_snapshot=None if golden is None else SnapshotView.model_validate(golden),
        )


@router.get("/contracts")
def list_contracts(
    _viewer: Viewer, house: TheHouse, wanted: AskedPage, verdict: Finding | None = None
) -> Page[ContractView]:
    """List contracts with their verdicts, newest run first."""
    where = [runs.c.id.in_(select(action_contracts.c.run_id))]
    if verdict is not None:
        where = [runs.c.id.in_(select(action_contracts.c.run_id).where(action_contracts.c.verdict == verdict.value))]
    with house.record.read() as connection:
        rows, following = rows_of(connection, runs, "opened_at", wanted, *where)
        found = (
            connection.execute(
                select(action_contracts).where(action_contracts.c.run_id.in_([row["id"] for row in rows]))
            )
            .mappings()
            .all()
        )
    by_run = {row["run_id"]: row for row in found}
    items = [ContractView.model_validate({"id": row["id"], **by_run[row["id"]]}) for row in rows]
    return Page(items=items, next_cursor=following)


@router.get("/contracts/{run_id}", responses=documented(HTTPStatus.NOT_FOUND))
def get_contract(run_id: Identifier, _viewer: Viewer, house: TheHouse) -> ContractView:
    """Show the contract of a run: clauses, expected beside actual."""
    with house.record.read() as connection:
        row = connection.execute(select(action_contracts).where(action_contracts.c.run_id == run_id)).mappings().first()
    if row is None:
        not_found("contract", run_id, "grace runs")
    return ContractView.model_validate({"id": run_id, **row})


def newest_golden_snapshot() -> Select[Any]:
    """Return the query for the newest snapshot of a committed run."""
    committed = select(runs.c.id).where(runs.c.settlement == SettlementKind.COMMITTED.value)
    newest = safe_hold_snapshots.c.taken_at.desc()
    return select(safe_hold_snapshots).where(safe_hold_snapshots.c.run_id.in_(committed)).order_by(newest).limit(1)


def _contracts(connection: Connection) -> ContractCounts:
    counted = connection.execute(
        select(action_contracts.c.verdict, func.count()).group_by(action_contracts.c.verdict)
    ).all()
    by_verdict: dict[str | None, int] = {row[0]: row[1] for row in counted}
    open_runs = select(runs.c.id).where(runs.c.settlement.is_(None))
    unheard = (action_contracts.c.verdict.is_(None), action_contracts.c.run_id.in_(open_runs))
    waiting = connection.execute(select(func.count()).select_from(action_contracts).where(*unheard)).scalar_one()
    met, violated = by_verdict.get(Finding.MET.value, 0), by_verdict.get(Finding.VIOLATED.value, 0)
    inconclusive = by_verdict.get(Finding.INCONCLUSIVE.value, 0)
    judged = met + violated + inconclusive
    return ContractCounts(
        total=sum(by_verdict.values()),
        verified=met,
        failed=violated,
        inconclusive=inconclusive,
        waiting=waiting,
        unjudged=by_verdict.get(None, 0) - waiting,
        success_rate=met / judged if judged else None,
    )
