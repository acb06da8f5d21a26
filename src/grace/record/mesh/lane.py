"""What one of a subscriber's delivering threads is at."""

from __future__ import annotations

from dataclasses import dataclass

from grace.record.mesh.agenda import Item


@dataclass(slots=True, eq=False)
class Lane:
    """A thread that delivers one entry at a time."""

    item: Item | None = None
    deadline: float | None = None
    is_abandoned: bool = False
    is_reading: bool = False
