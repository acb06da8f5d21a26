"""Hooks for what nobody caught: the interpreter's and the threads' last word, then whoever hooked in before us."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

from grace_sdk.safety import attempt

if TYPE_CHECKING:
    from types import TracebackType

    from grace_sdk.recorder import Recorder


class ExceptHooks:
    """Record uncaught exceptions of the main thread and of all others; `remove` puts the previous hooks back."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._previous = sys.excepthook
        self._previous_of_threads = threading.excepthook
        # Bound once: `self._uncaught` is a new object at each look, and `remove` compares.
        self._hook = self._uncaught
        self._hook_of_threads = self._uncaught_in_thread
        sys.excepthook = self._hook
        threading.excepthook = self._hook_of_threads

    def remove(self) -> None:
        """Put the previous hooks back, but never over those of someone who came later."""
        if sys.excepthook is self._hook:
            sys.excepthook = self._previous
        if threading.excepthook is self._hook_of_threads:
            threading.excepthook = self._previous_of_threads

    def _uncaught(self, kind: type[BaseException], exc: BaseException, traceback: TracebackType | None) -> None:
        if not isinstance(exc, KeyboardInterrupt):
            attempt(self._recorder.record_once, exc, severity="critical", labels={"uncaught": "process"})
        self._previous(kind, exc, traceback)

    def _uncaught_in_thread(self, arguments: threading.ExceptHookArgs) -> None:
        exc = arguments.exc_value
        if exc is not None and not isinstance(exc, SystemExit):
            attempt(self._recorder.record_once, exc, severity="critical", labels={"uncaught": "thread"})
        self._previous_of_threads(arguments)
