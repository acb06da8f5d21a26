"""Hooks into what the interpreter and the standard library do when something goes wrong, one class for each place.

A hook is installed by making it and taken out by `remove`. It records, then calls what was there before; `remove` puts
that back, but never over someone who came later.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, Protocol

from grace_sdk.hooks.children import ChildProcesses
from grace_sdk.hooks.interpreter import ProcessHook, ThreadHook, UnraisableHook, WarningHook
from grace_sdk.hooks.records import AsyncioHook, LoggingHook
from grace_sdk.hooks.termination import TerminationHook
from grace_sdk.safety import Fault, attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from grace_sdk.hooks.children import Inheritance


class Hook(Protocol):
    """A place that is watched."""

    def remove(self) -> None:
        """Put back what was there before."""
        ...


PLACES: Final[dict[str, Callable[[Inheritance], Hook]]] = {
    "process": lambda _: ProcessHook(),
    "threads": lambda _: ThreadHook(),
    "unraisable": lambda _: UnraisableHook(),
    "warnings": lambda _: WarningHook(),
    "logging": lambda _: LoggingHook(),
    "asyncio": lambda _: AsyncioHook(),
    "sigterm": lambda _: TerminationHook(),
    "children": ChildProcesses,
}
"""By the name that `init` takes."""

_log: Final = logging.getLogger("grace_sdk")


class Hooks:
    """The hooks that are in."""

    def __init__(self, names: Iterable[str] | None, inheritance: Inheritance) -> None:
        """Install hooks by name, all when None; a name that is none is logged."""
        wanted = list(PLACES if names is None else names)
        for name in wanted:
            if name not in PLACES:
                _log.error("There is no hook %r; there are %s.", name, ", ".join(PLACES))
        made = [attempt(PLACES[name], inheritance) for name in wanted if name in PLACES]
        self._hooks = [hook for hook in made if not isinstance(hook, Fault)]

    def remove(self) -> None:
        for hook in reversed(self._hooks):
            attempt(hook.remove)
