"""Actions written as Python functions (`grace.authoring.action`), made into what the gate performs.

An exact one acts on a copy; what it made of the copy is carried over after the decision, with the change on record
before the first object is touched. Any other acts on the world itself, once, after a note that it has begun.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from pydantic import BaseModel, JsonValue

from grace.act.executors import Action, Applied, Journal
from grace.act.executors.carrying import Carrying
from grace.act.executors.copying import changed, clear_copies, copied, steady_digest, unchanged
from grace.act.executors.workplace import Workplace, failed, led, own, refusal, refused, unknown
from grace.authoring.action import DeclaredAction, File, RefusedError
from grace.kit.attempt import Raised, attempt
from grace.kit.cuts import cut
from grace.kit.filesystem.changes import recorded
from grace.kit.filesystem.entries import Entry
from grace.kit.filesystem.fitness import require_outside
from grace.kit.filesystem.paths import NotExactError, Rule, canonical_path
from grace.kit.filesystem.scan import settled_scan
from grace.kit.filesystem.survey import Scope
from grace.model.catalogue import ActionSpec
from grace.model.execution import Outcome, StepState
from grace.model.plan import Reversibility
from grace.model.reading import Unknown
from grace.model.target import Target
from grace.model.warrant import Refusal

KIND: Final = "file"
LONGEST_NOTE: Final = 16 * 1024
MOST_TOLD: Final = 50
T = TypeVar("T")


class NotActedError(Exception):
    """The function raised on a copy: nothing was written, and why."""


class Authored:
    """What every action written as a function has in common."""

    def __init__(self, workplace: Workplace, declared: DeclaredAction) -> None:
        self._workplace = workplace
        self._declared = declared
        self._probe = declared.probe

    @property
    def spec(self) -> ActionSpec:
        return self._declared.spec

    def targets(self, parameters: BaseModel) -> tuple[Target, ...] | Refusal:
        """Return the one target: a real path, or a thing by its name."""
        target = self._declared.target
        named = str(getattr(own(parameters, self.spec.parameters), target.parameter))
        if not isinstance(target, File):
            return (Target(kind=target.kind, host=self._workplace.host, id=named),)
        try:
            return (Target(kind=KIND, host=self._workplace.host, id=str(self._root(parameters))),)
        except NotExactError as error:
            return refusal(error)

    def leads(self, parameters: BaseModel) -> Mapping[str, str | Unknown]:
        """Return where the path of the target leads now; nothing where the target is a thing by its name."""
        target = self._declared.target
        return led((str(getattr(parameters, target.parameter)),)) if isinstance(target, File) else {}

    def _root(self, parameters: BaseModel) -> Path:
        root = canonical_path(str(getattr(parameters, self._declared.target.parameter)), follow=True)
        require_outside(root, self._workplace.forbidden)
        return root

    def _is_done(self, parameters: BaseModel) -> bool | Unknown:
        """Ask the author's probe; what it raises, and what is neither bool nor Unknown, tells nothing."""
        asked = attempt(lambda: _called(self._probe, parameters))
        if isinstance(asked, Raised):
            return Unknown(why=f"already_done raised {_said(asked.error)}")
        told = cast("object", asked.value)
        if isinstance(told, bool | Unknown):
            return told
        return Unknown(why=f"already_done returned {told!r:.60}, which is neither bool nor Unknown")


class AuthoredExact(Authored):
    """Acts on a copy, and carries over what it made of it."""

    def __init__(self, workplace: Workplace, declared: DeclaredAction) -> None:
        super().__init__(workplace, declared)
        self._scope = Scope(forbidden=workplace.forbidden)

    def predict(self, parameters: BaseModel) -> Mapping[str, JsonValue] | Refusal:
        """Return what would be made of each object; tried out on a copy."""
        try:
            if self._is_done(parameters) is True:
                return {"path": str(self._root(parameters)), "is_done_already": True, "changes": {}, "count": 0}
            with self._rehearsed(parameters) as made:
                told = list(made.change.items())[:MOST_TOLD]
                changes: dict[str, JsonValue] = {path or ".": _told(entry) for path, entry in told}
                count = len(made.change)
                return {"path": str(made.root), "is_done_already": False, "changes": changes, "count": count}
        except NotExactError as error:
            return refusal(error)
        except RefusedError as error:
            return Refusal(rule=f"{self.spec.name}", why=error.why, next=error.way_out, is_of_now=True)
        except NotActedError as error:
            next_ = "Mend the action; nothing was written."
            return Refusal(rule=f"{self.spec.name}", why=str(error), next=next_, is_of_now=True)
        except OSError as error:
            return Refusal(rule=f"{self.spec.name}", why=f"no copy can be made: {error}", next="Free some space.")

    def apply(self, parameters: BaseModel, journal: Journal) -> Outcome:
        """Make of the original what the function makes of a copy; what is done already is left alone."""
        try:
            if self._is_done(parameters) is True:
                return Outcome(state=StepState.DONE)
            with self._rehearsed(parameters) as made:
                return self._carry(made, journal)
        except NotExactError as error:
            return refused(error)
        except (RefusedError, NotActedError) as error:
            return Outcome(state=StepState.REFUSED, why=str(error))
        except OSError as error:
            return failed(f"nothing was written: {error}")

    def probe(self, parameters: BaseModel, handle: Mapping[str, JsonValue] | None) -> Applied:
        """Compare what is there with what was noted; `yes` also needs the author's probe to agree."""
        if handle is None:
            return Applied.NO
        try:
            now = steady_digest(settled_scan(self._root(parameters), self._scope))
        except NotExactError:
            return Applied.UNKNOWN
        if now == handle.get("before"):
            return Applied.NO
        return Applied.YES if now == handle.get("after") and self._is_done(parameters) is True else Applied.UNKNOWN

    def _carry(self, made: Carrying, journal: Journal) -> Outcome:
        if not made.change:
            return Outcome(state=StepState.DONE)
        made.require_free()
        text = recorded(made.change)
        note = text if len(text) <= LONGEST_NOTE else journal.keep(text.encode())
        before, after = steady_digest(made.before), steady_digest(made.after)
        journal.note({"before": before, "after": after, "changeset": note})
        cut(f"executor.{self.spec.name}.noted")
        if not unchanged(made.root, made.before, self._scope):
            why = f"{made.root} was changed by somebody else while it was about to be written."
            raise NotExactError(Rule.CHANGING, why, "Plan again with what is there now.")
        try:
            made.perform()
        except NotExactError as error:
            return failed(f"stopped halfway: {error.why}")
        except OSError as error:
            return failed(f"stopped halfway: {error}")
        return Outcome(state=StepState.DONE)

    @contextmanager
    def _rehearsed(self, parameters: BaseModel) -> Generator[Carrying]:
        """Have the function act on a copy; raise NotActedError for what it raises."""
        root = self._root(parameters)
        before = settled_scan(root, self._scope)
        with copied(root, before, self._workplace.folder) as copy:
            self._act_on(copy, parameters)
            after = settled_scan(copy, Scope())
            yield Carrying(self.spec.name, root, before, after, copy, changed(before, after))

    def _act_on(self, copy: Path, parameters: BaseModel) -> None:
        instead = {self._declared.target.parameter: str(copy)}
        done = attempt(lambda: _called(self._declared.function, parameters, instead))
        if not isinstance(done, Raised):
            return
        if isinstance(done.error, RefusedError):
            raise done.error
        message = f"{self.spec.name} raised {_said(done.error)} on a copy; nothing was written"
        raise NotActedError(message) from done.error


class AuthoredDirect(Authored):
    """Acts on the world itself."""

    def predict(self, parameters: BaseModel) -> Mapping[str, JsonValue] | Refusal:
        """Return what the author's prediction says, else that it would be called."""
        predicts = self._declared.prediction
        if predicts is None:
            return {"calls": self.spec.name}
        told = attempt(lambda: dict(_called(predicts, parameters)))
        if not isinstance(told, Raised):
            return told.value
        if isinstance(told.error, RefusedError):
            return Refusal(rule=self.spec.name, why=told.error.why, next=told.error.way_out, is_of_now=True)
        why = f"its prediction raised {_said(told.error)}"
        return Refusal(rule=self.spec.name, why=why, next="Mend the action.", is_of_now=True)

    def apply(self, parameters: BaseModel, journal: Journal) -> Outcome:
        """Call the function; what it raises leaves open what happened."""
        if self._is_done(parameters) is True:
            return Outcome(state=StepState.DONE)
        journal.note({"begun": True})
        cut(f"executor.{self.spec.name}.before")
        done = attempt(lambda: _called(self._declared.function, parameters))
        cut(f"executor.{self.spec.name}.after")
        if not isinstance(done, Raised):
            return Outcome(state=StepState.DONE)
        if isinstance(done.error, RefusedError):
            return Outcome(state=StepState.REFUSED, why=f"{done.error.why} {done.error.way_out}".strip())
        return unknown(f"{self.spec.name} raised {_said(done.error)}")

    def probe(self, parameters: BaseModel, handle: Mapping[str, JsonValue] | None) -> Applied:
        """Return what the author's probe says of a call that had begun."""
        if handle is None:
            return Applied.NO
        match self._is_done(parameters):
            case True:
                return Applied.YES
            case False:
                return Applied.NO
            case Unknown():
                return Applied.UNKNOWN


@dataclass(frozen=True, slots=True)
class AuthoredExecutor:
    """The actions of some authors, by name."""

    actions: Mapping[str, Action]


def authored(workplace: Workplace, declared: Iterable[DeclaredAction]) -> AuthoredExecutor:
    """Make executors' actions of functions; copies that a killed process left behind go."""
    clear_copies(workplace.folder)
    return AuthoredExecutor({one.spec.name: _made(workplace, one) for one in declared})


def _made(workplace: Workplace, declared: DeclaredAction) -> Action:
    if declared.spec.reversibility is Reversibility.EXACT:
        return AuthoredExact(workplace, declared)
    return AuthoredDirect(workplace, declared)


def _called(function: Callable[..., T], parameters: BaseModel, instead: Mapping[str, str] | None = None) -> T:
    """Call a function with those parameters that it names."""
    code: Any = function.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    values = {name: getattr(parameters, name) for name in names}
    return function(**{**values, **{name: value for name, value in (instead or {}).items() if name in values}})


def _said(error: Exception) -> str:
    """Say what was raised, and at which line of the author's file."""
    trace, line = error.__traceback__, ""
    while trace is not None:
        line = f" ({os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno})"  # noqa: PTH119 - a name
        trace = trace.tb_next
    return f"{type(error).__name__}: {error}{line}"


def _told(entry: Entry | None) -> JsonValue:
    if entry is None:
        return None
    return {"kind": entry.kind.value, "mode": f"{entry.mode:04o}", "bytes": entry.size, "sha256": entry.sha256}
