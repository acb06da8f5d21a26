"""Liveness: the one thing that may be asked without a token."""

from __future__ import annotations

from fastapi import APIRouter

from grace.api.access import TheHouse
from grace.api.views import View

router = APIRouter(prefix="/api", tags=["health"])


class Alive(View):
    status: str
    version: str


@router.get("/healthz")
async def healthz(house: TheHouse) -> Alive:
    """Answer as long as the server answers at all."""
    return Alive(status="alive", version=house.version)
