"""Escalation: GRACE could not, or may not, heal an incident, and hands it to the owner with all that it knows."""

from __future__ import annotations

from datetime import datetime

from grace.model.noun import Noun
from grace.model.settlement import SettlementKind

NOBODY = "nobody"
"""Who is told of a service that names no owner, or is not declared."""


class Advice(Noun):
    """What is to be said to whoever takes an incident over, and whether a further playbook may be tried before."""

    owner: str = NOBODY
    tried: tuple[str, ...] = ()
    """Playbooks that were undone for this incident, the last one included."""
    next_rung: str | None = None
    """The playbook that fits now, as long as the service allows another one."""
    suggestions: tuple[str, ...] = ()


class Escalation(Noun):
    """The hand-over of an incident to the owner of its service: why GRACE goes no further, and what a person can do."""

    incident_id: str
    run_id: str
    service: str
    environment: str
    to: str
    """The owner that grace.yaml names."""
    cause: str
    settlement: SettlementKind | None
    """How the last run ended; None where no further run could be opened."""
    why: str
    tried: tuple[str, ...] = ()
    considered: tuple[str, ...] = ()
    """Playbooks of which no plan could be made, each with the reason."""
    suggestions: tuple[str, ...] = ()
    """What the knowledge advises, and for a refused value which field, which rule and which value would pass."""
    next: str
    """The command to go on with."""
    at: datetime
