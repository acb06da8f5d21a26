"""Keep watch: a run that fell over while the server lives is picked up again, not left open until the next start."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from grace.kit.attempt import Raised, attempt
from grace.kit.lasting import LastingThread

BEAT_S = 10.0
_LOG = logging.getLogger(__name__)


class Watchkeeper:
    """Does its rounds on a beat, in a thread of its own; where nothing fell over or expired, nothing changes."""

    def __init__(self, rounds: Sequence[Callable[[], object]], beat_s: float = BEAT_S) -> None:
        self._rounds = tuple(rounds)
        self._beat_s = beat_s
        self._over = threading.Event()
        self.thread = LastingThread("grace-watchkeeper", self._keep)

    def start(self) -> None:
        """Begin."""
        self.thread.start()

    def close(self) -> None:
        """End, after the beat that is under way."""
        self._over.set()
        self.thread.join()

    def _keep(self) -> None:
        while not self._over.wait(self._beat_s):
            for look in self._rounds:
                tried = attempt(look)
                if isinstance(tried, Raised):
                    _LOG.error("A round of the watch failed: %s", tried.error)
