"""The heart: one heal, from left to right."""

from __future__ import annotations

from dataclasses import dataclass

from grace.act.healing import settling
from grace.act.healing.asking import Asking
from grace.act.healing.checking import Checking
from grace.act.healing.doing import Doing
from grace.act.healing.guarding import Guarding
from grace.act.healing.settling import Settling
from grace.act.healing.story import Stop, Story
from grace.act.healing.thinking import Thinking
from grace.act.healing.undoing import Done, Undoer
from grace.model.events import LocksTaken
from grace.model.plan import Plan, Remedy
from grace.model.settlement import Settlement


@dataclass(frozen=True, slots=True)
class Heal:
    """Knows the order, and nothing else."""

    think: Thinking
    ask: Asking
    guard: Guarding
    do: Doing
    check: Checking
    way_back: Undoer
    end: Settling

    async def __call__(self, story: Story) -> Settlement:
        """Walk a run to its one settlement."""
        diagnosis = await self.think.diagnose(story)
        if isinstance(diagnosis, Stop):
            return await self.end.settle(story, diagnosis)
        plan = await self.think.plan(story, diagnosis)
        if isinstance(plan, Stop):
            return await self.end.settle(story, plan)
        decision = await self.think.decide(story, plan, diagnosis)
        if isinstance(decision, Stop):
            return await self.end.settle(story, decision)
        if not decision.allows:
            return await self.end.settle(story, settling.not_allowed(decision))
        if decision.asks and (no := await self.ask.approve(story, plan, decision)):
            return await self.end.settle(story, no)
        locks = await self.guard.lock(story, tuple(target.key for target in plan.targets))
        if isinstance(locks, Stop):
            return await self.end.settle(story, locks)
        return await self._act(story, plan, locks)

    async def _act(self, story: Story, plan: Plan, locks: LocksTaken) -> Settlement:
        ready = await self.guard.look_again(story, plan)
        if isinstance(ready, Stop):
            return await self.end.settle(story, ready)
        snapshot = await self.guard.snapshot(story, plan)
        if isinstance(snapshot, Stop):
            return await self.end.settle(story, snapshot)
        # From here on nothing raises: faults are values, so the way back is always reached.
        async with self.check.watch(story, plan) as watch:
            execution = await self.do.execute(story, plan, snapshot, locks)
            if not execution.may_have_written:
                return await self.end.settle(story, settling.not_begun(execution))
            verdict = await self.check.judge(story, plan, execution, watch)
        if verdict.is_met:
            return await self.end.settle(story, settling.committed(verdict))
        if settling.remedy(plan, execution, verdict) is Remedy.HOLD:
            return await self.end.settle(story, settling.held(verdict), plan)
        done = Done(run=story.run, plan=plan, snapshot=snapshot, execution=execution)
        undoing = await self.way_back.undo(story, done, locks.fence)
        await self.check.aftermath(story, plan)
        return await self.end.settle(story, settling.undone(plan, verdict.why, undoing), plan)
