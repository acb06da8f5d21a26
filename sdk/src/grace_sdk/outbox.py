"""Outbox: rendered signals on their way to the server, in the spool where there is one, else in memory; bounded."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from grace_sdk.spool import JournalFile, SessionReport, Spool

MOST_SIGNALS_SENT: Final = 500
LARGEST_SENT: Final = 512 * 1024
"""Bytes of signals in one request; the server takes 1 MiB and 1,000 signals."""


class Parcel(NamedTuple):
    """What one request will carry."""

    number: int
    signals: int
    size: int
    lines: list[bytes]
    """Empty when the signals are in a file."""
    file: JournalFile | None


class Outbox:
    """Parcels in the order in which they were packed; one thread puts, one thread takes, anyone may wait."""

    def __init__(self, spool: Spool | None, most_signals: int, most_bytes: int, most_spooled_bytes: int) -> None:
        """Bound what waits in memory by number and bytes, and what waits in the spool by bytes."""
        self.dropped = 0
        """Signals that had to go because too many waited."""
        self.spool_faults = 0
        self._spool = spool
        self._most_signals = most_signals
        self._most_bytes = most_bytes
        self._most_spooled_bytes = most_spooled_bytes
        self._parcels: deque[Parcel] = deque()
        self._reports: list[SessionReport] = []
        self._on_its_way: Parcel | None = None
        self._numbered = 0
        self._closed = False
        self._changed = threading.Condition()

    @property
    def waiting(self) -> int:
        with self._changed:
            return sum(parcel.signals for parcel in self._all())

    @property
    def is_durable(self) -> bool:
        """Tell whether everything that waits would survive the process."""
        with self._changed:
            return self._spool is not None and all(parcel.file for parcel in self._all())

    def put(self, lines: list[bytes]) -> None:
        with self._changed:
            for some in _portions(lines):
                self._pack(some)
            self._shrink()
            self._changed.notify_all()

    def take_over(self) -> None:
        """Queue what dead processes left in the spool, before everything else."""
        if self._spool is None:
            return
        legacy = self._spool.take_over()
        with self._changed:
            self._reports += legacy.reports
            parcels = [self._parcel(file.signals, file.size, [], file) for file in legacy.files]
            self._parcels.extendleft(reversed(parcels))
            self._shrink()
            self._changed.notify_all()

    @property
    def is_closed(self) -> bool:
        return self._closed

    def take(self, timeout_s: float) -> Parcel | None:
        """Block until a parcel waits and return it, or None when none came in time or the outbox is closed.

        Where only reports of dead processes wait, the parcel is an empty one.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._parcels or self._reports, timeout_s)
            if self._closed or not (self._parcels or self._reports):
                return None
            self._on_its_way = self._parcels.popleft() if self._parcels else self._parcel(0, 0, [], None)
            return self._on_its_way

    @property
    def reports(self) -> list[SessionReport]:
        """What the server is still to be told about dead processes."""
        with self._changed:
            return [*self._reports]

    def reported(self, reports: list[SessionReport]) -> None:
        with self._changed:
            self._reports = [report for report in self._reports if report not in reports]
        for report in reports:
            if self._spool is not None:
                self._spool.remove(report.path)

    def lines_of(self, parcel: Parcel) -> list[bytes]:
        return parcel.lines if parcel.file is None or self._spool is None else self._spool.read(parcel.file)

    def done(self, parcel: Parcel) -> None:
        """Forget a parcel: the server has it, or refused it for good."""
        with self._changed:
            self._on_its_way = None
            self._forget(parcel)
            self._changed.notify_all()

    def put_back(self, parcel: Parcel) -> None:
        """Keep a parcel that could not be delivered, first in the row."""
        with self._changed:
            self._on_its_way = None
            self._parcels.appendleft(parcel)
            self._shrink()
            self._changed.notify_all()

    def wait_until_gone(self, timeout_s: float, unless: Callable[[], bool]) -> bool:
        """Wait until everything that waits now is delivered; stop early when `unless` holds."""
        with self._changed:
            last = self._numbered
            self._changed.wait_for(lambda: unless() or not self._has_up_to(last), timeout_s)
            return not self._has_up_to(last)

    def close(self) -> None:
        """Let the taking thread go; what is in the spool stays for the next process."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def release_spool(self) -> None:
        if self._spool is not None:
            self._spool.close()

    def abandon_spool(self) -> None:
        if self._spool is not None:
            self._spool.abandon()

    def _all(self) -> Iterator[Parcel]:
        if self._on_its_way is not None:
            yield self._on_its_way
        yield from self._parcels

    def _has_up_to(self, number: int) -> bool:
        return any(parcel.number <= number for parcel in self._all())

    def _pack(self, lines: list[bytes]) -> None:
        size = _size(lines)
        last = self._parcels[-1] if self._parcels else None
        fits = last and last.signals + len(lines) <= MOST_SIGNALS_SENT and last.size + size <= LARGEST_SENT
        packed = self._extended(last, lines, size) if last and fits else None
        if packed is not None:
            self._parcels[-1] = packed
        else:
            self._parcels.append(self._parcel(len(lines), size, *self._stored(lines)))

    def _parcel(self, signals: int, size: int, lines: list[bytes], file: JournalFile | None) -> Parcel:
        self._numbered += 1
        return Parcel(self._numbered, signals, size, lines, file)

    def _stored(self, lines: list[bytes]) -> tuple[list[bytes], JournalFile | None]:
        if self._spool is None:
            return lines, None
        try:
            return [], self._spool.write(lines)
        except OSError:
            self.spool_faults += 1
            return lines, None

    def _extended(self, last: Parcel, lines: list[bytes], size: int) -> Parcel | None:
        signals = last.signals + len(lines)
        if self._spool is None:
            return last._replace(signals=signals, size=last.size + size, lines=last.lines + lines)
        if last.file is None:
            return None
        try:
            return last._replace(signals=signals, size=last.size + size, file=self._spool.extend(last.file, lines))
        except OSError:
            self.spool_faults += 1
            return None

    def _shrink(self) -> None:
        """Drop the oldest parcels of a kind of which there are too many."""
        in_memory = [parcel for parcel in self._parcels if parcel.file is None]
        signals, size = sum(parcel.signals for parcel in in_memory), sum(parcel.size for parcel in in_memory)
        for parcel in in_memory:
            if signals <= self._most_signals and size <= self._most_bytes:
                break
            signals, size = signals - parcel.signals, size - parcel.size
            self._drop(parcel)
        spooled = [parcel for parcel in self._parcels if parcel.file is not None]
        size = sum(parcel.size for parcel in spooled)
        for parcel in spooled:
            if size <= self._most_spooled_bytes:
                break
            size -= parcel.size
            self._drop(parcel)

    def _drop(self, parcel: Parcel) -> None:
        self.dropped += parcel.signals
        self._parcels.remove(parcel)
        self._forget(parcel)

    def _forget(self, parcel: Parcel) -> None:
        if parcel.file is not None and self._spool is not None:
            self._spool.remove(parcel.file.path)


def _portions(lines: list[bytes]) -> Iterator[list[bytes]]:
    portion: list[bytes] = []
    for line in lines:
        if portion and (len(portion) >= MOST_SIGNALS_SENT or _size(portion) + len(line) > LARGEST_SENT):
            yield portion
            portion = []
        portion.append(line)
    if portion:
        yield portion


def _size(lines: list[bytes]) -> int:
    return sum(map(len, lines)) + len(lines)
