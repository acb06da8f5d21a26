"""The halt: stop new deeds, and let them go on."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter

from grace.api.access import Operator, TheHouse, Viewer
from grace.api.paging import AskedPage, Page, rows_of
from grace.api.problems import documented, refused
from grace.api.service_names import require_declared
from grace.api.texts import Identifier, Name, Reason
from grace.api.views import Asked, HaltView
from grace.govern.halt.switch import EVERYWHERE
from grace.model.warrant import Refusal
from grace.record.store.tables import halts

router = APIRouter(prefix="/api/halt", tags=["halt"])


class NewHalt(Asked):
    """What to stop: `*` for everything, or one declared service."""

    scope: Name = EVERYWHERE
    reason: Reason


class Ending(Asked):
    reason: Reason = ""


@router.get("")
def list_halts(_viewer: Viewer, house: TheHouse, wanted: AskedPage, *, ended: bool = False) -> Page[HaltView]:
    """List the halts that stand; with `ended`, the others too. Newest first."""
    where = [] if ended else [halts.c.ended_at.is_(None)]
    with house.record.read() as connection:
        rows, following = rows_of(connection, halts, "since", wanted, *where)
    return Page(items=[HaltView.model_validate(row) for row in rows], next_cursor=following)


@router.post("", status_code=HTTPStatus.CREATED)
def start(body: NewHalt, operator: Operator, house: TheHouse) -> HaltView:
    """Stop new deeds within a second. A way back is never stopped."""
    if body.scope != EVERYWHERE:
        require_declared(house, body.scope, "grace halt --service {}")
    halt = house.halts.start(body.scope, operator.name, body.reason)
    return HaltView.model_validate(halt, from_attributes=True)


@router.post("/{halt_id}/end", responses=documented(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT))
def end(halt_id: Identifier, body: Ending, operator: Operator, house: TheHouse) -> HaltView:
    """Let new deeds go on again."""
    ended = house.halts.end(halt_id, operator.name, body.reason)
    if isinstance(ended, Refusal):
        raise refused(ended)
    return HaltView.model_validate(ended, from_attributes=True)


@router.delete("/{halt_id}", responses=documented(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT))
def remove(halt_id: Identifier, operator: Operator, house: TheHouse) -> HaltView:
    """Let new deeds go on again, without a reason."""
    return end(halt_id, Ending(), operator, house)
