"""Restraint: what holds GRACE back now, and a person's word that ends it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from grace.api.access import Operator, TheHouse, Viewer
from grace.api.problems import documented, refused
from grace.api.texts import Reason
from grace.api.views import Asked
from grace.model.restraint import Restrained, RestraintLifted
from grace.model.warrant import Refusal

router = APIRouter(prefix="/api/restraint", tags=["restraint"])


class Lifting(Asked):
    """Whose restraint is lifted: the id of an incident, or the key of a target; and why."""

    subject: Annotated[str, Field(min_length=1, max_length=4_096)]
    reason: Reason


@router.get("")
def show(_viewer: Viewer, house: TheHouse) -> Restrained:
    """Show which runs wait and why, which incidents flap, and which breakers are not closed."""
    return house.restraint.standing()


@router.post("/lift", responses=documented(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT))
def lift(body: Lifting, operator: Operator, house: TheHouse) -> RestraintLifted:
    """Forget what is held against an incident or a target until now; a run that waited for it begins."""
    lifted = house.restraint.lift(body.subject, operator.name, body.reason)
    if isinstance(lifted, Refusal):
        raise refused(lifted)
    return lifted
