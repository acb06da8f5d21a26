"""Commit one group of units: one transaction, one full sync, and a failure that stays with the unit it belongs to."""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from grace.kit.attempt import Raised, Returned, attempt
from grace.kit.cuts import cut
from grace.kit.wording import in_words
from grace.model.ledger_entry import LedgerEntry
from grace.record.store import Added, KeyStandsError, Log, Page
from grace.record.store.engine import driver_connection
from grace.record.store.units import Append, Job, Outcome, Unit, UnitMisbehavedError, UnitTransaction

P = TypeVar("P")


class WriteFailedError(RuntimeError):
    """The database refused a group; nothing of it was written."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"Nothing was written: {reason}. Make room or repair the disk, then try again.")


class _NothingDoneError(Exception):
    """Every unit of the group failed: there is nothing to commit."""

    def __init__(self, outcomes: "list[Outcome]") -> None:
        self.outcomes = outcomes
        super().__init__()


class GroupCommit(Generic[P]):
    """Write groups through one connection; whoever calls sees to it that nobody else does at the same time."""

    def __init__(self, connection: Connection, log: Log[P]) -> None:
        self._connection = connection
        self._driver = driver_connection(connection)
        self._log = log

    def commit(self, jobs: Sequence[Job[P]]) -> tuple[list[Outcome], Added | None]:
        """Return each job's outcome and what was added; raise when nothing of the group was written."""
        try:
            outcomes = self._write(jobs)
            cut("store.commit.after")
        except _NothingDoneError as nothing:
            return nothing.outcomes, None
        except (sqlite3.Error, DBAPIError) as error:
            raise WriteFailedError(in_words(error)) from error
        return outcomes, self._log.committed()

    def _write(self, jobs: Sequence[Job[P]]) -> list[Outcome]:
        # Only where nothing but the log is written may a standing key be noticed as late as in its insert.
        plain = [job for job in jobs if isinstance(job, Append) and not job.may_fail]
        if len(plain) == len(jobs):
            try:
                return self._write_fresh(plain)
            except KeyStandsError:
                pass  # Some key stands already: the same group again, each key looked up.
        return self._write_guarded(jobs)

    def _write_fresh(self, jobs: Sequence[Append[P]]) -> list[Outcome]:
        """Write plain appends: no statement of others runs, so they are spared what SQLAlchemy does around those."""
        with _BareTransaction(self._driver):
            page = self._log.page(self._driver, fresh_keys=True)
            outcomes: list[Outcome] = [Returned(_result(job, page.append_fresh(job.prepared))) for job in jobs]
            _finish(page)
        return outcomes

    def _write_guarded(self, jobs: Sequence[Job[P]]) -> list[Outcome]:
        with self._connection.begin():
            page = self._log.page(self._driver, fresh_keys=False)
            runner = _GroupRunner(self._connection, self._driver, self._log, page, alone=len(jobs) == 1)
            outcomes = [runner.run(job) for job in jobs]
            _require_something_done(outcomes)
            _finish(page)
        return outcomes


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

    def run(self, job: Job[P]) -> Outcome:
        match job:
            case Append(may_fail=False):
                return Returned(self._append(job))
            case Append():
                return self._guarded(lambda: self._append(job))
            case Unit():
                return self._guarded(lambda: self._call(job))

    def _append(self, job: Append[P]) -> LedgerEntry | Sequence[LedgerEntry]:
        return _result(job, tuple(map(self._page.append, job.prepared)))

    def _call(self, job: Unit[P]) -> object:
        transaction = UnitTransaction(self._connection, self._log, self._page)
        try:
            return job.deed(transaction)
        finally:
            transaction.end()

    def _guarded(self, deed: Callable[[], object]) -> Outcome:
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

    def _require_transaction(self, outcome: Outcome) -> None:
        """Refuse the group when its transaction is gone: SQLite ends it when the disk is full, a unit must not."""
        if self._driver.in_transaction:
            return
        if isinstance(outcome, Raised):
            raise WriteFailedError(in_words(outcome.error)) from outcome.error
        message = "A unit ended the writer's transaction; a unit must not commit, roll back or begin."
        raise UnitMisbehavedError(message)


def _result(job: Append[P], entries: Sequence[LedgerEntry]) -> LedgerEntry | Sequence[LedgerEntry]:
    return entries[0] if job.single else entries


def _finish(page: Page[P]) -> None:
    page.write()
    cut("store.commit.before")


def _require_something_done(outcomes: list[Outcome]) -> None:
    """Leave the transaction, which rolls it back, when every unit failed."""
    if all(isinstance(outcome, Raised) for outcome in outcomes):
        raise _NothingDoneError(outcomes)


class _BareTransaction:
    """A transaction of the driver alone."""

    __slots__ = ("_driver",)

    def __init__(self, driver: sqlite3.Connection) -> None:
        self._driver = driver

    def __enter__(self) -> None:
        self._driver.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._driver.execute("COMMIT")
        finally:
            if self._driver.in_transaction:
                self._driver.execute("ROLLBACK")
