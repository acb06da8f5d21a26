"""Time as a port, so that every wait can be replayed."""

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

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
