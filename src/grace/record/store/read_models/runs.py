"""The tables `runs` and `plans`: how far each run came, and how it ended."""

from collections.abc import Mapping
from sqlite3 import Connection
from typing import Final

from sqlalchemy import bindparam, insert, select, update

from grace.kit.digests import digest_of
from grace.model.decision import Decision
from grace.model.events import EventType
from grace.model.ledger_entry import LedgerEntry
from grace.model.plan import Plan
from grace.model.run import Run, Stage
from grace.model.settlement import Settlement
from grace.record.store.prepared import Prepared, Value
from grace.record.store.projection import Projection
from grace.record.store.read_models.entries import document, noun_of, run_id_of
from grace.record.store.tables import plans, runs

_STAGES: Final[Mapping[EventType, Stage]] = {
    EventType.APPROVAL_REQUESTED: Stage.WAITING,
    EventType.APPROVAL_GRANTED: Stage.APPROVED,
    EventType.SNAPSHOT_TAKEN: Stage.SNAPSHOT,
    EventType.EXECUTION_STARTED: Stage.EXECUTING,
    EventType.EXECUTION_FINISHED: Stage.EXECUTED,
    EventType.VERDICT_REACHED: Stage.JUDGED,
    EventType.UNDO_FINISHED: Stage.UNDONE,
}

_RUN: Final = runs.c.id == bindparam("run")
_OPEN: Final = Prepared(
    insert(runs),
    *("id", "incident_id", "kind", "service", "playbook", "stage"),
    *("opened_at", "updated_at", "of_run", "requested_by", "doc"),
)
_DOC: Final = Prepared(select(runs.c.doc).where(_RUN))
_MOVE: Final = Prepared(update(runs).where(_RUN), "stage", "updated_at")
_TELL: Final = Prepared(update(runs).where(_RUN), "stage", "updated_at", "doc")
_PLAN: Final = Prepared(update(runs).where(_RUN), "stage", "updated_at", "playbook", "plan_digest")
_DECIDE: Final = Prepared(update(runs).where(_RUN), "stage", "updated_at", "doc", "tier")
_SETTLE: Final = Prepared(update(runs).where(_RUN), "stage", "updated_at", "doc", "settlement", "reason", "settled_at")
_STANDING_PLAN: Final = Prepared(select(plans.c.digest).where(plans.c.digest == bindparam("plan")))
_KEEP_PLAN: Final = Prepared(insert(plans), "digest", "run_id", "incident_id", "doc")


def _opened(driver: Connection, entry: LedgerEntry) -> None:
    run = noun_of(entry, Run)
    _OPEN.run(
        driver,
        id=run.id,
        incident_id=run.incident_id,
        kind=run.kind.value,
        service=run.service,
        playbook=run.playbook,
        stage=Stage.OPENED.value,
        opened_at=entry.at,
        updated_at=entry.at,
        of_run=run.of_run,
        requested_by=run.requested_by,
        doc={"run": entry.payload},
    )


def _moved(driver: Connection, entry: LedgerEntry) -> None:
    _MOVE.run(driver, run=run_id_of(entry), stage=_STAGES[entry.type].value, updated_at=entry.at)


def _diagnosed(driver: Connection, entry: LedgerEntry) -> None:
    _tell(_TELL, driver, entry, "diagnosis", stage=Stage.DIAGNOSED.value)


def _refused(driver: Connection, entry: LedgerEntry) -> None:
    _tell(_TELL, driver, entry, "plan_refused", stage=Stage.DIAGNOSED.value)


def _planned(driver: Connection, entry: LedgerEntry) -> None:
    plan, digest, run = noun_of(entry, Plan), digest_of(entry.payload), run_id_of(entry)
    stage = Stage.PLANNED.value
    _PLAN.run(driver, run=run, stage=stage, updated_at=entry.at, playbook=plan.playbook, plan_digest=digest)
    # Two runs for one incident may make the same plan; the plan is one, and names the run that made it first.
    if _STANDING_PLAN.run(driver, plan=digest).fetchone() is None:
        _KEEP_PLAN.run(driver, digest=digest, run_id=run, incident_id=plan.incident_id, doc=entry.payload)


def _decided(driver: Connection, entry: LedgerEntry) -> None:
    decision = noun_of(entry, Decision)
    _tell(_DECIDE, driver, entry, "decision", stage=Stage.DECIDED.value, tier=decision.ruling.tier)


def _settled(driver: Connection, entry: LedgerEntry) -> None:
    settlement = noun_of(entry, Settlement)
    _tell(
        _SETTLE,
        driver,
        entry,
        "settlement",
        stage=Stage.SETTLED.value,
        settlement=settlement.kind.value,
        reason=None if settlement.reason is None else settlement.reason.value,
        settled_at=entry.at,
    )


def _tell(change: Prepared, driver: Connection, entry: LedgerEntry, chapter: str, **values: Value) -> None:
    """Change the run's row, and put the entry's payload into its document under the name of the chapter."""
    run = run_id_of(entry)
    doc = {**document(_DOC.run(driver, run=run)), chapter: entry.payload}
    change.run(driver, run=run, updated_at=entry.at, doc=doc, **values)


PROJECTIONS: Final[dict[EventType, Projection]] = {
    EventType.RUN_OPENED: _opened,
    EventType.DIAGNOSIS_MADE: _diagnosed,
    EventType.PLAN_MADE: _planned,
    EventType.PLAN_REFUSED: _refused,
    EventType.DECISION_MADE: _decided,
    **dict.fromkeys(_STAGES, _moved),
    EventType.RUN_SETTLED: _settled,
}
