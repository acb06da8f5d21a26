"""A person's word on an earlier run: undo it, or keep what it did. A new run that names the old one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from grace.act.healing.guarding import Guarding
from grace.act.healing.plugs import call, sentence
from grace.act.healing.settling import Settling, undone
from grace.act.healing.story import Past, Stop, Stopped, Story, past_of
from grace.act.healing.undoing import Done, Undoer
from grace.act.safehold import Provider
from grace.kit.attempt import Raised
from grace.model.execution import Execution, StepState
from grace.model.plan import Plan
from grace.model.reading import Unknown
from grace.model.settlement import AbortReason, Settlement, SettlementKind
from grace.model.snapshot import Snapshot
from grace.record import Reader

AS_IS = "as_is"
"""Input of a keep: accept the objects as they are now, also where they differ from what the run left."""


@dataclass(frozen=True, slots=True)
class UndoRun:
    """Takes an earlier run back. Policy is not asked and a halt does not stop it: the way back is always open."""

    guard: Guarding
    way_back: Undoer
    end: Settling

    async def __call__(self, story: Story) -> Settlement:
        """Walk an undo to its settlement."""
        try:
            done = await earlier(story)
            locks = await self.guard.lock_for_way_back(story, tuple(target.key for target in done.plan.targets))
        except Stopped as stopped:
            return await self.end.settle(story, stopped.stop)
        undoing = await self.way_back.undo(story, done, locks.fence)
        why = f"{story.run.requested_by} undid {done.past.run.id}" + (
            f": {story.run.reason}" if story.run.reason else ""
        )
        return await self.end.settle(story, undone(done.plan, why, undoing), done.plan)


@dataclass(frozen=True, slots=True)
class KeepRun:
    """Keeps what a held run left behind: its contract is that every object still reads as the run left it."""

    guard: Guarding
    providers: Mapping[str, Provider]
    end: Settling

    async def __call__(self, story: Story) -> Settlement:
        """Walk a keep to its settlement."""
        try:
            done = await earlier(story)
            await self.guard.lock_for_way_back(story, tuple(target.key for target in done.plan.targets))
        except Stopped as stopped:
            return await self.end.settle(story, stopped.stop)
        differing = await self._differing(done)
        if differing and story.run.inputs.get(AS_IS) != "yes":
            said = "; ".join(differing) + "; look at it, then undo it or keep it as it is"
            stop = Stop(kind=SettlementKind.ABORTED, reason=AbortReason.STALE, sentence=said)
            return await self.end.settle(story, stop)
        return await self.end.settle(story, _kept(story, done, differing))

    async def _differing(self, done: Done) -> list[str]:
        differing: list[str] = []
        for step in done.execution.steps:
            planned = next(item for item in done.plan.steps if item.id == step.id)
            provider = self.providers.get(planned.provider or "")
            for target in planned.targets if provider is not None else ():
                ours = step.ours.get(target.key)
                if provider is None or not provider.confirms_by_digest or step.state is StepState.REFUSED:
                    continue
                if ours is None:
                    differing.append(f"nobody could record how {done.past.run.id} left {target.id}")
                    continue
                now = await call(lambda p=provider, t=target: p.digest(t))
                if isinstance(now, Raised):
                    differing.append(f"{target.id} cannot be read: {sentence(now)}")
                elif isinstance(now.value, Unknown):
                    differing.append(f"{target.id} cannot be read: {now.value.why}")
                elif now.value != ours:
                    differing.append(f"{target.id} is no longer what {done.past.run.id} left")
        return differing


async def earlier(story: Story) -> Done:
    """Return the run that this one speaks of with all that it did; raise Stopped when it wrote nothing."""
    return await of_earlier(story.run.of_run or "", story.reader)


async def of_earlier(run_id: str, reader: Reader) -> Done:
    """Return a run with all that it did; raise Stopped when it wrote nothing."""
    past = await past_of(run_id, reader)
    stages = (("plan", Plan), ("snapshot", Snapshot), ("execution", Execution))
    match [past, *(past.standing(stage, noun) for stage, noun in stages)] if past else []:
        case [Past() as past, Plan() as plan, Snapshot() as snapshot, Execution() as execution]:
            return Done(past=past, plan=plan, snapshot=snapshot, execution=execution)
        case _:
            said = f"{run_id} has written nothing that could be undone or kept"
            raise Stopped(Stop(kind=SettlementKind.ABORTED, reason=AbortReason.PRECONDITION, sentence=said))


def _kept(story: Story, done: Done, differing: list[str]) -> Stop:
    reason = f": {story.run.reason}" if story.run.reason else ""
    state = f"accepted as it is now ({'; '.join(differing)})" if differing else "every object reads as the run left it"
    sentence_ = f"{story.run.requested_by} keeps {done.past.run.id}{reason}; {state}"
    return Stop(kind=SettlementKind.COMMITTED, sentence=sentence_)
