"""Liveness: the one thing that may be asked without a token."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter

from grace.api.access import TheHouse
from grace.api.problems import ProblemError
from grace.api.views import View

router = APIRouter(prefix="/api", tags=["health"])


class Alive(View):
    status: str
    version: str


@router.get("/healthz")
async def healthz(house: TheHouse) -> Alive:
    """Answer as long as the server answers, its record can be written and all of its own work is being done."""
    if not house.record.writer.is_alive:
        why = "The record takes nothing any more; what was acknowledged is kept."
        raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "record-closed", why, "Start GRACE again: grace serve")
    if down := house.down():
        raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "not-ready", f"{'. '.join(down)}.", "grace doctor")
    return Alive(status="alive", version=house.version)
