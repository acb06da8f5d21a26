"""What is remembered: the ledger, its delivery, and the tables derived from it.

`store/` holds the tables, the schema and the one writer; `ledger/` the Merkle log, its proofs and its offline verifier;
`mesh/` the delivery of entries to subscribers. Other rooms write through `Journal` and read through `Reader`;
`grace.record.opening.open_record` makes the real ones.
"""

import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from grace.model.events import EventType
from grace.model.ledger_entry import Draft, LedgerEntry

T = TypeVar("T")


class Transaction(Protocol):
    """One unit of work inside the writer's durable transaction; valid only while the unit runs."""

    @property
    def connection(self) -> Connection:
        """Read and write rows; what this transaction appended is already in the read-model tables."""
        ...

    @property
    def driver(self) -> sqlite3.Connection:
        """Do the same with statements that are text, without the way through the toolkit."""
        ...

    def append(self, draft: Draft) -> LedgerEntry:
        """Put a fact on the record, or return the entry that already stands for its key."""
        ...

    def find(self, key: str) -> LedgerEntry | None:
        """Return the entry that stands for a key, this transaction's own included."""
        ...


class Journal(Protocol):
    """Write durably: a result is handed out only after a commit that survives a power cut."""

    def submit(self, unit: Callable[[Transaction], T], *, may_wait: bool = False) -> Future[T]:
        """Queue a unit; its future holds its value after the commit, or its own failure, which fails no other unit.

        One that `may_wait` goes along with the next commit, or makes its own after a second.
        """
        ...

    def run(self, unit: Callable[[Transaction], T]) -> T:
        """Submit a unit and wait for the commit."""
        ...

    def append(self, draft: Draft) -> LedgerEntry:
        """Append one draft and wait for the commit: the cheapest unit there is."""
        ...

    def append_all(self, drafts: Collection[Draft]) -> Sequence[LedgerEntry]:
        """Append drafts in order, all or none, and wait for the commit."""
        ...


class Reader(Protocol):
    """Read what is committed."""

    def read(self) -> AbstractContextManager[Connection]:
        """Open a read-only connection that sees one consistent state until it closes."""
        ...

    def state(self) -> AbstractContextManager[sqlite3.Connection]:
        """Lend the driver's connection for the same: it costs a quarter, where what is asked is text."""
        ...

    def entry(self, index: int) -> LedgerEntry | None: ...

    def find(self, key: str) -> LedgerEntry | None: ...

    def entries(
        self,
        after: int = -1,
        *,
        types: Collection[EventType] | None = None,
        run_id: str | None = None,
        incident_id: str | None = None,
        limit: int | None = None,
    ) -> Iterator[LedgerEntry]:
        """Walk entries with an index above `after` in order, narrowed by type, run and incident."""
        ...
