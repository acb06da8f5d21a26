"""Acceptance: signals become durable rows of their incidents, or nothing happened."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple

import orjson

from grace.kit.attempt import Raised, Returned, attempt
from grace.kit.clock import to_rfc3339
from grace.model.signal import Severity, Signal, SignalKind
from grace.record import Journal, Transaction
from grace.record.store.tables import signals as signal_rows
from grace.sense.intake import Grouper, Kept, Receipt, SessionNews
from grace.sense.intake.gaps import add_up

MOST_WAITING: Final = 20_000
"""Signals that may wait for the disk; more are turned away at once."""
_MOST_AT_ONCE: Final = 4_000
_NO_FAULT: Final = frozenset({Severity.DEBUG, Severity.INFO})

_ROWS_AT_ONCE: Final = 50
# The ids go as one JSON array: a parameter for each would make another statement of each number of them.
_FIND: Final = "SELECT id, incident_id FROM signals WHERE service = ? AND id IN (SELECT value FROM json_each(?))"


class IntakeBusyError(RuntimeError):
    """Too many signals wait for the disk."""

    def __init__(self, waiting: int) -> None:
        self.waiting = waiting
        super().__init__(f"{waiting} signals wait for the disk; none of these was taken. Send them again in a second.")


class _Name(NamedTuple):
    """What makes a signal the same signal when it comes again."""

    service: str
    id: str


class _Arrival(NamedTuple):
    name: _Name
    signal: Signal
    fingerprint: str


@dataclass(frozen=True, slots=True)
class _Delivery:
    """What one caller handed in, and the promise to that caller."""

    arrivals: tuple[_Arrival, ...]
    news: Sequence[SessionNews] = ()
    future: Future[Receipt] = field(default_factory=Future[Receipt])

    @property
    def size(self) -> int:
        return len(self.arrivals)


class Intake:
    """Keep signals: rows, counters and ledger entries in one durable transaction; all who wait share the next one."""

    def __init__(self, journal: Journal, grouper: Grouper, most_waiting: int = MOST_WAITING) -> None:
        self._journal = journal
        self._grouper = grouper
        self._most_waiting = most_waiting
        self._lock = threading.Lock()
        self._waiting: deque[_Delivery] = deque()
        self._waiting_signals = 0
        self._is_called = False
        """Whether a unit is queued that will take what waits."""

    def accept(self, signals: Sequence[Signal], news: Sequence[SessionNews] = ()) -> Future[Receipt]:
        """Promise a receipt once every signal is durable; a signal that was kept before changes nothing.

        Raise IntakeBusyError when too many wait. The future fails with the writer's error, and then nothing was kept.
        """
        mark = self._grouper.fingerprint
        delivery = _Delivery(tuple(_Arrival(_Name(one.service, one.id), one, mark(one)) for one in signals), news)
        # A caller that goes away must not take the promise with it: the unit resolves it.
        delivery.future.set_running_or_notify_cancel()
        with self._lock:
            if self._waiting_signals + len(signals) > self._most_waiting:
                raise IntakeBusyError(self._waiting_signals)
            self._waiting.append(delivery)
            self._waiting_signals += len(signals)
            must_call, self._is_called = not self._is_called, True
        if must_call:
            self._call_writer()
        return delivery.future

    def _call_writer(self) -> None:
        """Queue one unit that keeps whatever waits when its turn comes."""
        taken: list[_Delivery] = []

        def unit(tx: Transaction) -> list[Receipt]:
            taken.extend(self._take(_MOST_AT_ONCE))
            return self._keep(tx, taken)

        match attempt(lambda: self._journal.submit(unit)):
            case Returned(submitted):
                submitted.add_done_callback(lambda done: self._resolve(done, taken))
            case Raised(error):
                _fail(self._take(), error)

    def _take(self, most: int | None = None) -> list[_Delivery]:
        """Take deliveries from the queue: all, or the first ones with `most` signals in all, but at least one."""
        taken: list[_Delivery] = []
        signals = 0
        with self._lock:
            self._is_called = False
            while self._waiting and (most is None or not taken or signals + self._waiting[0].size <= most):
                taken.append(self._waiting.popleft())
                signals += taken[-1].size
            self._waiting_signals -= signals
        return taken

    def _resolve(self, done: Future[list[Receipt]], taken: Sequence[_Delivery]) -> None:
        error = done.exception()
        if error is None:
            for delivery, receipt in zip(taken, done.result(), strict=True):
                delivery.future.set_result(receipt)
        else:
            # A unit that never ran has taken nothing; what waited for it waits no more.
            _fail(taken or self._take(), error)
        with self._lock:
            must_call = bool(self._waiting) and not self._is_called
            self._is_called = self._is_called or must_call
        if must_call:
            self._call_writer()

    def _keep(self, tx: Transaction, deliveries: Sequence[_Delivery]) -> list[Receipt]:
        arrivals = [arrival for delivery in deliveries for arrival in delivery.arrivals]
        incident_ids = _kept_before(tx, arrivals)
        fresh = _first_of_each(arrival for arrival in arrivals if arrival.name not in incident_ids)
        incident_ids.update(self._grouped(tx, fresh))
        if fresh:
            rows = [_row(one, incident_ids[one.name]) for one in fresh]
            _insert(tx.driver, rows)
        add_up(tx, (one.signal for one in fresh), (one for delivery in deliveries for one in delivery.news))
        new = {id(one) for one in fresh}
        return [
            _receipt(delivery, incident_ids, sum(id(one) in new for one in delivery.arrivals))
            for delivery in deliveries
        ]

    def _grouped(self, tx: Transaction, fresh: Sequence[_Arrival]) -> dict[_Name, str | None]:
        """Find the incident of each; a step of an operation that is no failure has none."""
        faults = [one for one in fresh if not _is_step(one.signal)]
        grouped = self._grouper.group(tx, [one.signal for one in faults], [one.fingerprint for one in faults])
        ids: dict[_Name, str | None] = dict.fromkeys(one.name for one in fresh) if len(faults) < len(fresh) else {}
        ids.update(zip((one.name for one in faults), grouped, strict=True))
        return ids


def _is_step(signal: Signal) -> bool:
    return signal.kind is SignalKind.OPERATION and signal.exception is None and signal.severity in _NO_FAULT


def _insert(driver: sqlite3.Connection, rows: Sequence[tuple[str | None, ...]]) -> None:
    """Insert rows with the driver alone: binding each value by its type would cost more than the insert."""
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        some = rows[start : start + _ROWS_AT_ONCE]
        driver.execute(_insert_of(len(some)), [value for row in some for value in row])


@lru_cache(maxsize=_ROWS_AT_ONCE)
def _insert_of(count: int) -> str:
    """Return one statement for so many rows.

    The driver lets other threads run at each statement, and waits for its turn afterwards: with a statement a row, the
    writer would wait for the thread that parses as often as it has rows.
    """
    row = f"({', '.join('?' for _ in signal_rows.c)})"
    return f"INSERT INTO signals ({', '.join(signal_rows.c.keys())}) VALUES {', '.join([row] * count)}"  # noqa: S608 - names of columns


def _kept_before(tx: Transaction, arrivals: Iterable[_Arrival]) -> dict[_Name, str | None]:
    """Find the incidents of the signals that are kept already."""
    ids: dict[str, list[str]] = {}
    for arrival in arrivals:
        ids.setdefault(arrival.name.service, []).append(arrival.name.id)
    driver = tx.driver
    return {
        _Name(service, signal_id): incident_id
        for service, some in ids.items()
        for signal_id, incident_id in driver.execute(_FIND, (service, json.dumps(some)))
    }


def _first_of_each(arrivals: Iterable[_Arrival]) -> list[_Arrival]:
    first: dict[_Name, _Arrival] = {}
    for arrival in arrivals:
        first.setdefault(arrival.name, arrival)
    return list(first.values())


def _row(arrival: _Arrival, incident_id: str | None) -> tuple[str | None, ...]:
    """Write a signal in the order of the table's columns."""
    signal = arrival.signal
    return (
        signal.service,
        signal.id,
        incident_id,
        signal.environment,
        _moment(signal.at),
        _moment(signal.received_at),
        signal.kind.value,
        signal.severity.value,
        arrival.fingerprint,
        signal.title,
        # What `model_dump_json` writes, in half the time.
        orjson.dumps(vars(signal), default=vars, option=orjson.OPT_UTC_Z).decode(),
    )


@lru_cache(maxsize=256)
def _moment(moment: datetime) -> str:
    # Whatever came in one body has one time of receipt.
    return to_rfc3339(moment)


def _receipt(delivery: _Delivery, incident_ids: dict[_Name, str | None], accepted: int) -> Receipt:
    kept = tuple(Kept(arrival.signal.id, incident_ids[arrival.name]) for arrival in delivery.arrivals)
    return Receipt(accepted=accepted, duplicates=delivery.size - accepted, signals=kept)


def _fail(deliveries: Iterable[_Delivery], error: BaseException) -> None:
    for delivery in deliveries:
        delivery.future.set_exception(error)
