"""Hold back: what was decided to be done alone is looked at once more under the locks, where nobody else can act."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from pydantic import JsonValue

from grace.act.healing import Directory
from grace.act.healing.story import Stop, Stopped, Story
from grace.govern.restraint.restraints import Restraints
from grace.model.decision import Decision
from grace.model.plan import Plan
from grace.model.settlement import AbortReason, SettlementKind


@dataclass(frozen=True, slots=True)
class HoldingBack:
    """Stops a run whose breaker opened while it waited for its locks."""

    restraints: Restraints
    directory: Directory

    async def look_again(self, story: Story, plan: Plan, decision: Decision) -> None:
        """Raise Stopped where a breaker opened since the decision, unless people agreed or the run has begun."""
        if decision.asks:
            return

        async def look() -> JsonValue:
            # Asked inside the step: the engine carries a run on only where it meets the same steps again.
            if story.has("execution.started"):
                return None
            why = await asyncio.to_thread(self._why, plan, decision)
            return _stop(why).to_json() if why else None

        answer = await story.engine.step("restraint", look)
        if answer is not None:
            raise Stopped(Stop.model_validate(answer))

    def _why(self, plan: Plan, decision: Decision) -> str:
        service = self.directory.service(plan.service, plan.environment)
        return "" if service is None else self.restraints.opened_since(plan, service, decision.at)


def _stop(why: str) -> Stop:
    return Stop(kind=SettlementKind.ABORTED, reason=AbortReason.PRECONDITION, sentence=f"nothing was touched, {why}")
