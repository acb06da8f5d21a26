"""The native door: thin and fast; the body is parsed by the door alone."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Request

from grace.api.access import Sender, TheHouse
from grace.api.house import Receipt
from grace.api.problems import documented, refused
from grace.model.warrant import Refusal

router = APIRouter(prefix="/api/intake", tags=["intake"])
_BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}}


@router.post(
    "/native",
    status_code=HTTPStatus.ACCEPTED,
    openapi_extra=_BODY,
    responses=documented(HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
)
async def accept(request: Request, _sender: Sender, house: TheHouse) -> Receipt:
    """Take signals in; 202 only after they are durable. Sending them again is harmless."""
    received = await house.door.accept(await request.body())
    if isinstance(received, Refusal):
        raise refused(received)
    return received
