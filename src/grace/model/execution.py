"""Execution: what was done, step by step, with handles that survive a crash."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import Field, JsonValue

from grace.model.noun import Noun
from grace.model.reading import Reading
from grace.model.settlement import AbortReason
from grace.model.snapshot import Restoration


class StepState(StrEnum):
    """How a step ended. `unknown`: it may or may not have happened; it is never repeated and goes to undo."""

    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"
    REFUSED = "refused"


class Outcome(Noun):
    """What an executor reports of one deed: its own claim, never the proof."""

    state: StepState
    output: dict[str, JsonValue] = Field(default_factory=dict)
    why: str = ""


class StepResult(Noun):
    """One step of an execution or one compensation of an undo."""

    id: str
    uses: str
    state: StepState
    output: dict[str, JsonValue] = Field(default_factory=dict)
    why: str = ""
    ours: dict[str, str] = Field(default_factory=dict)
    """Digest of each exact target right after the step, by target key: the middle of the three-way check."""
    started_at: datetime
    finished_at: datetime


class Execution(Noun):
    """All steps that were begun, in order."""

    run_id: str
    plan_digest: str
    steps: tuple[StepResult, ...] = ()
    started_at: datetime
    finished_at: datetime
    stopped: str = ""
    """Why later steps were not begun; empty when all were."""
    stop_reason: AbortReason | None = None
    """Set when a person stopped it: cancelled or halted."""

    @property
    def is_done(self) -> bool:
        """Tell whether every step claims to be done."""
        return not self.stopped and all(step.state is StepState.DONE for step in self.steps)

    @property
    def may_have_written(self) -> bool:
        """Tell whether any step got past the gate."""
        return any(step.state is not StepState.REFUSED for step in self.steps)


class Aftermath(Noun):
    """What the contract's clauses read after the way back, by clause id: for people, it decides nothing."""

    run_id: str
    readings: dict[str, Reading]
    at: datetime


class Undoing(Noun):
    """The way back: compensations in reverse, then restorations."""

    run_id: str
    compensations: tuple[StepResult, ...] = ()
    restorations: tuple[Restoration, ...] = ()
    unrecoverable: tuple[str, ...] = ()
    """Steps that have no way back."""
    started_at: datetime
    finished_at: datetime

    @property
    def is_complete(self) -> bool:
        """Tell whether every object is equal again and every other write verifiably compensated."""
        equal = all(item.is_back for item in self.restorations)
        compensated = all(item.state is StepState.DONE for item in self.compensations)
        return equal and compensated and not self.unrecoverable
