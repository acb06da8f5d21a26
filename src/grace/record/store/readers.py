"""Connections for reading, lent to one reader after the other: getting one costs less than the read that it is for."""

import sqlite3
import weakref
from collections import deque
from types import TracebackType
from typing import Final

from sqlalchemy import Engine

from grace.record.store.engine import driver_of

_MOST_IDLE: Final = 16


class Readers:
    """The driver connections of an engine that reads, the one that was used last first. Safe between threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._idle: deque[sqlite3.Connection] = deque()
        self._end = weakref.finalize(self, _close_all, self._idle)

    def statement(self) -> "Lent":
        """Lend a connection for one statement, which sees one state without a transaction around it."""
        return Lent(self, is_state=False)

    def state(self) -> "Lent":
        """Lend a connection that sees one consistent state until it is given back."""
        return Lent(self, is_state=True)

    def close(self) -> None:
        """Close what nobody uses; what is lent is closed when it is given back."""
        self._end()

    def take(self) -> sqlite3.Connection:
        """Return the connection that was used last, or a new one."""
        try:
            return self._idle.pop()
        except IndexError:
            pooled = self._engine.raw_connection()
            driver = driver_of(pooled)
            pooled.detach()
            return driver

    def give_back(self, driver: sqlite3.Connection, *, is_sound: bool) -> None:
        """End what was begun on a connection and keep it for the next reader, unless something went wrong on it."""
        if is_sound and self._end.alive and len(self._idle) < _MOST_IDLE:
            if driver.in_transaction:
                driver.execute("ROLLBACK")
            self._idle.append(driver)
        else:
            driver.close()


class Lent:
    """A connection for as long as a `with` block lasts."""

    __slots__ = ("_driver", "_is_state", "_readers")

    def __init__(self, readers: Readers, *, is_state: bool) -> None:
        self._readers = readers
        self._is_state = is_state

    def __enter__(self) -> sqlite3.Connection:
        self._driver = driver = self._readers.take()
        if self._is_state:
            try:
                driver.execute("BEGIN")
                fix_state(driver)
            except sqlite3.Error:
                driver.close()
                raise
        return driver

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        is_sound = kind is None or not issubclass(kind, sqlite3.Error)
        self._readers.give_back(self._driver, is_sound=is_sound)


def fix_state(driver: sqlite3.Connection) -> None:
    """Read something: SQLite fixes what a transaction sees at its first read, not at BEGIN."""
    driver.execute("SELECT 1 FROM meta LIMIT 1").fetchone()


def _close_all(idle: deque[sqlite3.Connection]) -> None:
    while idle:
        idle.pop().close()
