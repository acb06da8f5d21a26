"""The one writer: many units, one durable commit.

Units queue up while the disk is busy with the group before them; the next group takes all that wait, so the cost of a
full sync is shared by whoever came meanwhile and nobody waits for company.
"""

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from grace.kit.attempt import Raised, Returned, attempt
from grace.kit.cuts import cut
from grace.model.ledger_entry import Draft, LedgerEntry
from grace.record.store import KeyStandsError, Log, Page
from grace.record.store.engine import driver_connection

T = TypeVar("T")
P = TypeVar("P")

MOST_WAITING: Final = 10_000
LARGEST_GROUP: Final = 1_024


class WriterClosedError(RuntimeError):
    """The writer takes nothing more."""


class WriterBusyError(RuntimeError):
    """Too many units wait: the disk is slower than what comes in."""

    def __init__(self, waiting: int) -> None:
        self.waiting = waiting
        super().__init__(f"{waiting} writes wait for the disk; nothing was taken. Try again in a second.")


class WriteFailedError(RuntimeError):
    """The database refused a group; nothing of it was written."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"Nothing was written: {reason}. Make room or repair the disk, then try again.")


class UnitMisbehavedError(RuntimeError):
    """A unit ended the writer's transaction itself, or used it after its end."""


class UnitTransaction(Generic[P]):
    """What a unit may do; valid only while it runs."""

    def __init__(self, connection: Connection, log: Log[P], page: Page[P]) -> None:
        self._connection: Connection | None = connection
        self._log = log
        self._page = page

    @property
    def connection(self) -> Connection:
        if self._connection is None:
            message = "A unit's transaction ends with the unit; submit another unit."
            raise UnitMisbehavedError(message)
        return self._connection

    def append(self, draft: Draft) -> LedgerEntry:
        self._require_open()
        return self._page.append(self._log.prepare(draft))

    def find(self, key: str) -> LedgerEntry | None:
        self._require_open()
        return self._page.find(key)

    def end(self) -> None:
        self._connection = None

    def _require_open(self) -> None:
        _ = self.connection


@dataclass(frozen=True, slots=True)
class _Unit(Generic[P]):
    """Somebody's function, to be called inside the transaction."""

    future: "Future[Any]"
    deed: Callable[[UnitTransaction[P]], Any]
    alone: bool


@dataclass(frozen=True, slots=True)
class _Append(Generic[P]):
    """Drafts to be appended and nothing else: a group of these may simply be written again."""

    future: "Future[Any]"
    prepared: tuple[P, ...]
    single: bool
    may_fail: bool


_Job = _Unit[P] | _Append[P]
_Outcome = Returned[Any] | Raised


class Writer(Generic[P]):
    """Run units in one thread and hand out results after a commit with full sync."""

    def __init__(self, engine: Engine, log: Log[P], most_waiting: int = MOST_WAITING) -> None:
        self._engine = engine
        self._log = log
        self._most_waiting = most_waiting
        self._waiting: deque[_Job[P]] = deque()
        self._changed = threading.Condition(threading.Lock())
        self._idle = False
        self._closing = False
        self._listeners: list[Callable[[int], None]] = []
        self._thread = threading.Thread(target=self._serve, name="grace-writer", daemon=True)
        self._thread.start()

    def submit(self, unit: Callable[[UnitTransaction[P]], T]) -> "Future[T]":
        """Queue a unit; raise WriterBusyError or WriterClosedError when it cannot be taken."""
        return self._submit(unit, alone=False)

    def run(self, unit: Callable[[UnitTransaction[P]], T]) -> T:
        return self.submit(unit).result()

    def run_alone(self, unit: Callable[[UnitTransaction[P]], T]) -> T:
        """Run a unit in a group of its own: it sees every entry before it in the tables."""
        return self._submit(unit, alone=True).result()

    def submit_append(self, draft: Draft) -> "Future[LedgerEntry]":
        future: Future[LedgerEntry] = Future()
        self._enqueue(_Append(future, (self._log.prepare(draft),), single=True, may_fail=self._log.projects(draft)))
        return future

    def append(self, draft: Draft) -> LedgerEntry:
        return self.submit_append(draft).result()

    def submit_append_all(self, drafts: Collection[Draft]) -> "Future[tuple[LedgerEntry, ...]]":
        future: Future[tuple[LedgerEntry, ...]] = Future()
        prepared = tuple(self._log.prepare(draft) for draft in drafts)
        may_fail = any(self._log.projects(draft) for draft in drafts)
        self._enqueue(_Append(future, prepared, single=False, may_fail=may_fail))
        return future

    def append_all(self, drafts: Collection[Draft]) -> tuple[LedgerEntry, ...]:
        return self.submit_append_all(drafts).result()

    def on_commit(self, listener: Callable[[int], None]) -> None:
        """Tell `listener` the highest committed index after each commit, in the writer's thread: it must not wait."""
        self._listeners.append(listener)

    def close(self) -> None:
        """Take nothing more, write what waits, and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _submit(self, unit: Callable[[UnitTransaction[P]], T], *, alone: bool) -> "Future[T]":
        future: Future[T] = Future()
        self._enqueue(_Unit(future, unit, alone))
        return future

    def _enqueue(self, job: _Job[P]) -> None:
        with self._changed:
            if self._closing:
                message = "The record is closed; nothing was written. Start GRACE again."
                raise WriterClosedError(message)
            if len(self._waiting) >= self._most_waiting:
                raise WriterBusyError(len(self._waiting))
            self._waiting.append(job)
            if self._idle:
                self._changed.notify()

    def _serve(self) -> None:
        try:
            with self._engine.connect() as connection:
                while jobs := self._take():
                    self._settle(connection, jobs)
        finally:
            self._abandon()

    def _take(self) -> list[_Job[P]]:
        """Wait for work and take all of it, up to a group; nothing means that the writer closes."""
        with self._changed:
            self._idle = True
            while not self._waiting and not self._closing:
                self._changed.wait()
            self._idle = False
            return self._next_group()

    def _next_group(self) -> list[_Job[P]]:
        group: list[_Job[P]] = []
        while self._waiting and len(group) < LARGEST_GROUP:
            alone = isinstance(self._waiting[0], _Unit) and self._waiting[0].alone
            if alone and group:
                break
            group.append(self._waiting.popleft())
            if alone:
                break
        return group

    def _settle(self, connection: Connection, jobs: list[_Job[P]]) -> None:
        running = [job for job in jobs if job.future.set_running_or_notify_cancel()]
        match attempt(lambda: self._commit(connection, running)):
            case Returned((outcomes, highest)):
                for job, outcome in zip(running, outcomes, strict=True):
                    _resolve(job.future, outcome)
                for listener in self._listeners:
                    listener(highest)
            case Raised(error):
                for job in running:
                    job.future.set_exception(error)

    def _commit(self, connection: Connection, jobs: Sequence[_Job[P]]) -> tuple[list[_Outcome], int]:
        # Only where nothing but the log is written may a standing key be noticed as late as in its insert.
        if all(isinstance(job, _Append) and not job.may_fail for job in jobs):
            try:
                return self._write(connection, jobs, fresh_keys=True)
            except KeyStandsError:
                pass  # Some key stands already: the same group again, each key looked up.
        return self._write(connection, jobs, fresh_keys=False)

    def _write(
        self, connection: Connection, jobs: Sequence[_Job[P]], *, fresh_keys: bool
    ) -> tuple[list[_Outcome], int]:
        driver = driver_connection(connection)
        try:
            with connection.begin() as transaction:
                page = self._log.page(connection, driver, fresh_keys=fresh_keys)
                unit_transaction = _GroupRunner(connection, driver, self._log, page, alone=len(jobs) == 1)
                outcomes = [unit_transaction.run(job) for job in jobs]
                if all(isinstance(outcome, Raised) for outcome in outcomes):
                    transaction.rollback()
                    return outcomes, -1
                page.write()
                cut("store.commit.before")
            cut("store.commit.after")
        except (sqlite3.Error, DBAPIError) as error:
            raise WriteFailedError(str(error)) from error
        return outcomes, self._log.committed()

    def _abandon(self) -> None:
        """Refuse whatever still waits when the thread ends, so that nobody waits for ever."""
        with self._changed:
            self._closing = True
            left, self._waiting = list(self._waiting), deque()
        for job in left:
            if job.future.set_running_or_notify_cancel():
                job.future.set_exception(WriterClosedError("The record closed before this was written."))


class _GroupRunner(Generic[P]):
    """Run the jobs of one group, so that one that fails takes nothing of the others with it."""

    def __init__(
        self, connection: Connection, driver: sqlite3.Connection, log: Log[P], page: Page[P], *, alone: bool
    ) -> None:
        self._connection = connection
        self._driver = driver
        self._log = log
        self._page = page
        self._alone = alone

    def run(self, job: _Job[P]) -> _Outcome:
        match job:
            case _Append(may_fail=False):
                return Returned(self._append(job))
            case _Append():
                return self._guarded(lambda: self._append(job))
            case _Unit():
                return self._guarded(lambda: self._call(job))

    def _append(self, job: _Append[P]) -> LedgerEntry | tuple[LedgerEntry, ...]:
        entries = tuple(map(self._page.append, job.prepared))
        return entries[0] if job.single else entries

    def _call(self, job: _Unit[P]) -> object:
        transaction = UnitTransaction(self._connection, self._log, self._page)
        try:
            return job.deed(transaction)
        finally:
            transaction.end()

    def _guarded(self, deed: Callable[[], object]) -> _Outcome:
        length = len(self._page)
        # A group of one needs no savepoint: if it fails, everything is rolled back anyway.
        if not self._alone:
            self._driver.execute("SAVEPOINT unit")
        outcome = attempt(deed)
        self._require_transaction(outcome)
        if isinstance(outcome, Raised):
            self._page.cut_back(length)
            if not self._alone:
                self._driver.execute("ROLLBACK TO unit")
        if not self._alone:
            self._driver.execute("RELEASE unit")
        return outcome

    def _require_transaction(self, outcome: _Outcome) -> None:
        """Refuse the group when its transaction is gone: SQLite ends it when the disk is full, a unit must not."""
        if self._driver.in_transaction:
            return
        if isinstance(outcome, Raised):
            raise WriteFailedError(str(outcome.error)) from outcome.error
        message = "A unit ended the writer's transaction; a unit must not commit, roll back or begin."
        raise UnitMisbehavedError(message)


def _resolve(future: "Future[Any]", outcome: _Outcome) -> None:
    match outcome:
        case Returned(value):
            future.set_result(value)
        case Raised(error):
            future.set_exception(error)
