"""Buffer: the bounded hand-over from the application's threads to the background thread."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from grace_sdk.bell import Bell

if TYPE_CHECKING:
    from grace_sdk.sighting import Sighting


class Buffer:
    """Hold the newest sightings, bounded by number and by bytes; adding never blocks, and when full the oldest goes.

    No lock is taken by `add`: it may be called from a signal handler or a finalizer that interrupted another `add`.
    """

    def __init__(self, capacity: int, most_bytes: int) -> None:
        self.dropped = 0
        """Sightings that had to go because too many waited."""
        self._capacity = max(1, capacity)
        self._most_bytes = most_bytes
        self._bytes = 0
        self._sightings: deque[Sighting] = deque()
        self.bell = Bell()
        """Rings when something was added."""

    def add(self, sighting: Sighting) -> None:
        waiting = self._sightings
        waiting.append(sighting)
        self._bytes += sighting.weight
        while self._bytes > self._most_bytes or len(waiting) > self._capacity:
            if self.take() is None:
                break
            self.dropped += 1
        self.bell.ring()

    def take(self) -> Sighting | None:
        """Remove the oldest sighting, or return None when there is none."""
        try:
            sighting = self._sightings.popleft()
        except IndexError:
            # Threads that interrupted each other may have left a rest; where nothing waits, nothing weighs.
            self._bytes = 0
            return None
        self._bytes -= sighting.weight
        return sighting

    def __len__(self) -> int:
        return len(self._sightings)
