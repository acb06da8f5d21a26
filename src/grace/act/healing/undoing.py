"""The way back: compensations in reverse, then restore, then what must see the old state, then the digests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from pydantic import JsonValue

from grace.act.executors import Applied, Journal
from grace.act.healing.deeds import MOST_ATTEMPTS, Deed, Deeds
from grace.act.healing.doing import parameters_of
from grace.act.healing.notes import handle_of
from grace.act.healing.outputs import resolve
from grace.act.healing.plugs import call, sentence
from grace.act.healing.story import Past, Story
from grace.act.safehold import Provider, Vault
from grace.kit.attempt import Raised
from grace.kit.cuts import cut
from grace.model.events import EventType
from grace.model.execution import Execution, Outcome, StepResult, StepState, Undoing
from grace.model.ledger_entry import Draft
from grace.model.plan import Plan, PlannedStep, Reversibility
from grace.model.reading import Unknown
from grace.model.snapshot import Restoration, RestoreState, Snapshot, SnapshotObject
from grace.model.target import Target
from grace.model.warrant import Warrant


@dataclass(frozen=True, slots=True)
class Done:
    """What is to be undone: the run that did it, its plan, snapshot and execution."""

    past: Past
    plan: Plan
    snapshot: Snapshot
    execution: Execution


class Undoer:
    """Takes back exactly what a plan wrote, or says that it did not."""

    def __init__(self, deeds: Deeds, providers: Mapping[str, Provider], vault: Vault) -> None:
        self._deeds = deeds
        self._providers = providers
        self._vault = vault

    async def undo(self, story: Story, done: Done, fence: int) -> Undoing:
        """Return the undoing that stands; never raises for a failure of the world."""
        warrant = Warrant(run_id=story.run.id, plan_digest=done.plan.digest, fence=fence)

        async def once() -> None:
            if story.standing("undo", Undoing) is None:
                await story.stand()  # A verdict that is lost while the way back is half gone would be another one.
                undoing = await self._walk(story, done, warrant)
                await story.write(story.draft("undo", EventType.UNDO_FINISHED, undoing))

        await story.engine.step("undo", once)
        standing = story.standing("undo", Undoing)
        if standing is None:
            await once()
            standing = story.standing("undo", Undoing)
        assert standing is not None, "the walk always writes its end"  # noqa: S101
        return standing

    async def rehearse(self, done: Done) -> tuple[Restoration, ...]:
        """Return what a restore would do, object by object; write nothing."""
        return tuple(await self._restore(done, rehearse=True))

    async def _walk(self, story: Story, done: Done, warrant: Warrant) -> Undoing:
        started = story.clock.now()
        begun = {result.id: result for result in done.execution.steps}
        steps = [step for step in reversed(done.plan.steps) if step.id in begun]
        moved = [step for step in steps if await self._has_effect(done, step, begun[step.id])]
        before = await self._compensate(story, done, warrant, [s for s in moved if s.undo and not s.undo.after_restore])
        restorations = await self._restore(done)
        after = await self._compensate(story, done, warrant, [s for s in moved if s.undo and s.undo.after_restore])
        astray = [said for step in moved if step.kept for said in await self._astray(done, step)]
        return Undoing(
            run_id=done.past.run.id,
            compensations=(*before, *after),
            restorations=await self._confirm(restorations),
            unrecoverable=(
                *(
                    f"step {step.id} ({step.uses}) cannot be undone"
                    for step in moved
                    if step.reversibility is Reversibility.IRREVERSIBLE
                ),
                *dict.fromkeys(astray),
            ),
            started_at=started,
            finished_at=story.clock.now(),
        )

    async def _has_effect(self, done: Done, step: PlannedStep, result: StepResult) -> bool:
        """Tell whether a begun step may have changed the world; only a proven `no` is a no."""
        if result.state in {StepState.DONE, StepState.UNKNOWN}:
            return True
        if result.state is StepState.REFUSED:
            return False
        handle = self._handle(done, step.id)
        parameters = parameters_of(step, done.execution)
        asked = await call(lambda: self._deeds.gate.probe(step.uses, parameters, handle))
        return isinstance(asked, Raised) or asked.value is not Applied.NO

    async def _astray(self, done: Done, step: PlannedStep) -> list[str]:
        """Say which path, as it was named, does not lead to a place that was kept, and so does not read as before."""
        parameters = parameters_of(step, done.execution)
        asked = await call(lambda: self._deeds.gate.leads(step.uses, parameters))
        if isinstance(asked, Raised):
            return [f"nobody can tell where the paths of step {step.id} lead now: {sentence(asked)}"]
        kept = {target.id for target in step.kept}
        return [_led_astray(path, place) for path, place in asked.value.items() if place not in kept]

    async def _compensate(
        self, story: Story, done: Done, warrant: Warrant, steps: Sequence[PlannedStep]
    ) -> list[StepResult]:
        results: list[StepResult] = []
        for step in steps:
            if step.undo is None:
                continue
            parameters = resolve(step.undo.parameters, {result.id: result.output for result in done.execution.steps})
            deed = Deed(
                stage=f"undo/{step.id}",
                step_id=step.id,
                uses=step.undo.uses,
                parameters=parameters,
                perform=self._compensation(done.plan, step, parameters, warrant),
                compensates=True,
            )
            is_new = self._deeds.is_new(story, deed)
            begin = partial(_intend, story, self._deeds.intent(story, deed))
            result = await self._deeds.do(story, deed, begin, is_new=is_new)
            await story.write(self._deeds.finish(story, deed, result))
            results.append(result)
        return results

    def _compensation(
        self, plan: Plan, step: PlannedStep, parameters: Mapping[str, JsonValue], warrant: Warrant
    ) -> Callable[[Journal], Outcome]:
        def perform(journal: Journal) -> Outcome:
            return self._deeds.gate.compensate(plan, step, parameters, warrant, journal)

        return perform

    async def _restore(self, done: Done, *, rehearse: bool = False) -> list[Restoration]:
        ours: dict[str, str] = {}
        for result in done.execution.steps:
            ours |= result.ours
        restorations: list[Restoration] = []
        for taken in reversed(done.snapshot.objects):
            cut("undo.restore.before")
            changes = self._changes(done, taken)
            restored = await call(
                lambda t=taken, c=changes: self._providers[t.provider].restore(
                    t, ours.get(t.target.key), c, self._vault, rehearse=rehearse
                )
            )
            restorations.append(_failed(taken, sentence(restored)) if isinstance(restored, Raised) else restored.value)
            cut("undo.restore.after")
        return restorations

    async def _confirm(self, restorations: Sequence[Restoration]) -> tuple[Restoration, ...]:
        """Read every digest once more at the very end; what is not equal then is not restored."""
        return tuple([await self._confirmed(item) for item in restorations])

    async def _confirmed(self, item: Restoration) -> Restoration:
        if not item.is_back or not item.before.startswith("sha256:"):
            return item
        provider = self._providers[item.provider]
        if not provider.confirms_by_digest:
            return item
        read = await call(lambda: provider.digest(item.target))
        now = Unknown(why=sentence(read)) if isinstance(read, Raised) else read.value
        if now == (item.now or item.before):
            return item
        shown = now.why if isinstance(now, Unknown) else now
        return item.model_copy(
            update={"state": RestoreState.FAILED, "now": shown, "difference": f"after the way back it reads {shown}"}
        )

    def _changes(self, done: Done, taken: SnapshotObject) -> tuple[str, ...]:
        """Return the addresses of the changesets that the steps on this target kept, oldest first."""
        found: list[str] = []
        for step in done.plan.steps:
            if step.provider != taken.provider or taken.target not in step.targets:
                continue
            address = change_of(self._handle(done, step.id) or {}, taken.target)
            if isinstance(address, str):
                found.append(address)
        return tuple(found)

    def _handle(self, done: Done, step_id: str) -> dict[str, JsonValue] | None:
        for attempt in range(MOST_ATTEMPTS, 0, -1):
            handle = handle_of(done.past, f"step/{step_id}/noted/{attempt}")
            if handle is not None:
                return handle
        return None


def _intend(story: Story, intent: Draft) -> None:
    story.unit_here(lambda tx: tx.append(intent))


def _led_astray(path: str, place: str | Unknown) -> str:
    where = f"leads nowhere now: {place.why}" if isinstance(place, Unknown) else f"leads to {place} now"
    return f"{path} does not read as before: it {where}"


def change_of(handle: Mapping[str, JsonValue], target: Target) -> JsonValue:
    """Return what a step noted of its change of one target: of each by its path, where it has several."""
    several = handle.get("changesets")
    return several.get(target.id) if isinstance(several, dict) else handle.get("changeset")


def _failed(taken: SnapshotObject, why: str) -> Restoration:
    return Restoration(
        target=taken.target,
        provider=taken.provider,
        state=RestoreState.FAILED,
        before=taken.digest,
        ours=None,
        now=None,
        difference=why,
    )
