"""Beginning: start the SDK in a process, and again in each child that the process forks or spawns."""

from __future__ import annotations

import atexit
import os
from typing import Any, Final

from grace_sdk.assembly import Options, assemble
from grace_sdk.hooks import Hooks
from grace_sdk.hooks.children import Inheritance
from grace_sdk.installation import installed
from grace_sdk.safety import attempt

EXIT_PATIENCE_S: Final = 2.0
_FORK_PATIENCE_S: Final = 5.0
_ALL_STEPS: Final = "all"


def begin(options: Options) -> None:
    """Replace whatever runs by what the options say."""
    installed.close(0.0)
    installed.assembly = assemble(options)
    if installed.assembly is None:
        return
    installed.options = options
    installed.tells_operations = options.operations == _ALL_STEPS
    installed.hooks = Hooks(options.hooks, Inheritance(inherit, tuple(options)))
    _ends.watch()


def inherit(*told: Any) -> Inheritance:  # noqa: ANN401 - the fields of Options, as they were pickled
    """Begin in a child as the parent was told, and hand it on; runs while the child is unpickled, and never raises."""
    attempt(_begin_as_told, told)
    return Inheritance(inherit, told)


def _begin_as_told(told: tuple[Any, ...]) -> None:
    begin(Options(*told))


class _Ends:
    """What has to be done once a process, however often `init` is called."""

    def __init__(self) -> None:
        self._watched = False

    def watch(self) -> None:
        if not self._watched:
            self._watched = True
            atexit.register(installed.close, EXIT_PATIENCE_S)
            os.register_at_fork(before=_await_imports, after_in_child=_begin_after_fork)


def _await_imports() -> None:
    if installed.assembly is not None:
        attempt(installed.assembly.reporter.await_imports, _FORK_PATIENCE_S)


def _begin_after_fork() -> None:
    attempt(_begin_anew)


def _begin_anew() -> None:
    """Leave everything of the parent alone, its buffer and threads, locks and files, and make our own."""
    options, parents = installed.options, installed.assembly
    if options is None or parents is None:
        return
    installed.forget()
    attempt(parents.reporter.abandon)
    installed.assembly = assemble(options)


_ends: Final = _Ends()
