"""Open the database file: write-ahead log, full sync, foreign keys, a patient lock."""

import sqlite3
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, PoolProxiedConnection, QueuePool, create_engine

_BUSY_TIMEOUT_MS: Final = 10_000
_CACHED_STATEMENTS: Final = 512
_READERS: Final = 16


class StoreUnusableError(RuntimeError):
    """The database file cannot give the promised durability."""

    def __init__(self, path: Path, why: str, what_next: str) -> None:
        self.path = path
        super().__init__(f"The store {path} cannot be used: {why}. {what_next}")


def open_engine(path: Path) -> Engine:
    """Open `path` for writing; every transaction takes the write lock at once and commits with a full sync."""
    return _engine(path, begin="BEGIN IMMEDIATE", query_only=False)


def open_reading_engine(path: Path) -> Engine:
    """Open `path` for reading; every transaction sees one state, and any attempt to write is an error."""
    return _engine(path, begin="BEGIN", query_only=True)


def driver_connection(connection: Connection) -> sqlite3.Connection:
    """Return the driver's own connection, for the few statements where a microsecond counts."""
    return driver_of(connection.connection)


def driver_of(pooled: PoolProxiedConnection) -> sqlite3.Connection:
    """Return the driver's own connection of one that the pool lent."""
    driver = pooled.driver_connection
    if not isinstance(driver, sqlite3.Connection):
        message = f"The store speaks to SQLite through sqlite3, not through {type(driver).__name__}."
        raise TypeError(message)
    return driver


def _engine(path: Path, *, begin: str, query_only: bool) -> Engine:
    def connect() -> sqlite3.Connection:
        return _connect(path, query_only=query_only)

    # Last in, first out: the connection that was used last has its statements and pages at hand.
    engine = create_engine(
        "sqlite://",
        creator=connect,
        poolclass=QueuePool,
        pool_size=_READERS,
        max_overflow=_READERS,
        pool_use_lifo=True,
    )

    def start(dbapi_connection: PoolProxiedConnection) -> None:
        driver_of(dbapi_connection).execute(begin)

    # Said by the dialect: a listener on the engine would cost every connection more than its statements do.
    engine.dialect.do_begin = start
    return engine


def _connect(path: Path, *, query_only: bool) -> sqlite3.Connection:
    with ExitStack() as if_unusable:
        try:
            # The driver's own transaction control is off: BEGIN, COMMIT and SAVEPOINT are said by us alone.
            connection = sqlite3.connect(
                path, isolation_level=None, check_same_thread=False, cached_statements=_CACHED_STATEMENTS
            )
            if_unusable.callback(connection.close)
            mode = _prepare(connection, query_only=query_only)
        except sqlite3.Error as error:
            what_next = "Is it a GRACE database, and may this user write it?"
            raise StoreUnusableError(path, f"SQLite says {error}", what_next) from error
        if mode != "wal":
            why = f"its file system allows only journal mode {mode}"
            raise StoreUnusableError(path, why, "Put it on a local disk.")
        if_unusable.pop_all()
    return connection


def _prepare(connection: sqlite3.Connection, *, query_only: bool) -> str:
    """Set what every connection needs and return the journal mode that the file system allowed."""
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    # What is deleted is overwritten, so that an erased payload is gone from the file too.
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute(f"PRAGMA query_only = {int(query_only)}")
    return str(mode)
