"""Incidents, their signals, dry plans, and closing."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import Field
from sqlalchemy import select

from grace.act.healing.telling import Telling, tell
from grace.api.access import Operator, TheHouse, Viewer
from grace.api.house import House
from grace.api.later import said_since, with_later, with_open_advice
from grace.api.paging import AskedPage, Page, rows_of
from grace.api.problems import documented, not_found, refused
from grace.api.service_names import require_known
from grace.api.texts import Identifier, Name, Reason
from grace.api.views import Asked, IncidentView, RunView, SignalView
from grace.model.dry_plan import DryPlan
from grace.model.incident import Incident, IncidentState
from grace.model.restraint import HeldBack
from grace.model.warrant import Refusal
from grace.record.store.tables import incidents, runs, signals

router = APIRouter(prefix="/api/incidents", tags=["incidents"])
_LIVE: Final = ("state", "count", "first_seen", "last_seen")
"""What doors advance in the row, beside what was recorded when the incident was opened."""


class IncidentDetail(IncidentView):
    """An incident and the runs that were opened for it, newest first."""

    runs: list[RunView]
    held_back: HeldBack = Field(default_factory=HeldBack)
    """Why no run begins, or why people are asked first."""


class WantedPlan(Asked):
    """Which playbook to plan with, none: the Sentinel chooses; and its inputs."""

    playbook: Name | None = None
    inputs: dict[Name, Reason] = Field(default_factory=dict, max_length=50)


class Closing(Asked):
    reason: Reason


@router.get("")
def list_incidents(
    _viewer: Viewer,
    house: TheHouse,
    wanted: AskedPage,
    state: IncidentState | None = None,
    service: Annotated[str | None, Query(max_length=64)] = None,
) -> Page[IncidentView]:
    """List incidents, newest first."""
    where = [incidents.c.state == state.value] if state else []
    if service is not None:
        require_known(house, service, incidents, "grace incidents --service {}")
        where.append(incidents.c.service == service)
    with house.record.read() as connection:
        rows, following = rows_of(connection, incidents, "opened_at", wanted, *where)
        told = with_open_advice(connection, rows)
    return Page(items=[IncidentView.model_validate(row) for row in told], next_cursor=following)


@router.get("/{incident_id}", responses=documented(HTTPStatus.NOT_FOUND))
def get_incident(incident_id: Identifier, _viewer: Viewer, house: TheHouse) -> IncidentDetail:
    """Show one incident with its runs."""
    with house.record.read() as connection:
        row = connection.execute(select(incidents).where(incidents.c.id == incident_id)).mappings().first()
        if row is None:
            not_found("incident", incident_id, "grace incidents")
        mine = select(runs).where(runs.c.incident_id == incident_id).order_by(runs.c.id.desc())
        found = with_later(connection, connection.execute(mine).mappings().all())
        advised = with_open_advice(connection, [row])[0]
    told = {**advised, "runs": found, "held_back": house.restraint.on(incident_id)}
    return IncidentDetail.model_validate(told)


@router.get("/{incident_id}/signals", responses=documented(HTTPStatus.NOT_FOUND))
def list_signals(incident_id: Identifier, _viewer: Viewer, house: TheHouse, wanted: AskedPage) -> Page[SignalView]:
    """List the signals of an incident, newest first."""
    with house.record.read() as connection:
        if connection.execute(select(incidents.c.id).where(incidents.c.id == incident_id)).first() is None:
            not_found("incident", incident_id, "grace incidents")
        mine = signals.c.incident_id == incident_id
        rows, following = rows_of(connection, signals, "received_at", wanted, mine)
    return Page(items=[SignalView.model_validate(row) for row in rows], next_cursor=following)


@router.get("/{incident_id}/explain", responses=documented(HTTPStatus.NOT_FOUND))
def explain(incident_id: Identifier, _viewer: Viewer, house: TheHouse) -> Telling:
    """Tell the whole story: what was detected, every run of it, and why nothing was done where nothing was."""
    read_incident(house, incident_id)
    with house.record.read() as connection:
        mine = connection.execute(select(runs.c.id).where(runs.c.incident_id == incident_id)).scalars().all()
        since = said_since(connection, mine)
    return tell(incident_id, house.record.entries(incident_id=incident_id), since)


@router.post("/{incident_id}/plan", responses=documented(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT))
def plan(incident_id: Identifier, body: WantedPlan, operator: Operator, house: TheHouse) -> DryPlan:
    """Show what a heal would do: diagnosis, plan and decision. Nothing outside the record is touched."""
    incident = read_incident(house, incident_id)
    made = house.incidents.plan(incident, operator.name, playbook=body.playbook, inputs=body.inputs)
    if isinstance(made, Refusal):
        raise refused(made)
    return made


@router.post("/{incident_id}/close", responses=documented(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT))
def close(incident_id: Identifier, body: Closing, operator: Operator, house: TheHouse) -> IncidentDetail:
    """Close an incident by a person's word."""
    closed = house.incidents.close(read_incident(house, incident_id), operator.name, body.reason)
    if isinstance(closed, Refusal):
        raise refused(closed)
    return get_incident(incident_id, operator, house)


def read_incident(house: House, incident_id: str) -> Incident:
    """Return an incident as its row tells it now; raise a 404 problem."""
    with house.record.read() as connection:
        row = connection.execute(select(incidents).where(incidents.c.id == incident_id)).mappings().first()
    if row is None:
        not_found("incident", incident_id, "grace incidents")
    told = {**row["doc"], **{name: row[name] for name in _LIVE}}
    return Incident.model_validate(told)
