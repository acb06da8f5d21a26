"""Approval: answers of named people to one plan digest; single use; expires into no."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from grace.model.noun import Noun


class ApprovalState(StrEnum):
    """`granted` may be used once; all but `waiting` and `granted` are final."""

    WAITING = "waiting"
    GRANTED = "granted"
    REJECTED = "rejected"
    EXPIRED = "expired"
    USED = "used"


class Answer(Noun):
    """What one named person said, and why."""

    approval_id: str
    by: str
    grants: bool
    reason: str = ""
    plan_digest: str
    at: datetime


class Approval(Noun):
    """A question to people about one plan, with their answers so far."""

    id: str
    run_id: str
    plan_digest: str
    requester: str
    quorum: int = Field(ge=1)
    requested_at: datetime
    expires_at: datetime
    state: ApprovalState = ApprovalState.WAITING
    answers: tuple[Answer, ...] = ()
