"""Write an action in Python: a function that acts, the probe that tells whether it has, and what it may touch.

    @action(
        "cache.flush",
        summary="Empty the folder of a cache",
        reversibility=Exact(snapshot="files"),
        target=File("path"),
        blast_radius="one folder's entries",
    )
    def flush(path: AbsolutePath) -> None: ...

    @flush.already_done
    def is_empty(path: AbsolutePath) -> bool | Unknown: ...

An exact action is given the path of a copy: what it makes of the copy is shown before, done after the decision, and
given back object by object. Any other action is called once, on the world itself. Nothing calls it but the gate.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NoReturn, TypeAlias, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, JsonValue, PydanticSchemaGenerationError, create_model
from pydantic.errors import PydanticUserError

from grace.model.catalogue import ActionSpec
from grace.model.plan import Reversibility
from grace.model.quantities import AbsolutePath, Duration, Share
from grace.model.reading import Unknown

__all__ = [
    "AbsolutePath",
    "ActionInvalidError",
    "Compensable",
    "DeclaredAction",
    "Duration",
    "Exact",
    "Field",
    "File",
    "Irreversible",
    "RefusedError",
    "Share",
    "Thing",
    "Unknown",
    "action",
]

_NAME: Final = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)+")
_KIND: Final = re.compile(r"[a-z][a-z0-9_]*")

Deed: TypeAlias = Callable[..., None]
Probe: TypeAlias = Callable[..., "bool | Unknown"]
Prediction: TypeAlias = Callable[..., Mapping[str, JsonValue]]
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Exact:
    """A provider gives back what was written: `files`, to the last byte, owner and attribute."""

    snapshot: Literal["files"]


@dataclass(frozen=True, slots=True)
class Compensable:
    """Another call takes it back; each step names it under `undo:`."""


@dataclass(frozen=True, slots=True)
class Irreversible:
    """Nothing takes it back."""


Reversible: TypeAlias = Exact | Compensable | Irreversible


@dataclass(frozen=True, slots=True)
class File:
    """The parameter that names the file or folder; the real path is what is locked, allowed and quarantined."""

    parameter: str


@dataclass(frozen=True, slots=True)
class Thing:
    """A kind of thing that is no file, and the parameter that holds its one name."""

    kind: str
    parameter: str


class RefusedError(Exception):
    """Raised by an action that will not act, before it has changed anything: why, and what to do."""

    def __init__(self, why: str, way_out: str = "") -> None:
        self.why = why
        self.way_out = way_out
        super().__init__(why)


class ActionInvalidError(ValueError):
    """An action that cannot be used: what is wrong, where, and what to do."""

    def __init__(self, function: Callable[..., object], message: str, remedy: str) -> None:
        code = inspect.unwrap(function).__code__
        self.file = code.co_filename
        self.line = code.co_firstlineno
        self.message = message
        self.remedy = remedy
        super().__init__(f"{self.file}:{self.line}: {message} {remedy}")


class ActionParameters(BaseModel):
    """What an action takes: frozen, and nothing undeclared."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DeclaredAction:
    """An action as `@action` declares it. It is no function any more: the gate alone has it performed."""

    def __init__(self, function: Deed, spec: ActionSpec, target: File | Thing) -> None:
        self.function = function
        self.spec = spec
        self.target = target
        self._probe: Probe | None = None
        self._prediction: Prediction | None = None

    def __call__(self, *_args: object, **_given: object) -> NoReturn:
        """Refuse: there is no deed without a decision."""
        message = f"{self.spec.name} is performed by the gate alone; test its function as .function(...)"
        raise TypeError(message)

    def already_done(self, probe: F) -> F:
        """Take the function that tells from the world whether the action has taken effect; required."""
        _require_known(probe, self.spec)
        if self._probe is not None:
            raise ActionInvalidError(probe, f"{self.spec.name} has two already_done.", "Keep one.")
        self._probe = probe
        return probe

    def predicts(self, prediction: F) -> F:
        """Take the function that tells what would be written, for people to read; exact ones need none."""
        _require_known(prediction, self.spec)
        if self._prediction is not None:
            raise ActionInvalidError(prediction, f"{self.spec.name} has two predictions.", "Keep one.")
        self._prediction = prediction
        return prediction

    @property
    def prediction(self) -> Prediction | None:
        return self._prediction

    @property
    def probe(self) -> Probe:
        """Return what `already_done` was given; raise ActionInvalidError when it was given nothing."""
        if self._probe is None:
            remedy = f"Add @{self.function.__name__}.already_done; it returns bool or Unknown(why=...)."
            raise ActionInvalidError(self.function, f"{self.spec.name} has no already_done.", remedy)
        return self._probe


def action(
    name: str, *, summary: str, reversibility: Reversible, target: File | Thing, blast_radius: str
) -> Callable[[Deed], DeclaredAction]:
    """Declare a function as an action; raise ActionInvalidError with file and line for each mistake.

    Its parameters are those of the action, with bounds as annotations: `Annotated[int, Field(ge=1, le=100)]`.
    """

    def declare(function: Deed) -> DeclaredAction:
        _check_words(function, name, summary, blast_radius)
        parameters = _parameters(function, name)
        _check_target(function, name, reversibility, target, parameters)
        spec = ActionSpec(
            name=name,
            summary=summary,
            parameters=parameters,
            outputs=None,
            reversibility=_KIND_OF[type(reversibility)],
            provider=reversibility.snapshot if isinstance(reversibility, Exact) else None,
            blast_radius=blast_radius,
        )
        return DeclaredAction(function, spec, target)

    return declare


_KIND_OF: Final[Mapping[type[Reversible], Reversibility]] = {
    Exact: Reversibility.EXACT,
    Compensable: Reversibility.COMPENSABLE,
    Irreversible: Reversibility.IRREVERSIBLE,
}


def _check_words(function: Deed, name: str, summary: str, blast_radius: str) -> None:
    if not _NAME.fullmatch(name):
        raise ActionInvalidError(function, f"{name!r} is no name of an action.", "Write it like `cache.flush`.")
    if not summary.strip() or not blast_radius.strip():
        raise ActionInvalidError(function, f"{name} says not what it does or can touch.", "Fill both in one phrase.")
    if inspect.iscoroutinefunction(function):
        raise ActionInvalidError(function, f"{name} is asynchronous.", "Write `def`; it runs in a thread.")


def _parameters(function: Deed, name: str) -> type[BaseModel]:
    fields: dict[str, Any] = {}
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except (NameError, TypeError, AttributeError) as error:
        message = f"The annotations of {name} cannot be read: {error}."
        raise ActionInvalidError(function, message, "Import what they name at the top of the file.") from error
    for one in inspect.signature(function).parameters.values():
        if one.kind not in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY):
            raise ActionInvalidError(function, f"{name} takes {one}, which has no name.", "Name each parameter.")
        if one.name not in hints:
            remedy = f"Write `{one.name}: AbsolutePath` or the like, with its bounds."
            raise ActionInvalidError(function, f"The parameter {one.name!r} of {name} has no type.", remedy)
        fields[one.name] = (hints[one.name], ... if one.default is one.empty else one.default)
    if hints.get("return") not in (None, type(None)):
        raise ActionInvalidError(function, f"{name} returns something.", "An action with outputs is an executor's.")
    return _model(function, name, fields)


def _model(function: Deed, name: str, fields: dict[str, Any]) -> type[BaseModel]:
    title = "".join(part.capitalize() for part in re.split(r"[._]", name)) + "Parameters"
    try:
        model = cast("type[BaseModel]", create_model(title, __base__=ActionParameters, **fields))
        model.model_json_schema()
    except (PydanticSchemaGenerationError, PydanticUserError, NameError, TypeError) as error:
        message = f"The parameters of {name} cannot be declared: {str(error).partition(chr(10))[0]}."
        raise ActionInvalidError(function, message, "Use types that JSON knows.") from error
    return model


def _check_target(
    function: Deed, name: str, reversibility: Reversible, target: File | Thing, parameters: type[BaseModel]
) -> None:
    if target.parameter not in parameters.model_fields:
        known = ", ".join(parameters.model_fields) or "none"
        message = f"The target of {name} is the parameter {target.parameter!r}, which it does not have."
        raise ActionInvalidError(function, message, f"Its parameters: {known}.")
    if parameters.model_fields[target.parameter].annotation is not str:
        message = f"The target of {name}, {target.parameter!r}, is no text."
        raise ActionInvalidError(function, message, "Take a file as AbsolutePath, any other thing as str with bounds.")
    if isinstance(target, Thing) and not _KIND.fullmatch(target.kind):
        raise ActionInvalidError(function, f"{target.kind!r} is no kind of target.", "Write it like `queue`.")
    if not isinstance(reversibility, Exact):
        return
    if reversibility.snapshot != "files":
        message = f"{name} has the snapshot {reversibility.snapshot!r}; a copy can be made of files alone."
        raise ActionInvalidError(function, message, 'Write Exact(snapshot="files"), or an executor of your own.')
    if not isinstance(target, File):
        raise ActionInvalidError(function, f"{name} is exact, and its target is no file.", 'Write target=File("path").')


def _require_known(function: Callable[..., object], spec: ActionSpec) -> None:
    for one in inspect.signature(function).parameters:
        if one not in spec.parameters.model_fields:
            known = ", ".join(spec.parameters.model_fields) or "none"
            message = f"{function.__name__} takes {one!r}, which {spec.name} does not have."
            raise ActionInvalidError(function, message, f"Its parameters: {known}.")
