"""The tables `runs` and `plans`: how far each run came, and how it ended."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, bindparam, insert, select, update

from grace.kit.digests import digest_of
from grace.model.decision import Decision
from grace.model.events import EventType
from grace.model.ledger_entry import LedgerEntry
from grace.model.plan import Plan
from grace.model.run import Run, Stage
from grace.model.settlement import Settlement
from grace.record.store.projection import Projection
from grace.record.store.read_models.entries import noun_of, run_id_of
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

# Made once: building a statement costs more than running it. Which columns are written is said by the parameters.
_RUN: Final = runs.c.id == bindparam("run")
_OPEN: Final = insert(runs)
_DOC: Final = select(runs.c.doc).where(_RUN)
_CHANGE: Final = update(runs).where(_RUN)
_STANDING_PLAN: Final = select(plans.c.digest).where(plans.c.digest == bindparam("plan"))
_KEEP_PLAN: Final = insert(plans)


def _opened(connection: Connection, entry: LedgerEntry) -> None:
    run = noun_of(entry, Run)
    row = {
        "id": run.id,
        "incident_id": run.incident_id,
        "kind": run.kind.value,
        "service": run.service,
        "playbook": run.playbook,
        "stage": Stage.OPENED.value,
        "opened_at": entry.at,
        "updated_at": entry.at,
        "of_run": run.of_run,
        "requested_by": run.requested_by,
        "doc": {"run": entry.payload},
    }
    connection.execute(_OPEN, row)


def _moved(connection: Connection, entry: LedgerEntry) -> None:
    _update(connection, entry, stage=_STAGES[entry.type].value)


def _diagnosed(connection: Connection, entry: LedgerEntry) -> None:
    _update(connection, entry, "diagnosis", stage=Stage.DIAGNOSED.value)


def _refused(connection: Connection, entry: LedgerEntry) -> None:
    _update(connection, entry, "plan_refused", stage=Stage.DIAGNOSED.value)


def _planned(connection: Connection, entry: LedgerEntry) -> None:
    plan, digest = noun_of(entry, Plan), digest_of(entry.payload)
    _update(connection, entry, stage=Stage.PLANNED.value, playbook=plan.playbook, plan_digest=digest)
    # Two runs for one incident may make the same plan; the plan is one, and names the run that made it first.
    if connection.execute(_STANDING_PLAN, {"plan": digest}).first() is None:
        row = {"digest": digest, "run_id": run_id_of(entry), "incident_id": plan.incident_id, "doc": entry.payload}
        connection.execute(_KEEP_PLAN, row)


def _decided(connection: Connection, entry: LedgerEntry) -> None:
    decision = noun_of(entry, Decision)
    _update(connection, entry, "decision", stage=Stage.DECIDED.value, tier=decision.ruling.tier)


def _settled(connection: Connection, entry: LedgerEntry) -> None:
    settlement = noun_of(entry, Settlement)
    _update(
        connection,
        entry,
        "settlement",
        stage=Stage.SETTLED.value,
        settlement=settlement.kind.value,
        reason=None if settlement.reason is None else settlement.reason.value,
        settled_at=entry.at,
    )


def _update(connection: Connection, entry: LedgerEntry, chapter: str = "", **values: str | int | object) -> None:
    """Change the run's row and, with a chapter, put the entry's payload under that name into its document."""
    run = run_id_of(entry)
    if chapter:
        doc = connection.execute(_DOC, {"run": run}).scalar_one_or_none()
        values["doc"] = {**(doc or {}), chapter: entry.payload}
    connection.execute(_CHANGE, {"run": run, "updated_at": entry.at, **values})


PROJECTIONS: Final[dict[EventType, Projection]] = {
    EventType.RUN_OPENED: _opened,
    EventType.DIAGNOSIS_MADE: _diagnosed,
    EventType.PLAN_MADE: _planned,
    EventType.PLAN_REFUSED: _refused,
    EventType.DECISION_MADE: _decided,
    **dict.fromkeys(_STAGES, _moved),
    EventType.RUN_SETTLED: _settled,
}
