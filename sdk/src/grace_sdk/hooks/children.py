"""Children of `multiprocessing`: they report like their parent, under fork, spawn and forkserver alike.

A process's configuration is copied into the object of each of its children, so what lies there arrives in the child:
unpickled under spawn and forkserver, which starts the SDK there; under fork it is `beginning` that starts anew.
"""

from __future__ import annotations

import functools
from multiprocessing import process
from typing import TYPE_CHECKING, Any, Final

from grace_sdk.hooks.interpreter import record_uncaught
from grace_sdk.installation import installed
from grace_sdk.safety import attempt

if TYPE_CHECKING:
    from collections.abc import Callable

_KEY: Final = "grace_sdk"
_BOOTSTRAP: Final = "_bootstrap"
"""What every start method runs in the child, around its work."""
_PATIENCE_S: Final = 2.0


class Inheritance:
    """Starts the SDK where it is unpickled: in a child that did not inherit the memory of its parent."""

    def __init__(self, begin: Callable[..., Inheritance], told: tuple[object, ...]) -> None:
        self._begin = begin
        self._told = told

    def __reduce__(self) -> tuple[Callable[..., Inheritance], tuple[object, ...]]:
        return self._begin, self._told


class ChildProcesses:
    """Make children report, and record what ends them: `multiprocessing` itself only prints it."""

    def __init__(self, inheritance: Inheritance) -> None:
        _configuration()[_KEY] = inheritance
        self._previous = previous = vars(process.BaseProcess)[_BOOTSTRAP]

        def bootstrap(child: process.BaseProcess, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - passed on as it is
            attempt(_watch_work, child)
            return previous(child, *args, **kwargs)

        self._hook = bootstrap
        setattr(process.BaseProcess, _BOOTSTRAP, bootstrap)

    def remove(self) -> None:
        _configuration().pop(_KEY, None)
        if vars(process.BaseProcess)[_BOOTSTRAP] is self._hook:
            setattr(process.BaseProcess, _BOOTSTRAP, self._previous)


class _Work:
    """The work of a child: what ends it is recorded and delivered, for a child runs no `atexit`."""

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, exc: BaseException | None, traceback: object) -> None:
        if isinstance(exc, Exception):
            attempt(record_uncaught, exc, "child process")
        attempt(installed.close, _PATIENCE_S)


def _watch_work(child: process.BaseProcess) -> None:
    # In the child alone, where this object ends with the process.
    child.run = functools.partial(_watched, child.run)  # type: ignore[method-assign]


def _watched(run: Callable[[], None]) -> None:
    with _Work():
        run()


def _configuration() -> dict[str, Any]:
    return vars(process.current_process())["_config"]
