"""Ask people, and wait durably. Silence refuses."""

from __future__ import annotations

import asyncio
from typing import cast

from pydantic import JsonValue

from grace.act.healing import Approvals
from grace.act.healing.safe_points import SafePoints
from grace.act.healing.story import Stop, Stopped, Story
from grace.model.approval import Approval, ApprovalState
from grace.model.decision import Decision
from grace.model.plan import Plan
from grace.model.settlement import AbortReason, SettlementKind

TOPIC = "approval"
"""What a waiting run listens to."""
LONGEST_SILENCE_S = 30.0
"""At the latest after so many seconds a waiting run looks at the record, even if nobody rang."""


class Asking:
    """The approval of one plan digest."""

    def __init__(self, approvals: Approvals, safe_points: SafePoints) -> None:
        self._approvals = approvals
        self._safe_points = safe_points

    async def approve(self, story: Story, plan: Plan, decision: Decision) -> None:
        """Return when exactly this digest was granted and is now used up; raise Stopped otherwise."""

        async def ask() -> JsonValue:
            await story.stand()
            await asyncio.to_thread(self._approvals.request, story.run, plan.digest, decision.quorum)
            return None

        async def look() -> JsonValue:
            return await asyncio.to_thread(self._state, story)

        async def use() -> JsonValue:
            return await asyncio.to_thread(self._approvals.consume, story.run.id, plan.digest)

        await story.engine.step("approval.request", ask)
        while True:
            found = cast("dict[str, JsonValue]", await story.engine.step("approval.state", look))
            if found["state"] != ApprovalState.WAITING:
                break
            await story.engine.hear(TOPIC, cast("float", found["listen_s"]))
        if found["state"] not in {ApprovalState.GRANTED, ApprovalState.USED}:
            raise Stopped(Stop.model_validate(found["stop"]))
        if not await story.engine.step("approval.use", use):
            said = f"the approval of {story.run.id} was used for something else"
            raise Stopped(Stop(kind=SettlementKind.DENIED, sentence=said))

    def _state(self, story: Story) -> dict[str, JsonValue]:
        approval = self._approvals.of(story.run.id)
        stop = self._safe_points.read(story)
        if stop is not None and stop.reason is AbortReason.CANCELLED:
            return {"state": "cancelled", "stop": stop.to_json()}
        if approval is None:
            missing = Stop(kind=SettlementKind.DENIED, sentence="the question is not on the record")
            return {"state": "missing", "stop": missing.to_json()}
        remaining_s = (approval.expires_at - story.clock.now()).total_seconds()
        return {
            "state": approval.state,
            "listen_s": max(0.05, min(remaining_s, LONGEST_SILENCE_S)),
            "stop": _no(approval).to_json(),
        }


def _no(approval: Approval) -> Stop:
    if approval.state is ApprovalState.REJECTED:
        answer = next(answer for answer in reversed(approval.answers) if not answer.grants)
        said = f"{answer.by} said no" + (f": {answer.reason}" if answer.reason else "")
        return Stop(kind=SettlementKind.DENIED, sentence=said)
    granted = sum(answer.grants for answer in approval.answers)
    said = f"nobody else agreed in time ({granted} of {approval.quorum}); silence refuses"
    return Stop(kind=SettlementKind.EXPIRED, sentence=said)
