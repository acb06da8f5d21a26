"""The heart: one heal, from left to right."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from grace.act.healing import settling
from grace.act.healing.asking import Asking
from grace.act.healing.checking import Checking
from grace.act.healing.doing import Doing
from grace.act.healing.guarding import Guarding
from grace.act.healing.holding_back import HoldingBack
from grace.act.healing.settling import Settling
from grace.act.healing.story import Stopped, Story
from grace.act.healing.thinking import Thinking
from grace.act.healing.undoing import Done, Undoer
from grace.model.events import LocksTaken
from grace.model.plan import Plan, Remedy
from grace.model.settlement import Settlement
from grace.model.snapshot import Snapshot


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
    hold_back: HoldingBack
    slots: asyncio.Semaphore
    """How many runs may act at one time."""

    async def __call__(self, story: Story) -> Settlement:
        """Walk a run to its one settlement."""
        try:
            diagnosis = await self.think.diagnose(story)
            plan = await self.think.plan(story, diagnosis)
            decision = await self.think.decide(story, plan, diagnosis)
            if not decision.allows:
                return await self.end.settle(story, settling.not_allowed(decision))
            if decision.asks:
                await self.guard.ask_nobody_in_vain(story, tuple(target.key for target in plan.targets))
                await self.ask.approve(story, plan, decision)  # waits durably; silence refuses
            locks = await self.guard.lock(story, tuple(target.key for target in plan.targets))
            await self.hold_back.look_again(story, plan, decision)
            await self.guard.look_again(story, plan)
            snapshot = await self.guard.snapshot(story, plan)
        except Stopped as stopped:
            return await self.end.settle(story, stopped.stop)
        async with self.slots:
            return await self._act(story, plan, snapshot, locks)

    async def _act(self, story: Story, plan: Plan, snapshot: Snapshot, locks: LocksTaken) -> Settlement:
        # From here on nothing raises: faults are values, so the way back is always reached.
        restarted = self.do.has_begun(story)
        async with self.check.watch(story, plan) as watch:
            execution = await self.do.execute(story, plan, snapshot, locks)
            if not execution.may_have_written:
                return await self.end.settle(story, settling.not_begun(execution))
            verdict = await self.check.judge(story, plan, execution, watch, restarted=restarted)
        if verdict.is_met:
            return await self.end.settle(story, settling.committed(verdict))
        if settling.remedy(plan, execution, verdict) is Remedy.HOLD:
            return await self.end.settle(story, settling.held(verdict), plan)
        done = Done(past=story, plan=plan, snapshot=snapshot, execution=execution)
        undoing = await self.way_back.undo(story, done, locks.fence)
        await self.check.aftermath(story, plan)
        return await self.end.settle(story, settling.undone(plan, verdict.why, undoing, execution), plan)
