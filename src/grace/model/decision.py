"""Decision: may this plan be executed, by which rule, and who else must agree."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from grace.model.noun import Noun
from grace.model.service import Mode


class Ruling(StrEnum):
    """The three tiers, and no."""

    ACT_ALONE = "act_alone"
    ACT_WITH_APPROVAL = "act_with_approval"
    ACT_WITH_QUORUM = "act_with_quorum"
    DENIED = "denied"

    @property
    def tier(self) -> int | None:
        """Return 1, 2 or 3; None for a refusal."""
        return {"act_alone": 1, "act_with_approval": 2, "act_with_quorum": 3}.get(self.value)


class Decision(Noun):
    """A ruling on one plan digest under one policy digest and mode."""

    plan_digest: str
    ruling: Ruling
    rule: str
    reason: str
    policy_digest: str
    engine: str
    mode: Mode
    quorum: int = Field(default=0, ge=0)
    """How many people must agree: 0 for tier 1, 1 for tier 2, at least 2 for tier 3."""
    errors: tuple[str, ...] = ()
    at: datetime

    @property
    def observes(self) -> bool:
        """Tell whether the mode forbids any deed, whatever the ruling."""
        return self.mode is Mode.OBSERVE and self.ruling is not Ruling.DENIED

    @property
    def asks(self) -> bool:
        """Tell whether people must agree first."""
        return self.quorum > 0 and self.ruling is not Ruling.DENIED and not self.observes

    @property
    def allows(self) -> bool:
        """Tell whether the plan may be executed as soon as nobody is left to ask."""
        return self.ruling is not Ruling.DENIED and not self.observes
