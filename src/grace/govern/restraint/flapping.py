"""Flapping: an incident that closes and comes back again and again, until it stays away for a while. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from grace.model.restraint import Restraint


@dataclass(frozen=True, slots=True)
class Flapping:
    """Since when an incident flaps, and how often it has come back since it was last steady."""

    since: datetime
    last: datetime
    reopenings: int


def flapping(reopenings: Iterable[datetime], rule: Restraint, now: datetime) -> Flapping | None:
    """Return how an incident flaps at a moment, None where it does not; reopenings come in their order."""
    window, quiet = timedelta(seconds=rule.flap_window), timedelta(seconds=rule.flap_quiet)
    recent, standing = tuple[datetime, ...](), None
    for at in reopenings:
        if standing is not None and at - standing.last > quiet:
            recent, standing = (), None
        recent = (*(one for one in recent if at - one <= window), at)
        if standing is not None:
            standing = Flapping(standing.since, at, standing.reopenings + 1)
        elif len(recent) > rule.flaps:
            standing = Flapping(at, at, len(recent))
    return None if standing is None or now - standing.last > quiet else standing
