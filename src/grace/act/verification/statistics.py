"""The statistic of a benchmark: how much worse, and how surely so.

`worsening` is the smaller of two numbers, each positive when things got worse. Cliff's delta says how often a new value
is worse than an old one, whatever the distance: it stays small under noise, however wild the outliers. The relative
change says how far: it stays small when a tiny shift is certain. Only a change that is both frequent and large passes a
limit. The relative change is the larger of the medians' and the means': four requests in ten that fail leave the median
where it was, and the mean tells.
"""

from __future__ import annotations

import math
import statistics
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Better: TypeAlias = Literal["lower", "higher"]


@dataclass(frozen=True, slots=True)
class Worsening:
    """How two samples differ, towards worse."""

    amount: float
    """min(delta, change): above the limit means worse."""
    delta: float
    change: float
    median_before: float
    median_now: float


def median(values: Sequence[float]) -> float:
    """Return the middle value, or the mean of the two middle ones; raise ValueError for none."""
    if not values:
        message = "There is no median of no values."
        raise ValueError(message)
    return statistics.median(values)


def cliffs_delta(now: Sequence[float], before: Sequence[float]) -> float:
    """Return P(now > before) - P(now < before), from -1 to 1, in O(n log n); raise ValueError for an empty sample."""
    if not now or not before:
        message = "Cliff's delta needs two samples."
        raise ValueError(message)
    ordered = sorted(before)
    count = len(ordered)
    above_less_below = sum(bisect_left(ordered, value) + bisect_right(ordered, value) - count for value in now)
    return above_less_below / (len(now) * count)


def relative_change(now: float, before: float) -> float:
    """Return (now - before) / |before|; from zero, any rise is infinite."""
    if now == before:
        return 0.0
    if before == 0:
        return math.copysign(math.inf, now)
    return (now - before) / abs(before)


def worsening(now: Sequence[float], before: Sequence[float], better: Better = "lower") -> Worsening:
    """Hold a new sample against an old one; every number is positive towards worse."""
    sign = 1.0 if better == "lower" else -1.0
    medians = median(now), median(before)
    changes = (
        sign * relative_change(*medians),
        sign * relative_change(statistics.fmean(now), statistics.fmean(before)),
    )
    delta, change = sign * cliffs_delta(now, before), max(changes)
    return Worsening(min(delta, change), delta, change, median_before=medians[1], median_now=medians[0])
