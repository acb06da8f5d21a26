"""Execute the plan: step by step, stopping at the first that does not claim to be done and at every safe point."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial

from pydantic import JsonValue

from grace.act.healing.deeds import Deed, Deeds
from grace.act.healing.outputs import resolve
from grace.act.healing.safe_points import SafePoints
from grace.act.healing.story import Stop, Stopped, Story
from grace.act.safehold import Provider
from grace.model.events import EventType, ExecutionStarted, LocksTaken
from grace.model.execution import Execution, StepResult, StepState
from grace.model.ledger_entry import Draft
from grace.model.plan import Plan, PlannedStep
from grace.model.reading import Unknown
from grace.model.snapshot import Snapshot
from grace.model.warrant import Warrant
from grace.record import Transaction


class Doing:
    """The stage that writes. Nothing in it raises for a failure of the world."""

    def __init__(self, deeds: Deeds, providers: Mapping[str, Provider], safe_points: SafePoints) -> None:
        self._deeds = deeds
        self._providers = providers
        self._safe_points = safe_points

    def has_begun(self, story: Story) -> bool:
        """Tell whether an earlier life of this run has begun to write."""
        return story.standing("execution.started", ExecutionStarted) is not None

    async def execute(self, story: Story, plan: Plan, snapshot: Snapshot, locks: LocksTaken) -> Execution:
        """Return the execution that stands, with every step that was begun.

        Its end goes to the record while the engine writes down the step: what counts is the record, so the engine may
        be ahead of it.
        """
        ends: list[asyncio.Task[None]] = []

        async def once() -> None:
            if story.standing("execution", Execution) is None:
                end = await self._walk(story, plan, snapshot, locks)
                ends.append(asyncio.create_task(story.unit(end)))

        try:
            await story.engine.step("execute", once)
        finally:
            await asyncio.gather(*ends)
        if story.standing("execution", Execution) is None:
            await once()
            await ends[-1]
        standing = story.standing("execution", Execution)
        assert standing is not None, "the walk always writes its end"  # noqa: S101
        return standing

    async def _walk(
        self, story: Story, plan: Plan, snapshot: Snapshot, locks: LocksTaken
    ) -> Callable[[Transaction], None]:
        """Do what is left to do and return the unit that writes the end."""
        digest = plan.digest
        warrant = Warrant(run_id=story.run.id, plan_digest=digest, fence=locks.fence)
        started = ExecutionStarted(run_id=story.run.id, plan_digest=digest, snapshot_id=snapshot.id, fence=locks.fence)
        waiting: list[Draft] = [story.draft("execution.started", EventType.EXECUTION_STARTED, started)]
        results: list[StepResult] = []
        stopped = ""
        stop: Stop | None = None
        began = story.clock.now()
        for step in plan.steps:
            deed = self._deed(story, plan, step, warrant, results)
            is_new = self._deeds.is_new(story, deed)
            begun = (*waiting, self._deeds.intent(story, deed))
            try:
                result = await self._deeds.do(
                    story, deed, partial(self._begin, story, begun, is_new=is_new), is_new=is_new
                )
            except Stopped as stopped_here:
                stop = stopped_here.stop
                break
            results.append(result)
            waiting = [self._deeds.finish(story, deed, result)]
            if result.state is not StepState.DONE:
                stopped = f"step {step.id} is {result.state}: {result.why}"
                break
        execution = Execution(
            run_id=story.run.id,
            plan_digest=digest,
            steps=tuple(results),
            started_at=results[0].started_at if results else began,
            finished_at=story.clock.now(),
            stopped=stop.sentence if stop else stopped,
            stop_reason=stop.reason if stop else None,
        )
        return lambda tx: self._finish(tx, story, waiting, execution)

    def _begin(self, story: Story, begun: tuple[Draft, ...], *, is_new: bool) -> None:
        """Write the intent, or raise Stopped where somebody asked the run to stop: one transaction settles which."""

        def unit(tx: Transaction) -> Stop | None:
            stop = self._safe_points.read_in(tx, story) if is_new else None
            if stop is None:
                for draft in begun:
                    tx.append(draft)
            return stop

        stop = story.unit_here(unit)
        if stop is not None:
            raise Stopped(stop)

    def _finish(self, tx: Transaction, story: Story, waiting: list[Draft], execution: Execution) -> None:
        """Write the end; who cancelled while the last step was done is heard, in the same transaction."""
        cancelled = None if execution.stopped else self._safe_points.cancelled(tx.find(story.key("cancel")))
        if cancelled is not None:
            told = {"stopped": cancelled.sentence, "stop_reason": cancelled.reason}
            execution = execution.model_copy(update=told)
        for draft in (*waiting, story.draft("execution", EventType.EXECUTION_FINISHED, execution)):
            tx.append(draft)

    def _deed(self, story: Story, plan: Plan, step: PlannedStep, warrant: Warrant, earlier: list[StepResult]) -> Deed:
        parameters = resolve(step.parameters, {result.id: result.output for result in earlier})
        return Deed(
            stage=f"step/{step.id}",
            step_id=step.id,
            uses=step.uses,
            parameters=parameters,
            perform=lambda journal: self._deeds.gate.perform(plan, step, parameters, warrant, journal),
            digests=lambda: self._digests(step),
        )

    def _digests(self, step: PlannedStep) -> dict[str, str]:
        provider = self._providers.get(step.provider or "")
        if provider is None:
            return {}
        read = {target.key: provider.digest(target) for target in step.kept}
        return {key: digest for key, digest in read.items() if not isinstance(digest, Unknown)}


def parameters_of(step: PlannedStep, execution: Execution) -> dict[str, JsonValue]:
    """Return a step's parameters with the outputs of earlier steps in place."""
    return resolve(step.parameters, {result.id: result.output for result in execution.steps})
