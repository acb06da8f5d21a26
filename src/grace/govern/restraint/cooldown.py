"""Cool-down: the same fault gets its next run only after a while, longer with each repeated one. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import pairwise

from grace.model.restraint import Restraint

JITTER = 0.2
"""So much of a cool-down is left to chance, so that what broke together is not tried together."""
_FORGOTTEN_AFTER = 2
"""A gap of so many of the longest cool-downs between two runs begins the count anew."""
_BYTES = 6


@dataclass(frozen=True, slots=True)
class Try:
    """One run on the fault, from its opening to its settlement."""

    run_id: str
    opened_at: datetime
    settled_at: datetime


def cools_until(tries: Iterable[Try], rule: Restraint) -> datetime | None:
    """Return when the next run may begin, None where none was before. Tries come in the order of their openings."""
    row = tuple(tries)
    if not row:
        return None
    gap = timedelta(seconds=_FORGOTTEN_AFTER * rule.longest_cool_down)
    repeats = 0
    for before, after in pairwise(row):
        repeats = 0 if after.opened_at - before.settled_at > gap else repeats + 1
    whole_s = min(rule.longest_cool_down, rule.cool_down * 2 ** min(repeats, 32))
    return row[-1].settled_at + timedelta(seconds=whole_s * (1 - JITTER * chance_of(row[-1].run_id)))


def chance_of(run_id: str) -> float:
    """Return a number from 0 up to 1 that the random part of an id decides: after a restart it is the same."""
    drawn = sha256(run_id.encode()).digest()[:_BYTES]
    return int.from_bytes(drawn, "big") / 256**_BYTES
