"""`command.edit`: a program that changes only files which it names beforehand, and which are given back exactly.

What else it does nobody can give back: that is for an `undo` of the step, which then is compensable, and for the
person who agrees. GRACE keeps and compares the files that are named.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import BaseModel, Field, JsonValue

from grace.act.executors import Journal, launcher
from grace.act.executors.marks import mark_of
from grace.act.executors.preparing import FILE_KIND, CommandParameters, Ready, ways_of
from grace.act.executors.running import CommandRan, CommandRun
from grace.act.executors.workplace import own, refusal
from grace.kit.filesystem.changes import difference, recorded
from grace.kit.filesystem.entries import Tree
from grace.kit.filesystem.paths import NotExactError
from grace.kit.filesystem.scan import settled_scan
from grace.kit.filesystem.survey import Scope
from grace.kit.filesystem.ways import require_keepable
from grace.model.catalogue import ActionSpec
from grace.model.execution import Outcome, StepState
from grace.model.plan import Reversibility
from grace.model.quantities import AbsolutePath
from grace.model.target import Target
from grace.model.warrant import Refusal

_LONGEST_NOTE: Final = 16 * 1024


class EditParameters(CommandParameters):
    """What `command.edit` takes: as `command.run`, with at least one file that it writes."""

    writes: tuple[AbsolutePath, ...] = Field(
        min_length=1, max_length=16, description="Files that it writes: locked, kept before and given back."
    )


class CommandEdit(CommandRun):
    """Start one program and see it to its end; the files it names are its targets."""

    spec = ActionSpec(
        name="command.edit",
        summary="Run one program that changes only the files it names",
        parameters=EditParameters,
        outputs=CommandRan,
        reversibility=Reversibility.EXACT,
        provider="files",
        blast_radius="the named files; whatever else that program may do under GRACE's user is not given back",
        may_name_undo=True,
    )

    def targets(self, parameters: BaseModel) -> tuple[Target, ...] | Refusal:
        """Return the files that the call says it writes: these are locked, kept and given back."""
        told = super().targets(parameters)
        return told if isinstance(told, Refusal) else tuple(one for one in told if one.kind == FILE_KIND)

    def predict(self, parameters: BaseModel) -> Mapping[str, JsonValue] | Refusal:
        """Return which program would run on which state of its files; another state later makes the plan stale."""
        wanted = own(parameters, EditParameters)
        told = super().predict(parameters)
        if isinstance(told, Refusal):
            return told
        try:
            ways = ways_of(wanted)
            for way in ways:
                require_keepable(way, self._workplace.forbidden)
        except NotExactError as error:
            return refusal(error)
        return {**told, "on": mark_of([way.named for way in ways], self._workplace.forbidden)}

    def _judge(self, wanted: CommandParameters, ran: CommandRan, fault: str) -> Outcome:
        """Say how it went; one that was late and is ended with all it started has failed: what stands is its work."""
        judged = super()._judge(wanted, ran, fault)
        was_late = judged.state is StepState.UNKNOWN and ran.how == launcher.TIMED_OUT
        return judged.model_copy(update={"state": StepState.FAILED}) if was_late and not ran.left else judged

    def _before(self, ready: Ready) -> Mapping[str, Tree]:
        """Read each file, and each symlink to it; raise NotExactError for one that could not be given back."""
        for way in ready.ways:
            require_keepable(way, self._workplace.forbidden)
        return {str(place): settled_scan(place, self._scope) for way in ready.ways for place in way.places}

    def _change(self, before: Mapping[str, Tree], journal: Journal) -> Mapping[str, JsonValue]:
        """Return what it made of each file, read right after its end: what a later undo may take back."""
        try:
            texts = {path: recorded(difference(tree, self._now(path))) for path, tree in before.items()}
        except NotExactError:
            return {}
        notes = {path: _noted(text, journal) for path, text in texts.items()}
        return {"changeset": next(iter(notes.values()))} if len(notes) == 1 else {"changesets": {**notes}}

    def _now(self, path: str) -> Tree:
        return settled_scan(Path(path), self._scope)

    @property
    def _scope(self) -> Scope:
        return Scope(forbidden=self._workplace.forbidden)


def _noted(text: str, journal: Journal) -> str:
    """Return the record itself, or where it is kept."""
    return text if len(text) <= _LONGEST_NOTE else journal.keep(text.encode())
