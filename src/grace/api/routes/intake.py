"""The native door: thin and fast; the body is parsed by the door alone."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.routing import APIRoute

from grace.api.access import Needs, TheHouse, Viewer, house_of
from grace.api.house import Receipt
from grace.api.paging import AskedPage, Page, rows_of
from grace.api.problems import documented, refused
from grace.api.queries import only_known
from grace.api.roles import Role
from grace.api.views import SenderView
from grace.model.warrant import Refusal
from grace.record.store.tables import senders


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


# Not a thin route: it has parameters.
router.add_api_route("/senders", list_senders, methods=["GET"], route_class_override=APIRoute)
