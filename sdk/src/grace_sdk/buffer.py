"""Buffer: the bounded hand-over from the application's threads to the background thread."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grace_sdk.sighting import Sighting


class Buffer:
    """Hold the newest sightings; adding never blocks, and when full the oldest one goes.

    No lock is taken by `add`: it may be called from a signal handler or a finalizer that interrupted another `add`.
    """

    def __init__(self, capacity: int) -> None:
        self._sightings: deque[Sighting] = deque(maxlen=capacity)
        self._asleep = threading.Lock()
        self._asleep.acquire()

    def add(self, sighting: Sighting) -> None:
        self._sightings.append(sighting)
        self.wake()

    def wake(self) -> None:
        """End the `wait` of the background thread."""
        if self._asleep.locked():
            try:
                self._asleep.release()
            except RuntimeError:
                # Two threads woke it at the same moment: it is awake.
                return

    def wait(self) -> None:
        """Block until something was added or `wake` was called since the last wait; for one thread only."""
        self._asleep.acquire()

    def take(self) -> Sighting | None:
        """Remove the oldest sighting, or return None when there is none."""
        try:
            return self._sightings.popleft()
        except IndexError:
            return None

    def __len__(self) -> int:
        return len(self._sightings)
