"""How long a proof takes in a log of a million entries: inclusion and consistency, made and verified."""

from __future__ import annotations

import random
import sqlite3
import statistics
import tempfile
import time
from hashlib import sha256
from pathlib import Path

from bench.rows import Row, against_limit, at_most
from grace.record.ledger.reading import LedgerReader
from grace.record.ledger.tiles import RightEdge
from grace.record.ledger.tree import verify_consistency, verify_inclusion
from grace.record.store.engine import open_engine, open_reading_engine
from grace.record.store.schema import create

ENTRIES = 1_000_000
CHUNK = 50_000
PROOFS = 200
LIMIT_MS = 5.0


def measure(entries: int = ENTRIES, proofs: int = PROOFS) -> list[Row]:
    """Build the tree in bulk, then time whole proofs from the database on a fresh connection pool."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "grace.db"
        writing = open_engine(path)
        create(writing)
        writing.dispose()
        _fill(path, entries)
        reading = open_reading_engine(path)
        reader = LedgerReader(reading)
        times_ms = sorted(_prove(reader, entries, random.Random(seed)) for seed in range(proofs))
        reader.close()
        reading.dispose()
    median, p99 = statistics.median(times_ms), times_ms[len(times_ms) * 99 // 100]
    note = f"p99 {p99:.2f} ms; both proofs made from the database and verified"
    return [against_limit("inclusion + consistency proof, 1 M entries", median, at_most(1), LIMIT_MS, "ms", note)]


def _prove(reader: LedgerReader, entries: int, chance: random.Random) -> float:
    index, old_size = chance.randrange(entries), chance.randrange(1, entries)
    started = time.perf_counter()
    inclusion, consistency = reader.inclusion(index), reader.consistency(old_size)
    verify_inclusion(index, inclusion.leaf_hash, inclusion.head.size, inclusion.path, inclusion.head.root)
    verify_consistency(consistency.old, consistency.new, consistency.path)
    return (time.perf_counter() - started) * 1000


def _fill(path: Path, entries: int) -> None:
    """Write a million bare entries; only their places and the tree matter here."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("BEGIN")
    edge = RightEdge(0, [])
    for start in range(0, entries, CHUNK):
        numbers = range(start, min(start + CHUNK, entries))
        connection.executemany(
            "INSERT INTO ledger_entries VALUES (?, ?, 'step.noted', '', 'bench', NULL, NULL, NULL, '')",
            [(number, str(number)) for number in numbers],
        )
        rows = edge.extend([sha256(number.to_bytes(8, "big")).digest() for number in numbers])
        connection.executemany("INSERT OR REPLACE INTO ledger_tiles VALUES (?, ?, ?)", rows)
    connection.execute("COMMIT")
    connection.close()


if __name__ == "__main__":
    for row in measure():
        print(row)
