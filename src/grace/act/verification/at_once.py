"""Several reads of one meter in one go: what is asked for at once need not come and go between threads each time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from grace.act.verification import Meter
from grace.act.verification.measuring import Found, read_safely
from grace.model.reading import Known, Unknown

_NO_TIME_S: Final = 0.02
"""Reads that take longer than this together are not taken in one go: each has its own limit."""


@dataclass(frozen=True, slots=True)
class Taken:
    """One read: when it began, and what it found."""

    at_s: float
    found: Found


@dataclass(slots=True)
class AtOnce:
    """A meter that reads another one up to `most` times, as long as each answer `goes_on` and all take no time."""

    meter: Meter
    most: int
    goes_on: Callable[[Found], bool]
    now_s: Callable[[], float]
    taken: list[Taken] = field(default_factory=list[Taken])
    began_s: float = field(init=False)
    """When the newest read began."""
    _is_over: bool = False

    def __post_init__(self) -> None:
        self.began_s = self.now_s()

    @property
    def limit_s(self) -> float:
        return self.meter.limit_s

    def read(self) -> Known | Unknown:
        """Return what the last read found; all of them are in `taken`."""
        until_s = self.began_s + min(_NO_TIME_S, self.limit_s / 10)
        while True:
            began_s = self.began_s = self.now_s()
            found = read_safely(self.meter)
            if self._is_over:
                return found
            self.taken.append(Taken(began_s, found))
            if len(self.taken) >= self.most or not self.goes_on(found) or self.now_s() >= until_s:
                return found

    def end(self, found: Found) -> tuple[Taken, ...]:
        """Return every read, given what was told at the end: that no answer came in time is one of its own."""
        self._is_over = True
        taken = tuple(self.taken)
        if taken and taken[-1].found is found:
            return taken
        return (*taken, Taken(self.began_s, found))
