"""Drill: a fault that was made on purpose, in scratch things that GRACE made itself."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from grace.model.noun import Noun

DRILL_SERVICE = "grace-drill"
"""The service that drills belong to, in the environment `drill`."""


class DrillKind(StrEnum):
    """What is broken."""

    DATABASE_LOCKED = "database_locked"


class DrillEnding(StrEnum):
    """Why a drill is over."""

    SETTLED = "settled"
    """The run that it caused reached its settlement."""
    OUT_OF_TIME = "out_of_time"
    """No settlement came while anybody could still have answered."""
    STOPPED = "stopped"
    """The server ended, or one of the drill's programs did."""


class Drill(Noun):
    """One drill: who wanted it, what was broken, and what became of it. All of `incident_id` on comes later."""

    id: str
    kind: DrillKind
    by: str
    service: str = DRILL_SERVICE
    folder: str
    database: str
    started_at: datetime
    incident_id: str | None = None
    run_id: str | None = None
    settlement: str | None = None
    ending: DrillEnding | None = None
