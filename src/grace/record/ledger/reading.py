"""Read the log: entries, tree heads and proofs, from one consistent state each time."""

import sqlite3
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Engine

from grace.model.events import EventType
from grace.model.ledger_entry import LedgerEntry
from grace.record.ledger.entries import ENTRY_COLUMNS, entry_from_row
from grace.record.ledger.tiles import StoredNodes
from grace.record.ledger.tree import TreeHead, consistency_proof, inclusion_proof, root
from grace.record.store.engine import driver_connection
from grace.record.store.readers import Lent, Readers, fix_state

PAGE_SIZE: Final = 500
SIZE_OF_LOG: Final = 'SELECT coalesce(max("index"), -1) + 1 FROM ledger_entries'
_SELECT: Final = f'SELECT {ENTRY_COLUMNS}, payload FROM ledger_entries LEFT JOIN ledger_payloads USING ("index") WHERE '  # noqa: S608


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """That the entry `index` is in the log with this head; check it with `verify_inclusion`."""

    index: int
    leaf_hash: bytes
    head: TreeHead
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ConsistencyProof:
    """That `old` is a beginning of `new`; check it with `verify_consistency`."""

    old: TreeHead
    new: TreeHead
    path: tuple[bytes, ...]


class LedgerReader:
    """Read what is committed."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._readers = Readers(engine)

    @contextmanager
    def read(self) -> Generator[Connection]:
        """Open a read-only connection that sees one consistent state until it closes."""
        with self._engine.connect() as connection:
            connection.begin()
            fix_state(driver_connection(connection))
            yield connection

    def entry(self, index: int) -> LedgerEntry | None:
        return self._one('"index" = ?', index)

    def find(self, key: str) -> LedgerEntry | None:
        return self._one("key = ?", key)

    def entries(
        self,
        after: int = -1,
        *,
        types: Collection[EventType] | None = None,
        run_id: str | None = None,
        incident_id: str | None = None,
        limit: int | None = None,
    ) -> Iterator[LedgerEntry]:
        """Walk entries with an index above `after` in order, narrowed by type, run and incident.

        It reads in pages and holds no transaction between them: a log only grows, so the walk is consistent anyway.
        """
        where, values = _narrow(types, run_id, incident_id)
        left = limit
        while left is None or left > 0:
            size = PAGE_SIZE if left is None else min(PAGE_SIZE, left)
            with self.statement() as driver:
                query = f'{_SELECT}"index" > ?{where} ORDER BY "index" LIMIT ?'
                rows = driver.execute(query, (after, *values, size)).fetchall()
            for row in rows:
                yield entry_from_row(row)
            if len(rows) < size:
                return
            after = rows[-1][0]
            left = None if left is None else left - size

    def size(self) -> int:
        with self.statement() as driver:
            return size_of(driver)

    def head(self, size: int | None = None) -> TreeHead:
        """Return the head of the whole log, or of its first `size` entries."""
        with self.state() as driver:
            return head_of(driver, size)

    def inclusion(self, index: int, size: int | None = None) -> InclusionProof:
        """Prove that an entry is in the log; O(log n) rows."""
        with self.state() as driver:
            nodes = StoredNodes(driver)
            head = _head(nodes, size_of(driver) if size is None else size)
            path = inclusion_proof(nodes, index, head.size)
            return InclusionProof(index, nodes.node(0, index), head, path)

    def consistency(self, old_size: int, size: int | None = None) -> ConsistencyProof:
        """Prove that the log's first `old_size` entries are a beginning of it; O(log n) rows."""
        with self.state() as driver:
            nodes = StoredNodes(driver)
            new = _head(nodes, size_of(driver) if size is None else size)
            path = consistency_proof(nodes, old_size, new.size)
            return ConsistencyProof(_head(nodes, old_size), new, path)

    def _one(self, where: str, value: int | str) -> LedgerEntry | None:
        with self.statement() as driver:
            row = driver.execute(_SELECT + where, (value,)).fetchone()
        return None if row is None else entry_from_row(row)

    def statement(self) -> Lent:
        """Lend a connection for one statement, which sees one state without a transaction around it."""
        return self._readers.statement()

    def state(self) -> Lent:
        """Lend a driver's connection that sees one consistent state until it is given back."""
        return self._readers.state()

    def close(self) -> None:
        """Close the connections that nobody uses; whoever reads later opens one for that."""
        self._readers.close()


def entries_at(driver: sqlite3.Connection, keys: Sequence[str]) -> list[LedgerEntry]:
    """Read what stands under any of these keys."""
    rows = driver.execute(f"{_SELECT}key IN ({', '.join('?' * len(keys))})", keys).fetchall()
    return [entry_from_row(row) for row in rows]


def size_of(driver: sqlite3.Connection) -> int:
    size: int = driver.execute(SIZE_OF_LOG).fetchone()[0]
    return size


def head_of(driver: sqlite3.Connection, size: int | None = None) -> TreeHead:
    """Compute the head of the first `size` entries (default: all) from the stored tiles; O(log n) rows."""
    return _head(StoredNodes(driver), size_of(driver) if size is None else size)


def _head(nodes: StoredNodes, size: int) -> TreeHead:
    return TreeHead(size, root(nodes, size))


def _narrow(
    types: Collection[EventType] | None, run_id: str | None, incident_id: str | None
) -> tuple[str, tuple[str, ...]]:
    where: list[str] = []
    values: list[str] = []
    if types is not None:
        where.append(f" AND type IN ({', '.join('?' * len(types))})")
        values += sorted(types)
    if run_id is not None:
        where.append(" AND run_id = ?")
        values.append(run_id)
    if incident_id is not None:
        where.append(" AND incident_id = ?")
        values.append(incident_id)
    return "".join(where), tuple(values)
