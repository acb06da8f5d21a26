"""Incident: all signals with one fingerprint."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from grace.model.escalation import Escalation
from grace.model.noun import Noun


class IncidentState(StrEnum):
    """Open until healed or closed by a person."""

    OPEN = "open"
    CLOSED = "closed"


class Incident(Noun):
    """One problem of one service: its fingerprint, first signal and counters."""

    id: str
    fingerprint: str
    service: str
    environment: str
    state: IncidentState = IncidentState.OPEN
    title: str
    labels: dict[str, str] = Field(default_factory=dict)
    signal_id: str
    occurrence: int = 1
    """How often it was opened: 1, and one more for each time it came back after it was closed."""
    count: int = 1
    first_seen: datetime
    last_seen: datetime
    escalation: Escalation | None = None
    """To whom it was handed, and why, since it was last opened."""
