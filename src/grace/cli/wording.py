"""Short words for long things: beginnings of ids, how long ago, how much."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import pairwise
from typing import Final

from grace.kit.clock import SystemClock

_SHORTEST: Final = 12
"""Letters of an id after its prefix: ten tell its millisecond."""
_UNITS: Final = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


def beginnings(ids: Iterable[str]) -> Callable[[str], str]:
    """Return how to shorten these ids so that each beginning is still that of one of them only."""
    known = sorted(set(ids))
    shared = max((_common(one, other) for one, other in pairwise(known)), default=0)

    def shorten(written: str) -> str:
        prefix, _, _ = written.partition("_")
        return written[: max(len(prefix) + 1 + _SHORTEST, shared + 1)]

    return shorten


def short(written: str) -> str:
    """Return the beginning of one id."""
    return beginnings((written,))(written)


def short_digest(digest: str) -> str:
    """Return enough of a digest to tell it from others."""
    algorithm, colon, value = digest.partition(":")
    return f"{algorithm}{colon}{value[:12]}" if colon else digest[:12]


def ago(moment: datetime, now: datetime) -> str:
    """Say how long ago something was, or how far ahead it is."""
    seconds = (now - moment).total_seconds()
    return f"{span(seconds)} ago" if seconds >= 0 else f"in {span(-seconds)}"


def span(seconds: float) -> str:
    """Say a duration in its largest unit."""
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return "0 s"


def counted(number: int, noun: str, many: str = "") -> str:
    """Write a number with its noun, and with `many` where an s does not make it several."""
    return f"{number} {noun if number == 1 else many or f'{noun}s'}"


def _common(one: str, other: str) -> int:
    length = 0
    for letter, same in zip(one, other, strict=False):
        if letter != same:
            break
        length += 1
    return length


def now() -> datetime:
    """Return the time of this machine."""
    return SystemClock().now()
