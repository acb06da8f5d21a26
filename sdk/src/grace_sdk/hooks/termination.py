"""SIGTERM: bring what was captured to safety, then let the signal do what it would have done."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING, Final

from grace_sdk.installation import installed
from grace_sdk.safety import attempt

if TYPE_CHECKING:
    from types import FrameType

_PATIENCE_S: Final = 2.0
"""Where the signal would end the process."""
_PATIENCE_WITH_A_HANDLER_S: Final = 0.5
"""Where the application wants to end it itself; its own end, `atexit`, delivers the rest."""


class TerminationHook:
    """Stand before the application's handler; leave alone a process that ignores the signal or handles it in C."""

    def __init__(self) -> None:
        self._hook = self._terminate
        self._previous = signal.getsignal(signal.SIGTERM)
        can_be_set = threading.current_thread() is threading.main_thread()
        self._is_set = can_be_set and (callable(self._previous) or self._previous is signal.SIG_DFL)
        if self._is_set:
            signal.signal(signal.SIGTERM, self._hook)

    def remove(self) -> None:
        in_main = threading.current_thread() is threading.main_thread()
        if self._is_set and in_main and signal.getsignal(signal.SIGTERM) is self._hook:
            signal.signal(signal.SIGTERM, self._previous)

    def _terminate(self, number: int, frame: FrameType | None) -> None:
        previous = self._previous
        if callable(previous):
            attempt(installed.secure, _PATIENCE_WITH_A_HANDLER_S)
            previous(number, frame)
            return
        attempt(installed.settle, _PATIENCE_S)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        # Still here: the first process of a container is not ended by a signal without a handler.
        signal.signal(number, self._hook)
