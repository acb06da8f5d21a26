"""The tables `action_contracts`, `safe_hold_snapshots` and `benchmark_runs`: promised, kept, measured."""

from sqlite3 import Connection
from typing import Final

from sqlalchemy import bindparam, insert, select, update

from grace.kit.digests import digest_of
from grace.model.events import EventType
from grace.model.execution import Undoing
from grace.model.ledger_entry import LedgerEntry
from grace.model.plan import Plan
from grace.model.snapshot import Snapshot
from grace.model.verdict import Benchmark, Verdict
from grace.record.store.prepared import Prepared
from grace.record.store.projection import Projection
from grace.record.store.read_models.entries import document, noun_of, run_id_of
from grace.record.store.tables import action_contracts, benchmark_runs, safe_hold_snapshots

TAKEN: Final = "taken"
RESTORED: Final = "restored"
NOT_RESTORED: Final = "not_restored"

_CONTRACT: Final = action_contracts.c.run_id == bindparam("run")
_PROMISE: Final = Prepared(insert(action_contracts), "run_id", "plan_digest", "doc")
_PROMISED: Final = Prepared(select(action_contracts.c.doc).where(_CONTRACT))
_JUDGE: Final = Prepared(update(action_contracts).where(_CONTRACT), "verdict", "doc")
_KEEP: Final = Prepared(insert(safe_hold_snapshots), "id", "run_id", "state", "taken_at", "doc")
_GIVE_BACK: Final = Prepared(
    update(safe_hold_snapshots).where(safe_hold_snapshots.c.run_id == bindparam("run")), "state"
)
_MEASURE: Final = Prepared(insert(benchmark_runs), "id", "run_id", "service", "name", "golden", "at", "doc")
_GILD: Final = Prepared(update(benchmark_runs).where(benchmark_runs.c.id == bindparam("benchmark")), "golden")
_TARNISH: Final = Prepared(
    update(benchmark_runs).where(
        (benchmark_runs.c.service == bindparam("of_service")) & (benchmark_runs.c.name == bindparam("named"))
    ),
    "golden",
)


def _promised(driver: Connection, entry: LedgerEntry) -> None:
    plan, run = noun_of(entry, Plan), run_id_of(entry)
    doc = {"contract": plan.contract.to_json()}
    _PROMISE.run(driver, run_id=run, plan_digest=digest_of(entry.payload), doc=doc)


def _judged(driver: Connection, entry: LedgerEntry) -> None:
    verdict, run = noun_of(entry, Verdict), run_id_of(entry)
    doc = {**document(_PROMISED.run(driver, run=run)), "verdict": entry.payload}
    _JUDGE.run(driver, run=run, verdict=verdict.finding.value, doc=doc)


def _taken(driver: Connection, entry: LedgerEntry) -> None:
    snapshot = noun_of(entry, Snapshot)
    at, doc = snapshot.taken_at, entry.payload
    _KEEP.run(driver, id=snapshot.id, run_id=snapshot.run_id, state=TAKEN, taken_at=at, doc=doc)


def _restored(driver: Connection, entry: LedgerEntry) -> None:
    undoing = noun_of(entry, Undoing)
    _GIVE_BACK.run(driver, run=undoing.run_id, state=RESTORED if undoing.is_complete else NOT_RESTORED)


def _measured(driver: Connection, entry: LedgerEntry) -> None:
    benchmark = noun_of(entry, Benchmark)
    _MEASURE.run(
        driver,
        id=f"benchmark_{entry.index}",
        run_id=benchmark.run_id or entry.run_id,
        service=benchmark.service,
        name=benchmark.name,
        golden=benchmark.golden,
        at=benchmark.at,
        doc=entry.payload,
    )


def _made_golden(driver: Connection, entry: LedgerEntry) -> None:
    """Put the new golden run in place of the one before it."""
    benchmark = noun_of(entry, Benchmark)
    _TARNISH.run(driver, of_service=benchmark.service, named=benchmark.name, golden=False)
    _measured(driver, entry)
    _GILD.run(driver, benchmark=f"benchmark_{entry.index}", golden=True)


PROJECTIONS: Final[dict[EventType, Projection]] = {
    EventType.PLAN_MADE: _promised,
    EventType.VERDICT_REACHED: _judged,
    EventType.SNAPSHOT_TAKEN: _taken,
    EventType.SNAPSHOT_RESTORED: _restored,
    EventType.UNDO_FINISHED: _restored,
    EventType.BENCHMARK_FINISHED: _measured,
    EventType.BENCHMARK_MADE_GOLDEN: _made_golden,
}
