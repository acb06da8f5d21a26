"""Settlement: the one, final end of a run."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from grace.model.noun import Noun


class SettlementKind(StrEnum):
    """The eight ends."""

    OBSERVED = "observed"
    DENIED = "denied"
    EXPIRED = "expired"
    ABORTED = "aborted"
    COMMITTED = "committed"
    ROLLED_BACK = "rolled_back"
    NOT_RESTORED = "not_restored"
    HELD = "held"


class AbortReason(StrEnum):
    """Why a run stopped before the first write."""

    STALE = "stale"
    PRECONDITION = "precondition"
    SNAPSHOT_FAILED = "snapshot_failed"
    CANCELLED = "cancelled"
    HALTED = "halted"


class Settlement(Noun):
    """How a run ended, with one plain sentence."""

    run_id: str
    kind: SettlementKind
    reason: AbortReason | None = None
    sentence: str
    quarantines: tuple[str, ...] = ()
    """Keys of targets that stay closed until a person keeps or undoes the run."""
    at: datetime
