"""Orders, prices and the archive, in SQLite: an order is answered for only after a durable commit."""

import queue
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SCHEMA: Final = """
CREATE TABLE prices (item TEXT PRIMARY KEY, price_cents INTEGER) STRICT, WITHOUT ROWID;
CREATE TABLE orders (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    item TEXT NOT NULL,
    quantity INTEGER NOT NULL,
    customer TEXT,
    total_cents INTEGER NOT NULL,
    placed_at REAL NOT NULL
) STRICT;
CREATE TABLE archive (id INTEGER PRIMARY KEY, item TEXT NOT NULL, total_cents INTEGER NOT NULL) STRICT;
INSERT INTO prices VALUES ('coffee', 350), ('tea', 300), ('cake', 450), ('juice', 400);
INSERT INTO archive
    WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 40000)
    SELECT n, CASE n % 4 WHEN 0 THEN 'coffee' WHEN 1 THEN 'tea' WHEN 2 THEN 'cake' ELSE 'juice' END, n * 7919 % 100003
    FROM numbers;
PRAGMA user_version = 1;
"""
RANKING: Final = """
SELECT item, avg(place) FROM (
    SELECT item, (SELECT count(*) FROM archive AS other WHERE other.total_cents > archive.total_cents) AS place
    FROM archive
) GROUP BY item
"""
"""Ranks every archived order by counting all that were dearer: quadratic, and far too slow on purpose."""
LEAST_WAIT_MS: Final = 50
"""A turn that came late still outlasts a probe's brief lock."""
STEPS_BETWEEN_LOOKS: Final = 20_000


class UnknownItemError(Exception):
    """The shop does not sell this; the customer's mistake."""


class PriceError(Exception):
    """The price list is damaged; the shop's fault."""


@dataclass(frozen=True, slots=True)
class Order:
    """What was bought."""

    id: int
    item: str
    quantity: int
    customer: str | None
    total_cents: int


class Store:
    """The database; its methods may be called from many threads."""

    def __init__(self, database: Path, busy_timeout_ms: int) -> None:
        self.database = database
        self.busy_timeout_ms = busy_timeout_ms
        self._turn = threading.Lock()
        self._is_writing = False
        self._idle: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        with self._connection() as connection:
            if connection.execute("PRAGMA user_version").fetchone() == (0,):
                connection.executescript(f"PRAGMA journal_mode = WAL; BEGIN IMMEDIATE; {SCHEMA} COMMIT;")

    def place(self, item: str, quantity: int, customer: str | None) -> Order:
        """Store one order durably, or raise UnknownItemError, PriceError or sqlite3.Error and store nothing."""
        with self._connection() as connection, self._write(connection):
            total_cents = _price_cents(connection, item) * quantity
            cursor = connection.execute(
                "INSERT INTO orders (item, quantity, customer, total_cents, placed_at) VALUES (?, ?, ?, ?, ?)",
                (item, quantity, customer, total_cents, time.time()),
            )
        assert cursor.lastrowid is not None  # noqa: S101 - an INSERT sets it
        return Order(cursor.lastrowid, item, quantity, customer, total_cents)

    def find(self, number: int) -> Order | None:
        """Return one order."""
        with self._connection() as connection:
            row = connection.execute(
                "SELECT id, item, quantity, customer, total_cents FROM orders WHERE id = ?", (number,)
            ).fetchone()
        return None if row is None else Order(*row)

    def ping(self) -> None:
        """Read something, or raise sqlite3.Error."""
        with self._connection() as connection:
            connection.execute("SELECT item FROM prices LIMIT 1").fetchone()

    def count(self) -> int:
        """Count the orders."""
        with self._connection() as connection:
            return connection.execute("SELECT count(*) FROM orders").fetchone()[0]

    def rank_items(self, timeout_ms: int) -> dict[str, float]:
        """Return each item's average rank in the archive, or raise TimeoutError."""
        deadline = time.monotonic() + timeout_ms / 1000
        with self._connection() as connection:
            connection.set_progress_handler(lambda: time.monotonic() > deadline, STEPS_BETWEEN_LOOKS)
            try:
                return dict(connection.execute(RANKING).fetchall())
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                    raise
                message = f"the report took longer than {timeout_ms} ms"
                raise TimeoutError(message) from error
            finally:
                connection.set_progress_handler(None, 0)

    def close(self) -> None:
        """Close every connection; nothing may be at work any more."""
        while not self._idle.empty():
            self._idle.get().close()

    @contextmanager
    def _write(self, connection: sqlite3.Connection) -> Iterator[None]:
        """Hold the write lock, or raise sqlite3.OperationalError when another process has it for too long.

        Writers of this process queue for their turn first, because SQLite's busy waiting is not fair to them; an
        order waits `busy_timeout_ms` in all, unless it is a slow disk and our own writer that it waits for.
        """
        began = time.monotonic()
        while not (is_our_turn := self._turn.acquire(timeout=self.busy_timeout_ms / 1000)) and self._is_writing:
            pass
        try:
            left_ms = self.busy_timeout_ms - round((time.monotonic() - began) * 1000)
            connection.execute(f"PRAGMA busy_timeout = {max(left_ms, LEAST_WAIT_MS if is_our_turn else 0)}")
            connection.execute("BEGIN IMMEDIATE")
            yield from self._transaction(connection)
        finally:
            if is_our_turn:
                self._turn.release()

    def _transaction(self, connection: sqlite3.Connection) -> Iterator[None]:
        self._is_writing = True
        try:
            yield
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            self._is_writing = False

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection, opened when none is idle."""
        try:
            connection = self._idle.get_nowait()
        except queue.Empty:
            connection = sqlite3.connect(self.database, isolation_level=None, check_same_thread=False)
            connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA busy_timeout = {self.busy_timeout_ms}")
        try:
            yield connection
        finally:
            self._idle.put(connection)


def _price_cents(connection: sqlite3.Connection, item: str) -> int:
    row = connection.execute("SELECT price_cents FROM prices WHERE item = ?", (item,)).fetchone()
    if row is None:
        message = f"the shop does not sell {item!r}"
        raise UnknownItemError(message)
    (price_cents,) = row
    if price_cents is None or price_cents <= 0:
        message = f"the price of {item!r} is {price_cents!r}, which is no price"
        raise PriceError(message)
    return price_cents
