"""The native door: thin and fast; the body is parsed by the door alone."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.routing import APIRoute
from sqlalchemy import Integer, func, literal_column, select

from grace.api.access import Needs, TheHouse, Viewer, house_of
from grace.api.house import Receipt
from grace.api.paging import LARGEST_PAGE, AskedPage, Page, rows_of
from grace.api.problems import documented, refused
from grace.api.queries import only_known
from grace.api.refusals import Refusals
from grace.api.roles import Role
from grace.api.views import SenderView, SignalView, View
from grace.model.warrant import Refusal
from grace.record.store.tables import senders, signals


class ThinRoute(APIRoute):
    """Checks the roles that it names and calls its function with the request alone: twice as fast for small bodies."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        needs = [needed.call for needed in self.dependant.dependencies if isinstance(needed.call, Needs)]

        async def handle(request: Request) -> Response:
            for needed in needs:
                await needed(request)
            await only_known(request)
            return await self.endpoint(request)

        return handle


router = APIRouter(prefix="/api/intake", tags=["intake"], route_class=ThinRoute)
_LARGEST_POSITION: Final = 2**53
_ROW: Final = literal_column("signals.rowid", Integer)
"""Rows of this table are only ever added, so this is the order in which they came."""
_BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}}


@router.post(
    "/native",
    status_code=HTTPStatus.ACCEPTED,
    response_model=Receipt,
    dependencies=[Depends(Needs(Role.SENDER))],
    openapi_extra=_BODY,
    responses=documented(HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
)
async def accept(request: Request) -> Response:
    """Take signals in; 202 only after they are durable. Sending them again is harmless."""
    received = await house_of(request).door.accept(await request.body())
    if isinstance(received, Refusal):
        raise refused(received)
    return Response(received.model_dump_json(), HTTPStatus.ACCEPTED, media_type="application/json")


def list_senders(_viewer: Viewer, house: TheHouse, wanted: AskedPage) -> Page[SenderView]:
    """List the processes that sent signals, last heard first, with how many they numbered and how many are missing."""
    with house.record.read() as connection:
        rows, following = rows_of(connection, senders, "seen_at", wanted)
    return Page(items=[SenderView.model_validate(row) for row in rows], next_cursor=following)


class ArrivedView(SignalView):
    """A signal as it was kept, redacted, with what it was taken for."""

    position: int
    fingerprint: str
    incident_id: str | None


class Arrived(View):
    """Signals in the order in which they arrived, and the position behind the last one that there is."""

    items: list[ArrivedView]
    position: int


class RefusedView(View):
    index: int
    at: datetime
    status: int
    sender: str
    why: str
    next: str


class Refused(View):
    """Messages that the door did not take in since the server started, oldest first, and how many there were."""

    items: list[RefusedView]
    count: int


def list_signals(
    _viewer: Viewer,
    house: TheHouse,
    after: Annotated[int | None, Query(ge=0, le=_LARGEST_POSITION)] = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 50,
) -> Arrived:
    """List signals of all incidents as they arrived: those after a position, else the newest."""
    position = _ROW.label("position")
    query = select(signals, position)
    newest_first = (
        query.order_by(position.desc()) if after is None else query.where(position > after).order_by(position)
    )
    with house.record.read() as connection:
        rows = connection.execute(newest_first.limit(limit)).mappings().all()
        last = connection.execute(select(func.max(_ROW)).select_from(signals)).scalar()
    items = [ArrivedView.model_validate(row) for row in rows]
    return Arrived(items=items[::-1] if after is None else items, position=last or 0)


def list_refusals(
    _viewer: Viewer, request: Request, after: Annotated[int, Query(ge=0, le=_LARGEST_POSITION)] = 0
) -> Refused:
    """List the last messages that were not taken in, and why: a wrong token, a wrong shape, a full disk."""
    refusals: Refusals = request.app.state.refusals
    items = [RefusedView.model_validate(one, from_attributes=True) for one in refusals.after(after)]
    return Refused(items=items, count=refusals.count)


# Not thin routes: they have parameters.
for path, listing in (("/senders", list_senders), ("/signals", list_signals), ("/refusals", list_refusals)):
    router.add_api_route(path, listing, methods=["GET"], route_class_override=APIRoute)
