"""The doctor, in the server: with its eyes, its rights, its clock and its folder."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query

from grace.api.access import Operator, TheHouse
from grace.api.problems import documented, not_found
from grace.model.examination import Examination

router = APIRouter(prefix="/api/doctor", tags=["doctor"])


@router.get("", responses=documented(HTTPStatus.NOT_FOUND))
def examine(
    _operator: Operator, house: TheHouse, service: Annotated[str | None, Query(max_length=64)] = None
) -> Examination:
    """Look at folder, clocks, record, policy, subscribers, and every target and probe; change nothing."""
    if service is not None and all(one.name != service for one in house.declared.services()):
        not_found("service", service, "GET /api/services")
    return house.doctor.examine(service)
