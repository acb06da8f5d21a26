"""The interpreter's own hooks: what nobody caught, in the process, its threads and its finalizers, and warnings."""

from __future__ import annotations

import sys
import threading
import warnings
from typing import TYPE_CHECKING, Final, TextIO

from grace_sdk.installation import installed
from grace_sdk.safety import attempt
from grace_sdk.severity import SEVERITIES, severity_of_kind
from grace_sdk.sighting import class_name, copy_text, type_name

if TYPE_CHECKING:
    from types import TracebackType

_PATIENCE_S: Final = 1.0
_LEAST_SEVERITY: Final = SEVERITIES.index("warning")
_MOST_PLACES: Final = 1_024


class ProcessHook:
    """Record the exception that ends the process."""

    def __init__(self) -> None:
        self._previous = sys.excepthook
        # Bound once: `self._uncaught` is a new object at each look, and `remove` compares.
        self._hook = self._uncaught
        sys.excepthook = self._hook

    def remove(self) -> None:
        if sys.excepthook is self._hook:
            sys.excepthook = self._previous

    def _uncaught(self, kind: type[BaseException], exc: BaseException, traceback: TracebackType | None) -> None:
        if not isinstance(exc, KeyboardInterrupt):
            attempt(record_uncaught, exc, "process")
            # What runs after this hook may be anyone's, and may be the last that runs at all.
            attempt(installed.secure, _PATIENCE_S)
        self._previous(kind, exc, traceback)


class ThreadHook:
    """Record the exception that ends a thread."""

    def __init__(self) -> None:
        self._previous = threading.excepthook
        self._hook = self._uncaught
        threading.excepthook = self._hook

    def remove(self) -> None:
        if threading.excepthook is self._hook:
            threading.excepthook = self._previous

    def _uncaught(self, arguments: threading.ExceptHookArgs) -> None:
        exc = arguments.exc_value
        if exc is not None and not isinstance(exc, SystemExit):
            attempt(record_uncaught, exc, "thread")
        self._previous(arguments)


class UnraisableHook:
    """Record what a finalizer, a callback or a signal handler raised and Python could only print."""

    def __init__(self) -> None:
        self._previous = sys.unraisablehook
        self._hook = self._unraisable
        sys.unraisablehook = self._hook

    def remove(self) -> None:
        if sys.unraisablehook is self._hook:
            sys.unraisablehook = self._previous

    def _unraisable(self, unraisable: sys.UnraisableHookArgs, /) -> None:
        exc = unraisable.exc_value
        if exc is not None:
            # Named by its type: Python warns that keeping the object itself may bring a dead one back to life.
            named = attempt(_name_of, unraisable.object)
            context = {"said": unraisable.err_msg, "object": named if isinstance(named, str) else ""}
            attempt(installed.recorder.record_once, exc, labels={"uncaught": "finalizer"}, context=context)
        self._previous(unraisable)


class WarningHook:
    """Record warnings that are shown, once for each place; what is only a change to come, as a deprecation, is not."""

    def __init__(self) -> None:
        self._previous = warnings.showwarning
        self._seen: set[tuple[str, str, int]] = set()
        self._hook = self._shown
        warnings.showwarning = self._hook

    def remove(self) -> None:
        if warnings.showwarning is self._hook:
            warnings.showwarning = self._previous

    def _shown(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        attempt(self._record, message, category, filename, lineno)
        self._previous(message, category, filename, lineno, file, line)

    def _record(self, message: Warning | str, category: type[Warning], filename: str, lineno: int) -> None:
        name, severity = class_name(category), severity_of_kind(category)
        place = (name, filename, lineno)
        if place in self._seen or SEVERITIES.index(severity) < _LEAST_SEVERITY:
            return
        if len(self._seen) < _MOST_PLACES:
            self._seen.add(place)
        text = copy_text(message)
        installed.recorder.record(
            "log",
            title=f"{name}: {text}",
            message=text,
            severity=severity,
            labels={"logger": "py.warnings", "warning": name},
            context={"file": filename, "line": lineno},
        )


def _name_of(value: object) -> str:
    """Name a function by its name, and anything else by its type."""
    name = getattr(value, "__qualname__", None)
    return name if type(name) is str else type_name(value)


def record_uncaught(exc: BaseException, where: str) -> None:
    installed.recorder.record_once(exc, severity="critical", labels={"uncaught": where})
