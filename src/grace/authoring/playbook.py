"""Write a playbook in Python: a pure function from an incident and what was found to a draft of a plan.

    from grace.authoring.playbook import Contract, Draft, Found, Incident, cause, look, playbook, probe, step

    @playbook(version="1.0.0", when=cause("disk_full"), find=[look("log", "file.size", path="/srv/app.log")])
    def empty_log(incident: Incident, find: Found) -> Draft: ...

The function names what it reads: `incident`, `find`, `service`, `inputs`, in any number and order. All of it is frozen.
The words mean what they mean in YAML (docs/writing-a-playbook.md); `for` and `is` carry an underscore here.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, NoReturn, TypeAlias, cast

__all__ = [
    "Cause",
    "Clause",
    "Contract",
    "Declared",
    "Draft",
    "Found",
    "Incident",
    "Input",
    "Look",
    "Measure",
    "NothingToDo",
    "Output",
    "Remedy",
    "Service",
    "Step",
    "Value",
    "Wait",
    "benchmark",
    "cause",
    "look",
    "metric",
    "output",
    "playbook",
    "probe",
    "step",
]

Remedy: TypeAlias = Literal["roll_back", "hold"]
Wait: TypeAlias = "str | float | None"
"""A time such as `500ms`, `3s`, `2m`; a number counts seconds."""
Value: TypeAlias = "bool | int | float | str | Output | Sequence[Value] | Mapping[str, Value] | None"
"""What a parameter may hold: what JSON knows, what was found, and the output of an earlier step."""
InputType: TypeAlias = Literal["text", "path", "integer", "number", "boolean", "duration", "share"]


@dataclass(frozen=True, slots=True)
class Incident:
    """What a playbook sees of an incident."""

    id: str
    title: str
    service: str
    environment: str
    fingerprint: str
    count: int
    occurrence: int
    labels: Found


@dataclass(frozen=True, slots=True)
class Service:
    """What a playbook sees of the service."""

    name: str
    environment: str
    owner: str
    labels: Found
    pid_file: str | None = None


class Found(Mapping[str, Any]):
    """An object that was found: its fields as attributes or items, all the way down frozen; lists are tuples.

    A field that is called like a method of a mapping (`items`, `get`) is reached as an item alone.
    """

    __slots__ = ("_fields",)

    def __init__(self, fields: Mapping[str, object]) -> None:
        object.__setattr__(self, "_fields", {name: frozen(value) for name, value in fields.items()})

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - what a probe finds has the type that its page says
        fields = cast("dict[str, Any]", self._fields)
        if name not in fields:
            message = f"there is no {name!r} here; there is {', '.join(sorted(fields)) or 'nothing'}"
            raise KeyError(message)
        return fields[name]

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as above
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(error.args[0]) from None

    def __setattr__(self, name: str, value: object) -> NoReturn:
        message = f"what was found is frozen; {name} cannot be set"
        raise AttributeError(message)

    def __delattr__(self, name: str) -> NoReturn:
        self.__setattr__(name, None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        return repr(dict(self))


def frozen(value: object) -> object:
    """Return a JSON value that nobody can change."""
    if isinstance(value, dict):
        return Found(cast("dict[str, object]", value))
    if isinstance(value, list):
        return tuple(map(frozen, cast("list[object]", value)))
    return value


@dataclass(frozen=True, slots=True)
class Cause:
    """What is healed: the cause as a diagnosis names it, and labels that the incident or service must carry."""

    name: str
    labels: Mapping[str, str]


def cause(name: str, /, **labels: str) -> Cause:
    """Name the cause that a playbook heals, and labels that must stand there with exactly these values."""
    return Cause(name, labels)


@dataclass(frozen=True, slots=True)
class Input:
    """A value that the playbook needs: a person's, else from where `source` points, else the default."""

    type: InputType
    source: str | None = None
    """A path such as `incident.labels.database`; what YAML calls `from`."""
    default: str | float | bool | None = None
    at_least: float | str | None = None
    at_most: float | str | None = None
    one_of: tuple[str | float, ...] = ()
    summary: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """A read-only look at the world while the plan is made."""

    id: str
    uses: str
    parameters: Mapping[str, Value]
    line: int = field(default=0, compare=False)


def look(id: str, uses: str, /, **parameters: Value) -> Look:  # noqa: A002 - the word of the format
    """Ask a probe; the answer is `find.ID`. Parameters may refer to earlier ones: `"${{ inputs.database }}"`."""
    return Look(id, uses, parameters, _line())


@dataclass(frozen=True, slots=True)
class Output:
    """What an earlier step of the draft will have given; filled in when the plan is executed."""

    step: str
    field: str


def output(step: str, field: str, /) -> Output:
    """Refer to an output of an earlier step. It stands alone, where text is expected."""
    return Output(step, field)


@dataclass(frozen=True, slots=True)
class Undo:
    """The call that takes a compensable step back."""

    uses: str
    parameters: Mapping[str, Value]
    after_restore: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One write."""

    id: str
    uses: str
    parameters: Mapping[str, Value]
    undo: Undo | None = None
    line: int = field(default=0, compare=False)

    def undone_by(self, uses: str, /, *, after_restore: bool = False, **parameters: Value) -> Step:
        """Return the step with the call that takes it back, before or after the snapshots are restored."""
        return replace(self, undo=Undo(uses, parameters, after_restore))


def step(id: str, uses: str, /, **parameters: Value) -> Step:  # noqa: A002 - the word of the format
    """Call an action."""
    return Step(id, uses, parameters, None, _line())


@dataclass(frozen=True, slots=True)
class Clause:
    """One expectation of the contract."""

    written: Mapping[str, Value]
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Measure:
    """What a clause reads; the comparison makes a clause of it."""

    source: Mapping[str, Value]
    line: int = field(default=0, compare=False)

    def is_(
        self, value: Value, *, within: Wait = None, for_: Wait = None, every: Wait = None, required: bool = True
    ) -> Clause:
        """Expect this value."""
        return self._clause("is", value, within, for_, every, required)

    def is_not(
        self, value: Value, *, within: Wait = None, for_: Wait = None, every: Wait = None, required: bool = True
    ) -> Clause:
        """Expect another value."""
        return self._clause("is_not", value, within, for_, every, required)

    def at_most(
        self, value: float | str, *, within: Wait = None, for_: Wait = None, every: Wait = None, required: bool = True
    ) -> Clause:
        """Expect a number up to this one."""
        return self._clause("at_most", value, within, for_, every, required)

    def at_least(
        self, value: float | str, *, within: Wait = None, for_: Wait = None, every: Wait = None, required: bool = True
    ) -> Clause:
        """Expect a number from this one."""
        return self._clause("at_least", value, within, for_, every, required)

    def worsens_at_most(self, share: float | str, *, required: bool = True) -> Clause:
        """Expect a benchmark that is worse than its baseline by no more than this share, such as `20%`."""
        return self._clause("worsens_at_most", share, None, None, None, required)

    def _clause(
        self,
        comparison: str,
        value: Value,
        within: Wait,
        for_: Wait,
        every: Wait,
        required: bool,  # noqa: FBT001
    ) -> Clause:
        times: dict[str, Value] = {"within": within, "for": for_, "every": every}
        written = {name: time for name, time in times.items() if time is not None}
        advisory: dict[str, Value] = {} if required else {"required": False}
        return Clause({**self.source, comparison: value, **written, **advisory}, self.line)


def probe(name: str, /, **parameters: Value) -> Measure:
    """Read a probe."""
    return Measure({"probe": name, "with": parameters} if parameters else {"probe": name}, _line())


def metric(name: str, /) -> Measure:
    """Read an indicator that the service declares, by its name alone: `metric("error_rate")`."""
    return Measure({"metric": f"service.{name}"}, _line())


def benchmark(name: str, /) -> Measure:
    """Run a benchmark that the service declares, by its name alone: `benchmark("smoke")`."""
    return Measure({"benchmark": f"service.{name}"}, _line())


@dataclass(frozen=True, slots=True)
class Contract:
    """What must hold before the first write, throughout, and after the last; at least one clause under `after`."""

    before: Sequence[Clause] = ()
    throughout: Sequence[Clause] = ()
    after: Sequence[Clause] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be done, in order, and what must be measured; linted, rendered and decided like a YAML playbook."""

    do: Sequence[Step]
    contract: Contract
    on_violated: Remedy
    on_inconclusive: Remedy


@dataclass(frozen=True, slots=True)
class NothingToDo:
    """What a playbook returns in place of a draft when this incident is not for it, and why."""

    why: str


Drafting: TypeAlias = Callable[..., "Draft | NothingToDo"]


@dataclass(frozen=True, slots=True)
class Declared:
    """A playbook as `@playbook` declares it; called like the function itself, as a test of its author does."""

    function: Drafting
    name: str
    version: str
    summary: str
    when: Cause
    priority: int
    inputs: Mapping[str, Input]
    find: Sequence[Look]

    def __call__(self, *args: Any, **kwargs: Any) -> Draft | NothingToDo:  # noqa: ANN401 - the function's own
        """Return what the function drafts."""
        return self.function(*args, **kwargs)


_ORDINARY_PRIORITY: Final = 100


def playbook(
    *,
    when: Cause,
    version: str = "1.0.0",
    name: str | None = None,
    summary: str | None = None,
    priority: int = _ORDINARY_PRIORITY,
    inputs: Mapping[str, Input] | None = None,
    find: Sequence[Look] = (),
) -> Callable[[Drafting], Declared]:
    """Declare a function as a playbook.

    Its name is the function's with dashes, its summary the first line of the docstring, unless they are given.
    """

    def declare(function: Drafting) -> Declared:
        said = (function.__doc__ or "").strip().partition("\n")[0].rstrip(".")
        return Declared(
            function=function,
            name=name or function.__name__.replace("_", "-"),
            version=version,
            summary=summary if summary is not None else said,
            when=when,
            priority=priority,
            inputs=inputs or {},
            find=find,
        )

    return declare


def _line() -> int:
    """Return the line of the playbook in which a builder is called, so that a flaw can point there."""
    here = inspect.currentframe()
    builder = None if here is None else here.f_back
    caller = None if builder is None else builder.f_back
    return 0 if caller is None else caller.f_lineno
