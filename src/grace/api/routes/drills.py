"""Drills: a real fault in scratch things that GRACE made, healed like any other."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter

from grace.api.access import Operator, TheHouse, Viewer
from grace.api.problems import documented, not_found, refused
from grace.api.views import Asked
from grace.model.drill import Drill, DrillKind
from grace.model.warrant import Refusal

router = APIRouter(prefix="/api/drills", tags=["drills"])


class NewDrill(Asked):
    """What to break."""

    kind: DrillKind = DrillKind.DATABASE_LOCKED


@router.post("", status_code=HTTPStatus.CREATED, responses=documented(HTTPStatus.CONFLICT))
def start(body: NewDrill, operator: Operator, house: TheHouse) -> Drill:
    """Break a scratch thing for real; one drill runs at a time."""
    started = house.drills.start(body.kind, operator.name)
    if isinstance(started, Refusal):
        raise refused(started)
    return started


@router.get("/latest", responses=documented(HTTPStatus.NOT_FOUND))
def latest(_viewer: Viewer, house: TheHouse) -> Drill:
    """Show the drill under way, else the last one since the server started."""
    found = house.drills.latest
    if found is None:
        not_found("drill", "latest", "grace drill")
    return found
