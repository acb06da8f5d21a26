"""Policy: which tier a plan has, or that it is refused. Default deny; any error denies. Engines one file each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from grace.model.decision import Decision
from grace.model.diagnosis import Diagnosis
from grace.model.plan import Plan
from grace.model.service import Service


@dataclass(frozen=True, slots=True)
class Question:
    """What the policy is asked: this plan, for this service, because of this diagnosis, wanted by this identity."""

    plan: Plan
    service: Service
    diagnosis: Diagnosis | None
    requested_by: str
    at: datetime


class PolicyEngine(Protocol):
    """Answers a question from prepared policies; pure, thread-safe, never raises for a bad policy: it denies."""

    @property
    def digest(self) -> str:
        """Return the digest of the policies and schema in force."""
        ...

    def decide(self, question: Question) -> Decision:
        """Return the ruling with its rule, reason and quorum; the mode of the service is applied on top."""
        ...
