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
        return await self.end.settle(story, undone(done.plan, why, undoing, done.execution), done.plan)


@dataclass(frozen=True, slots=True)
class _Looked:
    """What was read before something is kept."""

    differing: tuple[str, ...]
    equal: int
    """How many objects read as the run left them."""
    unread: tuple[str, ...]
    """Steps of which nothing can be read here."""


@dataclass(frozen=True, slots=True)
class KeepRun:
    """Keeps what a run left behind: its contract is that every object of which that can be read is as the run left it.

    Where there is nothing to read a person takes it over, and the settlement says so.
    """

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
        looked = await self._look(done)
        differing = looked.differing
        if differing and story.run.inputs.get(AS_IS) != "yes":
            said = "; ".join(differing) + "; look at it, then undo it or keep it as it is"
            stop = Stop(kind=SettlementKind.ABORTED, reason=AbortReason.STALE, sentence=said)
            return await self.end.settle(story, stop)
        return await self.end.settle(story, _kept(story, done, looked))

    async def _look(self, done: Done) -> _Looked:
        differing: list[str] = []
        equal, unread = 0, list[str]()
        for step in done.execution.steps:
            planned = next(item for item in done.plan.steps if item.id == step.id)
            if step.state is StepState.REFUSED:
                continue
            provider = self.providers.get(planned.provider or "")
            if provider is None or not provider.confirms_by_digest:
                unread.append(f"{step.id} ({step.uses})")
                continue
            for target in planned.targets:
                ours = step.ours.get(target.key)
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
                else:
                    equal += 1
        return _Looked(tuple(differing), equal, tuple(unread))


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


def _kept(story: Story, done: Done, looked: _Looked) -> Stop:
    reason = f": {story.run.reason}" if story.run.reason else ""
    sentence_ = f"{story.run.requested_by} keeps {done.past.run.id}{reason}; {_state(story, looked)}"
    return Stop(kind=SettlementKind.COMMITTED, sentence=sentence_)


def _state(story: Story, looked: _Looked) -> str:
    """Say what was measured, and what was not."""
    taken_over = f"{story.run.requested_by} takes it over as it is, unmeasured"
    unread = f"of {', '.join(looked.unread)} there is nothing to read, and {taken_over}"
    if looked.differing:
        said = f"accepted as it is now ({'; '.join(looked.differing)})"
    elif looked.equal:
        said = f"{looked.equal} object{'s read' if looked.equal != 1 else ' reads'} as the run left it"
    else:
        return f"there was no object to read: {taken_over}"
    return f"{said}; {unread}" if looked.unread else said
