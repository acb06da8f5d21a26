"""Pace: so many runs of a service in any hour, and so many at once. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

HOUR = timedelta(hours=1)


def next_place_at(opened: Sequence[datetime], most: int, now: datetime) -> datetime | None:
    """Return when another run may be opened, None for now. What was opened comes in its order."""
    within = [at for at in opened if now - at < HOUR]
    return within[-most] + HOUR if len(within) >= most else None
