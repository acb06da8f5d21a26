"""Threads that last as long as their process: one that falls over is told of, and begins again."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from grace.kit.attempt import Raised, attempt
from grace.kit.wording import in_words

FIRST_REST_S: Final = 0.1
LONGEST_REST_S: Final = 30.0
_STEADY_AFTER_S: Final = 60.0
"""A life that lasted so long was well: the rest after it is the first one again."""
_LOG: Final = logging.getLogger(__name__)


class LastingThread:
    """Do one piece of work in a thread until it returns; when it raises, do it again after a rest that grows.

    The work has to stand being begun again wherever it fell. Safe to share between threads.
    """

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        self.name = name
        self._work = work
        self._over = threading.Event()
        self._falls = 0
        self._why = ""
        self._is_resting = False
        self._was_started = False
        self._has_returned = False
        self._thread = threading.Thread(target=self._live, name=name, daemon=True)

    def start(self) -> None:
        self._was_started = True
        self._thread.start()

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def join(self) -> None:
        """Begin no further life, and wait for the end of this one, which somebody else has to bring about."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def down(self) -> str | None:
        """Why nobody does the work at the moment, in one sentence; None while somebody does, or it is over."""
        if self._over.is_set() or not self._was_started:
            return None
        if self._is_resting:
            return f"The thread {self.name} fell over and begins again shortly: {self._why}"
        if not self._thread.is_alive() and not self._has_returned:
            return f"The thread {self.name} has ended: {self._why or 'nobody saw why'}. Start GRACE again"
        return None

    @property
    def trouble(self) -> str | None:
        """What is or was wrong since the start, in one sentence; None where nothing was."""
        if self.down is not None or not self._falls:
            return self.down
        times = "once" if self._falls == 1 else f"{self._falls} times"
        return f"The thread {self.name} fell over {times} since the start and goes on, last: {self._why}"

    def _live(self) -> None:
        next_rest_s = FIRST_REST_S
        while not self._over.is_set():
            began_s = time.monotonic()
            outcome = attempt(self._work)
            if not isinstance(outcome, Raised):
                self._has_returned = True
                return
            rest_s = FIRST_REST_S if time.monotonic() - began_s > _STEADY_AFTER_S else next_rest_s
            next_rest_s = min(rest_s * 2, LONGEST_REST_S)
            self._fell(outcome.error, rest_s)

    def _fell(self, error: Exception, rest_s: float) -> None:
        self._why = f"{type(error).__name__}: {in_words(error)}"
        self._falls += 1
        self._is_resting = True
        _LOG.error("The thread %s fell over and begins again in %.1f s", self.name, rest_s, exc_info=error)
        self._over.wait(rest_s)
        self._is_resting = False
