"""What executors are given when GRACE is put together, and what their parameters have in common.

An entry point of the group `grace.executors` names a function that takes a `Workplace` and returns an `Executor`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue

from grace.act.executors import Executor
from grace.kit.clock import Clock
from grace.kit.filesystem.paths import NotExactError, Rule, canonical_path
from grace.kit.procfs import Endpoint
from grace.kit.sqlite_child import SqliteChild
from grace.kit.text_diff import Redact
from grace.model.execution import Outcome, StepState
from grace.model.reading import Unknown
from grace.model.warrant import Refusal

P = TypeVar("P", bound=BaseModel)

_OF_NOW: Final = frozenset({Rule.CHANGING, Rule.IN_USE, Rule.MARKED})
"""What says nothing of the same place once a deed was done there."""


@dataclass(frozen=True, slots=True)
class Workplace:
    """The hands' surroundings. Everything that an executor may know beside its parameters."""

    host: str
    """How targets of this machine name it."""
    folder: Path
    """GRACE's own folder for handles that must survive a crash."""
    forbidden: tuple[Path, ...]
    """Real folders that no action may touch: GRACE's own state."""
    clock: Clock
    redact: Redact
    secret: Callable[[str], str | None]
    """Resolves a reference such as `env:TOKEN` or `file:/run/secrets/token`; None when it names nothing."""
    fetch: Callable[[str], bytes]
    """Reads what a journal kept: an address in the vault."""
    sqlite: SqliteChild
    """The writer child: target databases are opened in it alone."""
    processes: ProcessRules
    environment: Mapping[str, str]
    """Variables that commands may be given by name."""
    own_doors: Callable[[], frozenset[Endpoint]] = frozenset
    """Where GRACE itself listens now: no request is sent there."""
    under_way: Callable[[], Sequence[Mapping[str, JsonValue]]] | None = None
    """Reads the handles of all runs that are not settled; None where nobody knows them, and so nothing is cleared."""


@dataclass(frozen=True, slots=True)
class ProcessRules:
    """Which processes may be ended at all, whatever a plan says."""

    main_pids: Callable[[], frozenset[int]] = frozenset
    """Reads the main process of every declared service, now; these are never ended."""
    made_here: Callable[[], frozenset[int]] = frozenset
    """Reads the processes that GRACE started itself for a drill, now; these may be ended even as root."""
    allow_other_users: bool = False
    allow_as_root: bool = False


ExecutorFactory: TypeAlias = Callable[[Workplace], Executor]


class Parameters(BaseModel):
    """The parameters of an action: frozen, and nothing undeclared."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def own(parameters: BaseModel, kind: type[P]) -> P:
    """Return the parameters as this action's own kind; raise TypeError when a caller mixed actions up."""
    if not isinstance(parameters, kind):
        message = f"these are parameters of another action: {type(parameters).__name__}, not {kind.__name__}"
        raise TypeError(message)
    return parameters


def led(named: Iterable[str], *, follow: bool = True) -> Mapping[str, str | Unknown]:
    """Return where paths lead now, each as it is named."""
    return {path: _led(path, follow=follow) for path in named}


def _led(path: str, *, follow: bool) -> str | Unknown:
    try:
        return str(canonical_path(path, follow=follow))
    except NotExactError as error:
        return Unknown(why=error.why)


def refusal(error: NotExactError) -> Refusal:
    """Say no while planning."""
    return Refusal(rule=error.rule, why=error.why, next=error.way_out, is_of_now=error.rule in _OF_NOW)


def refused(error: NotExactError) -> Outcome:
    """Say no to a deed before anything was written."""
    return Outcome(state=StepState.REFUSED, why=f"{error.rule}: {error.why} {error.way_out}".strip())


def failed(why: str) -> Outcome:
    """Report a deed that did not take effect."""
    return Outcome(state=StepState.FAILED, why=why)


def unknown(why: str) -> Outcome:
    """Report a deed that may or may not have taken effect."""
    return Outcome(state=StepState.UNKNOWN, why=why)
