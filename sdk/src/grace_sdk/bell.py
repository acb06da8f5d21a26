"""Bell: wakes one thread, and may be rung from anywhere, also by a signal handler that interrupted a ringing.

`threading.Event` holds a lock while it is set: a signal handler that sets it once more would wait for itself.
"""

from __future__ import annotations

import threading

_FOR_EVER: float = -1


class Bell:
    """For one waiting thread; a ring that nobody waited for is heard by the next wait."""

    def __init__(self) -> None:
        self._silence = threading.Lock()
        self._silence.acquire()

    def ring(self) -> None:
        """End the wait; never blocks."""
        if self._silence.locked():
            try:
                self._silence.release()
            except RuntimeError:
                # Two threads rang at the same moment: it has rung.
                return

    def wait(self, timeout_s: float = _FOR_EVER) -> None:
        """Block until it rings, or until time is up."""
        self._silence.acquire(timeout=timeout_s)
