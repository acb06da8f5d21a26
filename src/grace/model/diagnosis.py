"""Diagnosis: the cause class with its evidence. `unknown` is an honest answer and never acts."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from grace.model.noun import Noun

UNKNOWN_CAUSE = "unknown"


class Evidence(Noun):
    """One observation that speaks for a cause: what was seen, where, and the rule's published source."""

    what: str
    where: str
    rule: str
    source: str


class Alternative(Noun):
    """A cause that was considered and why it came second."""

    cause: str
    confidence: float = Field(ge=0, le=1)
    why: str


class Diagnosis(Noun):
    """Cause class, confidence between 0 and 1, cited evidence and alternatives."""

    incident_id: str
    cause: str
    confidence: float = Field(ge=0, le=1)
    evidence: tuple[Evidence, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    knowledge_digest: str
    at: datetime

    @property
    def is_unknown(self) -> bool:
        """Tell whether no cause was found; such a diagnosis never leads to an action."""
        return self.cause == UNKNOWN_CAUSE
