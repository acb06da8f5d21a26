"""Runs: opened, watched, told, cancelled, undone and kept."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field, JsonValue
from sqlalchemy import Connection, select

from grace.act.healing.telling import Chapter, Telling, tell
from grace.api.access import Operator, TheHouse, Viewer
from grace.api.house import House
from grace.api.later import said_since, with_later
from grace.api.paging import AskedEntries, AskedPage, Page, index_cursor, rows_of
from grace.api.problems import documented, not_found, refused
from grace.api.routes.incidents import read_incident
from grace.api.service_names import require_known
from grace.api.texts import Identifier, Name, Reason
from grace.api.views import Asked, EntryView, RunDetail, RunView
from grace.model.events import EventType
from grace.model.ledger_entry import LedgerEntry
from grace.model.run import Fall, Run
from grace.model.settlement import SettlementKind
from grace.model.warrant import Refusal
from grace.record.store.tables import action_contracts, plans, runs

router = APIRouter(prefix="/api/runs", tags=["runs"])
_MISSING_OR_NO = documented(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)


class NewRun(Asked):
    """Which incident to heal; with a playbook, that one is used, else the Sentinel chooses."""

    incident_id: str = Field(min_length=1, max_length=64)
    playbook: Name | None = None
    inputs: dict[Name, Reason] = Field(default_factory=dict, max_length=50)


class Saying(Asked):
    """Why a person says so."""

    reason: Reason = ""


class Keeping(Saying):
    as_is: bool = False
    """Keep a target that is not as anybody left it, just as it is now."""


@router.post("", status_code=HTTPStatus.CREATED, responses=_MISSING_OR_NO)
def open_run(body: NewRun, operator: Operator, house: TheHouse) -> RunDetail:
    """Open a heal of an incident."""
    incident = read_incident(house, body.incident_id)
    return _opened(house, house.runs.heal(incident, operator.name, playbook=body.playbook, inputs=body.inputs))


@router.get("")
def list_runs(
    _viewer: Viewer,
    house: TheHouse,
    wanted: AskedPage,
    incident_id: Annotated[str | None, Query(max_length=64)] = None,
    service: Annotated[str | None, Query(max_length=64)] = None,
    settlement: SettlementKind | None = None,
    is_open: Annotated[bool | None, Query(alias="open")] = None,
) -> Page[RunView]:
    """List runs, newest first."""
    where = [runs.c.incident_id == incident_id] if incident_id else []
    where += [runs.c.settlement == settlement.value] if settlement else []
    if service is not None:
        require_known(house, service, runs, "GET /api/runs?service={}")
        where.append(runs.c.service == service)
    if is_open is not None:
        where.append(runs.c.settlement.is_(None) if is_open else runs.c.settlement.is_not(None))
    with house.record.read() as connection:
        rows, following = rows_of(connection, runs, "opened_at", wanted, *where)
        told = with_later(connection, rows)
    return Page(items=[RunView.model_validate(row) for row in told], next_cursor=following)


@router.get("/{run_id}", responses=documented(HTTPStatus.NOT_FOUND))
def get_run(run_id: Identifier, _viewer: Viewer, house: TheHouse) -> RunDetail:
    """Show a run with its diagnosis, plan, decision, verdict and end."""
    return read_run(house, run_id)


@router.get("/{run_id}/timeline", responses=documented(HTTPStatus.NOT_FOUND))
def timeline(run_id: Identifier, _viewer: Viewer, house: TheHouse) -> Telling:
    """Tell the stages of this run alone."""
    read_run(house, run_id)
    return tell(run_id, house.record.entries(run_id=run_id))


@router.get("/{run_id}/explain", responses=documented(HTTPStatus.NOT_FOUND))
def explain(run_id: Identifier, _viewer: Viewer, house: TheHouse) -> Telling:
    """Tell the whole story: the run, and what was detected before it when its incident was open this time."""
    run = read_run(house, run_id)
    mine = {entry.index: entry for entry in house.record.entries(run_id=run_id)}
    if run.incident_id is not None:
        around = _this_time(house.record.entries(incident_id=run.incident_id), min(mine))
        mine |= {entry.index: entry for entry in around if entry.run_id in {None, run_id}}
    with house.record.read() as connection:
        since = said_since(connection, [run_id])
    told = tell(run_id, [mine[index] for index in sorted(mine)], since)
    fallen = tuple(_fallen(fall, max(mine)) for fall in house.falls() if fall.run_id == run_id)
    return told.model_copy(update={"chapters": (*told.chapters, *fallen)})


@router.get("/{run_id}/ledger", responses=documented(HTTPStatus.NOT_FOUND))
def ledger(run_id: Identifier, _viewer: Viewer, house: TheHouse, wanted: AskedEntries) -> Page[EntryView]:
    """List the ledger entries of a run, oldest first."""
    read_run(house, run_id)
    found = list(house.record.entries(index_cursor(wanted), run_id=run_id, limit=wanted.limit + 1))
    kept = found[: wanted.limit]
    following = str(kept[-1].index) if len(found) > wanted.limit else None
    return Page(items=[EntryView.model_validate(entry.to_json()) for entry in kept], next_cursor=following)


@router.post("/{run_id}/cancel", responses=_MISSING_OR_NO)
def cancel(run_id: Identifier, body: Saying, operator: Operator, house: TheHouse) -> RunDetail:
    """Ask a run to stop at its next safe point."""
    refusal = house.runs.cancel(run_id, operator.name, body.reason)
    if refusal is not None:
        raise refused(refusal)
    return read_run(house, run_id)


@router.post("/{run_id}/undo", status_code=HTTPStatus.CREATED, responses=_MISSING_OR_NO)
def undo(run_id: Identifier, body: Saying, operator: Operator, house: TheHouse) -> RunDetail:
    """Open a run that takes back what a settled one wrote."""
    return _opened(house, house.runs.undo(run_id, operator.name, body.reason))


@router.post("/{run_id}/keep", status_code=HTTPStatus.CREATED, responses=_MISSING_OR_NO)
def keep(run_id: Identifier, body: Keeping, operator: Operator, house: TheHouse) -> RunDetail:
    """Open a run that keeps what a held one changed."""
    return _opened(house, house.runs.keep(run_id, operator.name, body.reason, as_is=body.as_is))


def read_run(house: House, run_id: str) -> RunDetail:
    """Return a run as its rows tell it now; raise a 404 problem."""
    with house.record.read() as connection:
        row = connection.execute(select(runs).where(runs.c.id == run_id)).mappings().first()
        if row is None:
            not_found("run", run_id, "grace runs")
        judged = select(action_contracts.c.doc).where(action_contracts.c.run_id == run_id)
        contract: dict[str, JsonValue] = connection.execute(judged).scalar_one_or_none() or {}
        told: dict[str, JsonValue] = row["doc"]
        return RunDetail.model_validate(
            {
                **with_later(connection, [row])[0],
                "diagnosis": told.get("diagnosis"),
                "plan_refused": told.get("plan_refused"),
                "decision": told.get("decision"),
                "ending": told.get("settlement"),
                "plan": plan_document(connection, row["plan_digest"]),
                "verdict": contract.get("verdict"),
            }
        )


def run_document(connection: Connection, run_id: str) -> dict[str, JsonValue]:
    """Return what a run has come to so far, by stage; empty for an unknown run."""
    document: dict[str, JsonValue] | None = connection.execute(
        select(runs.c.doc).where(runs.c.id == run_id)
    ).scalar_one_or_none()
    return document or {}


def plan_document(connection: Connection, digest: str | None) -> JsonValue:
    """Return the plan of a digest as it was recorded."""
    return connection.execute(select(plans.c.doc).where(plans.c.digest == digest)).scalar_one_or_none()


def _fallen(fall: Fall, newest: int) -> Chapter:
    """Tell of an accident, which is no entry: nothing was recorded of the run since the entry `newest`."""
    times = "once" if fall.times == 1 else f"{fall.times} times"
    return Chapter(
        index=newest,
        at=fall.at,
        title=f"fell over by an accident of GRACE's own, {times} since the start: {fall.why}",
        lines=("carried on from the ledger after a rest that grows to five minutes; the log says where it fell",),
        run_id=fall.run_id,
    )


def _this_time(entries: Iterable[LedgerEntry], begun: int) -> list[LedgerEntry]:
    """Return what belongs to the occurrence of an incident that stood when the entry `begun` was written."""
    told: list[LedgerEntry] = []
    for entry in entries:
        if entry.type is EventType.INCIDENT_OPENED:
            if entry.index > begun:
                break
            told.clear()
        told.append(entry)
    return told


def _opened(house: House, opened: Run | Refusal) -> RunDetail:
    if isinstance(opened, Refusal):
        raise refused(opened)
    return read_run(house, opened.id)
