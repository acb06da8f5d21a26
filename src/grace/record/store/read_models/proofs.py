"""The tables `action_contracts`, `safe_hold_snapshots` and `benchmark_runs`: promised, kept, measured."""

from typing import Final

from sqlalchemy import Connection, bindparam, insert, select, update

from grace.kit.digests import digest_of
from grace.model.events import EventType
from grace.model.execution import Undoing
from grace.model.ledger_entry import LedgerEntry
from grace.model.plan import Plan
from grace.model.snapshot import Snapshot
from grace.model.verdict import Benchmark, Verdict
from grace.record.store.projection import Projection
from grace.record.store.read_models.entries import noun_of, run_id_of
from grace.record.store.tables import action_contracts, benchmark_runs, safe_hold_snapshots

TAKEN: Final = "taken"
RESTORED: Final = "restored"
NOT_RESTORED: Final = "not_restored"

# Made once: building a statement costs more than running it. Which columns are written is said by the parameters.
_CONTRACT: Final = action_contracts.c.run_id == bindparam("run")
_PROMISE: Final = insert(action_contracts)
_PROMISED: Final = select(action_contracts.c.doc).where(_CONTRACT)
_JUDGE: Final = update(action_contracts).where(_CONTRACT)
_KEEP: Final = insert(safe_hold_snapshots)


def _promised(connection: Connection, entry: LedgerEntry) -> None:
    plan, run = noun_of(entry, Plan), run_id_of(entry)
    row = {"run_id": run, "plan_digest": digest_of(entry.payload), "doc": {"contract": plan.contract.to_json()}}
    connection.execute(_PROMISE, row)


def _judged(connection: Connection, entry: LedgerEntry) -> None:
    verdict, mine = noun_of(entry, Verdict), {"run": run_id_of(entry)}
    doc = connection.execute(_PROMISED, mine).scalar_one_or_none()
    connection.execute(
        _JUDGE, {**mine, "verdict": verdict.finding.value, "doc": {**(doc or {}), "verdict": entry.payload}}
    )


def _taken(connection: Connection, entry: LedgerEntry) -> None:
    snapshot = noun_of(entry, Snapshot)
    row = {
        "id": snapshot.id,
        "run_id": snapshot.run_id,
        "state": TAKEN,
        "taken_at": snapshot.taken_at,
        "doc": entry.payload,
    }
    connection.execute(_KEEP, row)


def _restored(connection: Connection, entry: LedgerEntry) -> None:
    undoing = noun_of(entry, Undoing)
    state = RESTORED if undoing.is_complete else NOT_RESTORED
    connection.execute(
        update(safe_hold_snapshots).where(safe_hold_snapshots.c.run_id == undoing.run_id).values(state=state)
    )


def _measured(connection: Connection, entry: LedgerEntry) -> None:
    benchmark = noun_of(entry, Benchmark)
    connection.execute(
        insert(benchmark_runs).values(
            id=f"benchmark_{entry.index}",
            run_id=benchmark.run_id or entry.run_id,
            service=benchmark.service,
            name=benchmark.name,
            golden=benchmark.golden,
            at=benchmark.at,
            doc=entry.payload,
        )
    )


def _made_golden(connection: Connection, entry: LedgerEntry) -> None:
    """Put the new golden run in place of the one before it."""
    benchmark = noun_of(entry, Benchmark)
    same = (benchmark_runs.c.service == benchmark.service) & (benchmark_runs.c.name == benchmark.name)
    connection.execute(update(benchmark_runs).where(same).values(golden=False))
    _measured(connection, entry)
    connection.execute(
        update(benchmark_runs).where(benchmark_runs.c.id == f"benchmark_{entry.index}").values(golden=True)
    )


PROJECTIONS: Final[dict[EventType, Projection]] = {
    EventType.PLAN_MADE: _promised,
    EventType.VERDICT_REACHED: _judged,
    EventType.SNAPSHOT_TAKEN: _taken,
    EventType.SNAPSHOT_RESTORED: _restored,
    EventType.UNDO_FINISHED: _restored,
    EventType.BENCHMARK_FINISHED: _measured,
    EventType.BENCHMARK_MADE_GOLDEN: _made_golden,
}
