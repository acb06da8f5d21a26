"""How rendering says no: a refusal that ends the straight line and comes out as a value."""

from __future__ import annotations

from enum import StrEnum

from grace.model.warrant import Refusal


class Rule(StrEnum):
    """Why there is no plan."""

    COMPARISON = "comparison"
    CONDITION = "condition"
    DRAFT_DIFFERS = "draft-differs"
    DRAFT_ENDED = "draft-ended"
    DRAFT_FLAW = "draft-flaw"
    DRAFT_HUNG = "draft-hung"
    DRAFT_RAISED = "draft-raised"
    FIND_UNKNOWN = "find-unknown"
    INPUT = "input"
    NOT_CANONICAL = "not-canonical"
    NOT_DECLARED = "not-declared"
    NOTHING_TO_DO = "nothing-to-do"
    OUTSIDE_ALLOWANCE = "outside-allowance"
    PARAMETERS = "parameters"
    REFERENCE = "reference"
    SECRET = "secret"  # noqa: S105 - the name of a rule, not a secret
    TARGET = "target"
    TIMING = "timing"
    UNKNOWN_ACTION = "unknown-action"
    UNKNOWN_CAUSE = "unknown-cause"
    UNKNOWN_PROBE = "unknown-probe"


class RefusedError(Exception):
    """There is no plan, and why. Never leaves this room: `render` turns it into its refusal."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.why)
        self.refusal = refusal


def refused(rule: str, why: str, remedy: str = "") -> RefusedError:
    return RefusedError(Refusal(rule=str(rule), why=why, next=remedy))
