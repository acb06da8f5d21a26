"""Time as a port, so that every wait can be replayed."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

NOTABLE_S: Final = 1.0
"""A clock that is set by less is being kept well, which nobody need be told."""
_MOST_JUMPS: Final = 16
_TRIES: Final = 3
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NS_IN_S: Final = 1_000_000_000
_NOTABLE_NS: Final = int(NOTABLE_S * _NS_IN_S)
_SLICE_S = 0.05
_RFC3339_LENGTH = len("2026-01-01T00:00:00.000000Z")


class Clock(Protocol):
    """Tell the time and wait; `now` is aware UTC with microseconds, all durations are seconds."""

    def now(self) -> datetime: ...

    def monotonic(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...

    async def wait(self, seconds: float) -> None: ...


class SystemClock:
    """The clock of the machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(max(0.0, seconds))

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))


@dataclass(frozen=True, slots=True)
class Jump:
    """The machine's wall clock was set: by how much, below zero for back, and what GRACE's time was."""

    by_s: float
    at: datetime


class SteadyClock(SystemClock):
    """The wall clock, except that it never goes back; safe to share between threads.

    A clock that is set ahead is followed. One that is set back is not: time goes on from where it was, at the pace of
    the monotonic clock, until the wall clock is past it again. So whatever has expired stays expired.
    """

    def __init__(
        self, wall_ns: Callable[[], int] = time.time_ns, monotonic_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._wall_ns = wall_ns
        self._monotonic_ns = monotonic_ns
        self._lock = threading.Lock()
        self._jumps: deque[Jump] = deque(maxlen=_MOST_JUMPS)
        self._told = 0
        self._seen = 0
        lead = self._read()[0]
        self._lead_ns = lead
        """How far time is before the monotonic clock: it only grows."""
        self._wall_lead_ns = lead
        """How far the wall clock was when it was last known to be set."""

    def now(self) -> datetime:
        # The wall clock is read first: whoever is held up in between finds it late, never early.
        wall = self._wall_ns()
        monotonic = self._monotonic_ns()
        lead = wall - monotonic
        if lead > self._lead_ns or abs(lead - self._wall_lead_ns) > _NOTABLE_NS:
            self._look()
        return _EPOCH + timedelta(0, 0, (monotonic + self._lead_ns) // 1_000)

    def not_before(self, moment: datetime) -> None:
        """Go on from this moment at the earliest, such as the newest time on the record."""
        with self._lock:
            ahead = (moment - _EPOCH) // timedelta(microseconds=1) * 1_000 - self._monotonic_ns()
            self._lead_ns = max(self._lead_ns, ahead)

    @property
    def behind_s(self) -> float:
        """How far the machine's clock is behind GRACE's time; 0 where it is not by a notable time."""
        self.now()
        behind_s = (self._lead_ns - self._read()[0]) / _NS_IN_S
        return behind_s if behind_s > NOTABLE_S else 0.0

    @property
    def jumps(self) -> tuple[Jump, ...]:
        """The newest times at which the machine's clock was set since the start, oldest first."""
        self.now()
        with self._lock:
            return tuple(self._jumps)

    def untold_jumps(self) -> tuple[Jump, ...]:
        """Return each jump to the first who asks after it."""
        self.now()
        with self._lock:
            fresh, self._told = self._seen - self._told, self._seen
            return tuple(self._jumps)[-fresh:] if fresh else ()

    def _look(self) -> None:
        """Follow the wall clock ahead, and remember that it was set."""
        with self._lock:
            lead, monotonic = self._read()
            by_s = (lead - self._wall_lead_ns) / _NS_IN_S
            if abs(by_s) > NOTABLE_S:
                self._wall_lead_ns = lead
                at = _EPOCH + timedelta(0, 0, (monotonic + max(lead, self._lead_ns)) // 1_000)
                self._jumps.append(Jump(by_s, at))
                self._seen += 1
            self._lead_ns = max(self._lead_ns, lead)

    def _read(self) -> tuple[int, int]:
        """Return how far the wall clock is before the monotonic one, of the reading that was held up least."""
        readings = [(self._wall_ns(), self._monotonic_ns()) for _ in range(_TRIES)]
        return max((wall - monotonic, monotonic) for wall, monotonic in readings)


class VirtualClock:
    """A clock that moves only when someone sleeps, waits or advances it; safe to share between threads."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        if start.utcoffset() != timedelta(0):
            message = f"A clock starts at an aware UTC time, got {start!r}."
            raise ValueError(message)
        self._start = start
        self._elapsed_s = 0.0
        self._waits: list[float] = []
        self._lock = threading.Lock()

    @property
    def waits(self) -> tuple[float, ...]:
        """Every sleep and wait so far, in seconds, in the order in which they began."""
        with self._lock:
            return tuple(self._waits)

    @property
    def waited_s(self) -> float:
        return sum(self.waits)

    def now(self) -> datetime:
        with self._lock:
            return self._start + timedelta(seconds=self._elapsed_s)

    def monotonic(self) -> float:
        with self._lock:
            return self._elapsed_s

    def advance(self, seconds: float) -> None:
        """Move time forward without recording a wait."""
        with self._lock:
            self._elapsed_s += max(0.0, seconds)

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self._waits.append(seconds)
            self._elapsed_s += max(0.0, seconds)

    async def wait(self, seconds: float) -> None:
        self.sleep(seconds)
        await asyncio.sleep(0)


def sleep_unless(clock: Clock, seconds: float, stopped: Callable[[], bool]) -> bool:
    """Sleep in short slices until the time is over or `stopped` says so; return whether it did."""
    until = clock.monotonic() + seconds
    while not stopped() and (left := until - clock.monotonic()) > 0:
        clock.sleep(min(left, _SLICE_S))
    return stopped()


def to_rfc3339(moment: datetime) -> str:
    """Write an aware time as UTC with exactly six digits of fraction, so that text order is time order."""
    offset = moment.utcoffset()
    if offset is None:
        message = f"A time without a zone cannot be recorded: {moment!r}; use Clock.now()."
        raise ValueError(message)
    utc = moment if offset == timedelta(0) else moment.astimezone(UTC)
    return f"{utc.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def from_rfc3339(text: str) -> datetime:
    """Read what `to_rfc3339` wrote; anything else is a ValueError."""
    if len(text) != _RFC3339_LENGTH or not text.endswith("Z"):
        message = f"Not a UTC time with six digits of fraction and a Z: {text!r}."
        raise ValueError(message)
    return datetime.fromisoformat(text)
