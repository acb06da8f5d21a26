"""The report: what GRACE would have done, what was done instead, how long it took, and what people say of it."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from http import HTTPStatus
from statistics import median
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import AfterValidator, JsonValue
from sqlalchemy import Connection, RowMapping, select

from grace.api.access import Operator, TheHouse, Viewer
from grace.api.house import House
from grace.api.problems import documented
from grace.api.routes.runs import plan_document, read_run
from grace.api.service_names import require_known
from grace.api.texts import Identifier, Reason
from grace.api.views import Asked, View
from grace.kit.wording import written_fact
from grace.model.decision import Decision
from grace.model.events import EventType
from grace.model.ledger_entry import Draft
from grace.model.observation import Difference, Mark, MarkWord, Observation
from grace.model.plan import Plan
from grace.model.quantities import duration_s
from grace.model.settlement import SettlementKind
from grace.model.verdict import Finding
from grace.record.store.tables import incidents, runs

router = APIRouter(prefix="/api", tags=["report"])

_DEFAULT: Final = "30d"
_LONGEST_S: Final = 366 * 86_400.0
_MOST_LINES: Final = 1_000
_MINUTE_S: Final = 60.0
_WATCHING: Final = "watching"


def _span(written: str) -> str:
    if not 0 < duration_s(written) <= _LONGEST_S:
        message = "must be longer than nothing and at most 366d"
        raise ValueError(message)
    return written


Since = Annotated[str, Query(max_length=16, description="how far back, like 30d or 12h"), AfterValidator(_span)]


class WouldHave(View):
    """One observed run: what it would have done, and what became of its incident without it."""

    run_id: str
    incident_id: str
    title: str
    service: str
    environment: str
    cause: str | None
    at: datetime
    playbook: str
    would_have: str
    """How it would have gone on: alone, or whom it would have asked."""
    steps: list[str]
    contract: str
    """`met`, `violated` or `inconclusive` without GRACE; `watching` while that is not decided."""
    minutes: float | None
    """From the moment at which GRACE would have gone on until the contract held; null while or where it did not."""
    was_done: list[str]
    """What can be seen of what others did."""
    marks: list[Mark]


class Report(View):
    """What GRACE would have done since a moment, with the sums of it."""

    since: datetime
    observed: int
    contracts: dict[str, int]
    median_minutes: float | None
    marks: dict[str, int]
    is_complete: bool
    """False where more runs were observed than a report lists."""
    items: list[WouldHave]


class Marking(Asked):
    """One word, and why."""

    word: MarkWord
    note: Reason = ""


@router.get("/report")
def report(
    _viewer: Viewer,
    house: TheHouse,
    since: Since = _DEFAULT,
    service: Annotated[str | None, Query(max_length=64)] = None,
) -> Report:
    """List what GRACE would have done, newest first."""
    if service is not None:
        require_known(house, service, runs, "grace report --service {}")
    began = house.clock.now() - timedelta(seconds=duration_s(since))
    lines = _lines(house, began, service)
    items = lines[:_MOST_LINES]
    minutes = [one.minutes for one in items if one.minutes is not None]
    return Report(
        since=began,
        observed=len(items),
        contracts=dict(Counter(one.contract for one in items)),
        median_minutes=round(median(minutes), 1) if minutes else None,
        marks=dict(Counter(str(mark.word) for one in items for mark in one.marks)),
        is_complete=len(lines) <= _MOST_LINES,
        items=items,
    )


@router.post("/runs/{run_id}/mark", status_code=HTTPStatus.CREATED, responses=documented(HTTPStatus.NOT_FOUND))
def mark(run_id: Identifier, body: Marking, operator: Operator, house: TheHouse) -> Mark:
    """Say in one word what you think of a run. Your newest word counts; it promotes nothing."""
    run = read_run(house, run_id)
    now = house.clock.now()
    made = Mark(run_id=run_id, word=body.word, note=body.note, by=operator.name, at=now)
    house.record.append(
        Draft(
            key=f"{run_id}/marked/{operator.name}/{now.isoformat()}",
            type=EventType.RUN_MARKED,
            actor=operator.name,
            run_id=run_id,
            incident_id=run.incident_id,
            service=run.service,
            payload=made.to_json(),
        )
    )
    return made


def _lines(house: House, began: datetime, service: str | None) -> list[WouldHave]:
    where = [runs.c.settlement == SettlementKind.OBSERVED.value, runs.c.opened_at >= began]
    where += [runs.c.service == service] if service else []
    columns = (runs, incidents.c.title, incidents.c.environment, incidents.c.cause.label("incident_cause"))
    query = select(*columns).join(incidents, incidents.c.id == runs.c.incident_id).where(*where)
    with house.record.read() as connection:
        rows = connection.execute(query.order_by(runs.c.id.desc()).limit(_MOST_LINES + 1)).mappings().all()
        plans = {row["plan_digest"]: _plan(connection, row) for row in rows}
    return [_line(house, row, plans[row["plan_digest"]]) for row in rows]


def _plan(connection: Connection, row: RowMapping) -> Plan | None:
    document = plan_document(connection, row["plan_digest"])
    return None if document is None else Plan.model_validate(document)


def _line(house: House, row: RowMapping, plan: Plan | None) -> WouldHave:
    later = list(house.record.entries(run_id=row["id"], types={EventType.OBSERVATION_JUDGED, EventType.RUN_MARKED}))
    told = [entry for entry in later if entry.payload is not None]
    seen = next((Observation.from_json(e.payload or {}) for e in told if e.type is EventType.OBSERVATION_JUDGED), None)
    newest = {m.by: m for m in (Mark.from_json(e.payload or {}) for e in told if e.type is EventType.RUN_MARKED)}
    document: dict[str, JsonValue] = row["doc"]
    return WouldHave(
        run_id=row["id"],
        incident_id=row["incident_id"],
        title=row["title"],
        service=row["service"],
        environment=row["environment"],
        cause=row["incident_cause"],
        at=row["settled_at"],
        playbook=row["playbook"] or "",
        would_have=_would_have(document.get("decision")),
        steps=_steps(plan) if plan else [],
        contract=seen.finding.value if seen else _WATCHING,
        minutes=round(seen.after_s / _MINUTE_S, 1) if seen and seen.finding is Finding.MET else None,
        was_done=_was_done(seen) if seen else [],
        marks=list(newest.values()),
    )


def _steps(plan: Plan) -> list[str]:
    return [f"{step.uses} on {', '.join(target.key for target in step.targets)}" for step in plan.steps]


def _would_have(decision: JsonValue) -> str:
    if decision is None:
        return "nothing that is known: its decision was erased"
    made = Decision.model_validate(decision)
    asked = {1: "acted alone", 2: "asked one person", 3: f"asked {made.quorum} people"}
    return asked.get(made.ruling.tier or 0, "been denied")


def _was_done(seen: Observation) -> list[str]:
    closed = [f"{seen.closed_by} closed the incident: {seen.closed_because}"] if seen.closed_by else []
    return [*closed, *(_told(one) for one in seen.differences)]


def _told(one: Difference) -> str:
    now = f"unknown: {one.unknown}" if one.unknown else written_fact(one.now)
    return f"{one.find} ({one.uses}) was {written_fact(one.was)}, is {now}"
