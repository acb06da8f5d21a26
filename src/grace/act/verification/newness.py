"""Which readings say something new. Pure: readings in, readings out.

A source that gives its values times of its own (`Known.as_of`) may tell one value again and again. Of such a source
counts only what it measured after the execution, and each measurement once. In between is silence: short of patience
nothing is there to be judged, and beyond it the value is missing. Readings without a time of their own always count.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Final

from grace.model.contract import Clause, Phase
from grace.model.reading import Known, Reading, Unknown

LONGEST_GAP_BEATS: Final = 1.9
"""Just under two beats, so that one lost sample always shows."""
TICK_S: Final = 0.001
"""Times closer than this are one time."""
SINCE_EXECUTION: Final = "the execution"
SINCE_RESTART: Final = "the restart of the window"
"""A crash ended the window; what counts began anew when GRACE was back."""
LEAST_PATIENCE_S: Final = 1.0
"""How long a source may say nothing new, where the clause's beat does not grant more."""


def news_for(
    clause: Clause, readings: Iterable[Reading], ended_at: datetime, since: str = SINCE_EXECUTION
) -> tuple[Reading, ...]:
    """Return what a clause may be judged by, in order; a value that stayed away for too long is unknown, and why."""
    earliest = ended_at if clause.phase is Phase.AFTER else None
    return tuple(_new(_in_order(readings), earliest, since, patience_of(clause)))


def new_measurements(readings: Iterable[Reading], ended_at: datetime | None = None) -> tuple[Reading, ...]:
    """Return as many readings, each as a measurement of its own; what was measured before is unknown, and why."""
    return tuple(_new(readings, ended_at, SINCE_EXECUTION, timedelta(0)))


def patience_of(clause: Clause) -> timedelta:
    """Return how long a source may repeat itself before its value counts as missing."""
    return timedelta(seconds=max(clause.every_s * LONGEST_GAP_BEATS, LEAST_PATIENCE_S))


def measured_at(reading: Reading) -> datetime:
    """Return when the value was true: the source's own time where it says one, else that of the read."""
    own = own_time(reading)
    return reading.at if own is None else min(own, reading.at)


def own_time(reading: Reading) -> datetime | None:
    """Return the time that the source gives its value."""
    return reading.found.as_of if isinstance(reading.found, Known) else None


def repeats_itself(readings: Sequence[Reading]) -> bool:
    """Tell whether the last reading is the measurement of the one before it."""
    own = [own_time(reading) for reading in readings[-2:]]
    return len(own) > 1 and own[0] is not None and own[0] == own[1]


def slowness(clause: Clause, readings: Sequence[Reading]) -> str:
    """Say how rarely the source has something new, where it was read in vain; empty where it never was."""
    own = [time for time in map(own_time, _in_order(readings)) if time is not None]
    distinct = sorted(set(own))
    if len(own) == len(distinct):
        return ""
    vain = f"{len(own) - len(distinct)} of {len(readings)} reads found no newer value"
    if len(distinct) == 1:
        return f"{vain} than that of {_time(distinct[0], own[-1])}"
    pace_s = median((later - earlier).total_seconds() for earlier, later in pairwise(distinct))
    return f"{vain}: the source has one every {pace_s:.2g} s, and the clause wants one every {clause.every_s:g} s"


def _in_order(readings: Iterable[Reading]) -> Sequence[Reading]:
    return sorted(readings, key=lambda reading: reading.at)


def _new(readings: Iterable[Reading], earliest: datetime | None, since: str, patience: timedelta) -> Iterator[Reading]:
    newest: datetime | None = None
    silent_from: datetime | None = earliest
    for reading in readings:
        own = own_time(reading)
        if own is None:
            yield reading
            continue
        is_early = earliest is not None and own < earliest - timedelta(seconds=TICK_S)
        if not is_early and (newest is None or own > newest):
            newest, silent_from = own, reading.at
            yield reading
        elif silent_from is None or patience <= timedelta(0) or reading.at - silent_from > patience:
            yield Reading(at=reading.at, found=Unknown(why=_why(own, reading.at, since, is_early=is_early)))


def _why(own: datetime, at: datetime, since: str, *, is_early: bool) -> str:
    if not is_early:
        return f"there is no newer value than that of {_time(own, at)}"
    before = "before the execution ended" if since == SINCE_EXECUTION else f"before {since}"
    return f"the newest value is from {_time(own, at)}, {before}"


def _time(moment: datetime, beside: datetime) -> str:
    """Write a time of day, with its day where that is another one."""
    own, near = moment.astimezone(UTC), beside.astimezone(UTC)
    return f"{own:%H:%M:%S} UTC" if own.date() == near.date() else f"{own:%Y-%m-%d %H:%M:%S} UTC"
