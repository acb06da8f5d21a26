"""Run: one walk from incident to settlement, and which stage it has reached."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from grace.model.handwork import Handwork
from grace.model.noun import Noun


class RunKind(StrEnum):
    """A heal, or a person's word on an earlier run."""

    HEAL = "heal"
    UNDO = "undo"
    KEEP = "keep"


class Stage(StrEnum):
    """The stages in their order."""

    OPENED = "opened"
    DIAGNOSED = "diagnosed"
    PLANNED = "planned"
    DECIDED = "decided"
    WAITING = "waiting"
    APPROVED = "approved"
    SNAPSHOT = "snapshot"
    EXECUTING = "executing"
    EXECUTED = "executed"
    JUDGED = "judged"
    UNDONE = "undone"
    SETTLED = "settled"


class Run(Noun):
    """What was opened: why, for what and by whom. Everything else is in the entries that follow."""

    id: str
    kind: RunKind
    incident_id: str | None = None
    occurrence: int = 1
    service: str
    environment: str
    playbook: str | None = None
    """Set when a person asked for this playbook; else the Sentinel chooses."""
    inputs: dict[str, str] = Field(default_factory=dict)
    of_run: str | None = None
    requested_by: str
    reason: str = ""
    by_hand: Handwork | None = None
    """Set when a person gave the command themselves."""
    opened_at: datetime


class Fall(Noun):
    """An accident of ours in the middle of a run, which is carried on from the ledger after a rest."""

    run_id: str
    why: str
    times: int
    """How often it fell over since the server started."""
    at: datetime
