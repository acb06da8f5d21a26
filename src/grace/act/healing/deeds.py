"""One deed that survives a crash: intent before it, a probe instead of a repetition, its result once.

The same walk serves the steps of an execution and the compensations of an undo.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from pydantic import JsonValue

from grace.act.executors import Applied, Journal
from grace.act.executors.gate import Gate
from grace.act.healing.notes import Notes, handle_of
from grace.act.healing.plugs import call, sentence
from grace.act.healing.story import Story
from grace.act.safehold import Vault
from grace.kit.attempt import Raised, attempt
from grace.kit.cuts import cut
from grace.model.events import EventType, StepIntended
from grace.model.execution import Outcome, StepResult, StepState
from grace.model.ledger_entry import Draft

MOST_ATTEMPTS = 3
_LOOK_AGAIN_S: Final = 1.0
"""So often the world is asked of an interrupted deed that others may still be at work on."""


@dataclass(frozen=True, slots=True)
class Deed:
    """What is to be done once: its stage name, the call, and how the gate is asked."""

    stage: str
    """`step/ID` or `undo/ID`."""
    step_id: str
    uses: str
    parameters: Mapping[str, JsonValue]
    perform: Callable[[Journal], Outcome]
    digests: Callable[[], dict[str, str]] = field(default=dict)
    """Read the digest of each exact target right after the deed."""
    compensates: bool = False

    @property
    def kind(self) -> str:
        """`step` or `undo`."""
        return self.stage.split("/")[0]


class CalledOffError(RuntimeError):
    """A deed whose walk ended while its intent was written; whoever carries the run on asks the world and does it."""

    def __init__(self, stage: str) -> None:
        super().__init__(f"{stage} was called off before it began.")


class Deeds:
    """Does deeds through the gate and records them."""

    def __init__(self, gate: Gate, vault: Vault) -> None:
        self.gate = gate
        self._vault = vault

    def intent(self, story: Story, deed: Deed, nth: int = 1) -> Draft:
        """Return the entry that must stand before the deed."""
        intended = StepIntended(
            run_id=story.run.id,
            step_id=deed.step_id,
            uses=deed.uses,
            compensates=deed.compensates,
            at=story.clock.now(),
        )
        return story.draft(f"{deed.stage}/intended/{nth}", EventType.STEP_INTENDED, intended)

    def is_new(self, story: Story, deed: Deed) -> bool:
        """Tell whether nobody has intended this deed yet; ask before writing the intent."""
        return not story.has(f"{deed.stage}/intended/1")

    async def do(self, story: Story, deed: Deed, begin: Callable[[], None], *, is_new: bool) -> StepResult:
        """Return the standing result, or do what is left to do and return an unwritten one.

        `begin` writes the first intent, in a thread that may block; what it raises ends the deed before it began. The
        caller writes the result together with what comes next. A deed that is not new was interrupted: the world is
        asked before anything is repeated.
        """
        if is_new:
            return await self._do_unless_called_off(story, deed, begin)
        await asyncio.to_thread(begin)
        standing = story.standing(f"{deed.stage}/finished", StepResult)
        if standing is not None:
            return standing
        started = story.clock.now()
        settled = await self._settle_interrupted(story, deed)
        if settled is None:
            return await asyncio.to_thread(self._do_now, story, deed, started)
        cut(f"deed.{deed.kind}.after")
        return _result(story, deed, settled, {}, started)

    async def _do_unless_called_off(self, story: Story, deed: Deed, begin: Callable[[], None]) -> StepResult:
        """Begin it and do it, in one thread that may block: to change threads between the two takes a commit's time.

        A thread cannot be called back: where this is cancelled while the intent is written, the deed is not begun.
        """
        called_off = threading.Event()

        def begin_and_do() -> StepResult:
            begin()
            if called_off.is_set():
                raise CalledOffError(deed.stage)
            return self._do_now(story, deed, story.clock.now())

        try:
            return await asyncio.to_thread(begin_and_do)
        except asyncio.CancelledError:
            called_off.set()
            raise

    def _do_now(self, story: Story, deed: Deed, started: datetime) -> StepResult:
        cut(f"deed.{deed.kind}.before")
        outcome, ours = _perform(deed, self._notes(story, deed))
        cut(f"deed.{deed.kind}.after")
        return _result(story, deed, outcome, ours, started)

    def finish(self, story: Story, deed: Deed, result: StepResult) -> Draft:
        """Return the entry that ends the deed."""
        return story.draft(f"{deed.stage}/finished", EventType.STEP_FINISHED, result)

    async def _settle_interrupted(self, story: Story, deed: Deed) -> Outcome | None:
        """After a crash inside the deed, ask the world; None when the deed is (still) to be done."""
        attempts = self._attempts(story, deed)
        stage = f"{deed.stage}/noted/{attempts}"
        handle = handle_of(story, stage)
        applied = await self._applied(story, deed, handle)
        if handle is not None:
            notes, left = Notes(story, self._vault, stage, deed.step_id), handle
            # What cannot be gathered now, as on a full disk, is removed at the first start after the settlement.
            await call(lambda: self.gate.gather(deed.uses, deed.parameters, left, notes))
            handle = handle_of(story, stage)
        match applied:
            case Applied.YES:
                return Outcome(state=StepState.DONE, output=handle or {}, why="found done after a restart")
            case Applied.UNKNOWN:
                return Outcome(
                    state=StepState.UNKNOWN, why="interrupted, and the world does not tell whether it happened"
                )
            case Applied.NO if attempts >= MOST_ATTEMPTS:
                return Outcome(state=StepState.FAILED, why=f"interrupted {attempts} times before it took effect")
            case Applied.NO:
                await story.write(self.intent(story, deed, attempts + 1))
                return None

    async def _applied(self, story: Story, deed: Deed, handle: Mapping[str, JsonValue] | None) -> Applied:
        """Ask the world; while others may still be at work on it, what nobody can tell yet is asked again.

        The end of that time follows from what was noted, so that a further crash does not begin it anew. It is read
        once: a clock that is set back meanwhile does not keep the run waiting.
        """
        read = await call(lambda: self.gate.at_work_s(deed.uses, deed.parameters, handle))
        left_s = 0.0 if isinstance(read, Raised) else read.value
        until = story.clock.monotonic() + (left_s + _LOOK_AGAIN_S if left_s > 0 else 0.0)
        while True:
            is_last = story.clock.monotonic() >= until
            asked = await call(lambda: self.gate.probe(deed.uses, deed.parameters, handle))
            applied = Applied.UNKNOWN if isinstance(asked, Raised) else asked.value
            if applied is not Applied.UNKNOWN or is_last:
                return applied
            await story.clock.wait(min(_LOOK_AGAIN_S, max(0.0, until - story.clock.monotonic())))

    def _notes(self, story: Story, deed: Deed) -> Notes:
        """Return the journal of this attempt, which knows what the ones before it noted."""
        now = self._attempts(story, deed)
        earlier: dict[str, JsonValue] = {}
        for nth in range(1, now):
            earlier |= handle_of(story, f"{deed.stage}/noted/{nth}") or {}
        return Notes(story, self._vault, f"{deed.stage}/noted/{now}", deed.step_id, earlier)

    def _attempts(self, story: Story, deed: Deed) -> int:
        for nth in range(MOST_ATTEMPTS, 1, -1):
            if story.has(f"{deed.stage}/intended/{nth}"):
                return nth
        return 1


def _result(story: Story, deed: Deed, outcome: Outcome, ours: dict[str, str], started: datetime) -> StepResult:
    return StepResult(
        id=deed.step_id,
        uses=deed.uses,
        state=outcome.state,
        output=outcome.output,
        why=outcome.why,
        ours=ours,
        started_at=started,
        finished_at=story.clock.now(),
    )


def _perform(deed: Deed, notes: Notes) -> tuple[Outcome, dict[str, str]]:
    """Do it, in a thread that may block, and read at once what it left.

    Only right after the deed is what stands there ours; after a crash it may be anybody's.
    """
    done = attempt(lambda: deed.perform(notes))
    if isinstance(done, Raised):
        # A plug that raises has told us nothing about the world.
        return Outcome(state=StepState.UNKNOWN, why=f"{deed.uses} raised {sentence(done)}"), {}
    if done.value.state is StepState.UNKNOWN:
        return done.value, {}
    read = attempt(deed.digests)
    return done.value, {} if isinstance(read, Raised) else read.value
