"""Durable ledger appends against raw SQLite that writes the same drafts as rows, in groups of one size, full sync."""

from __future__ import annotations

import gc
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import orjson

from bench.rows import Row, at_least
from grace.kit.clock import SystemClock
from grace.model.events import EventType
from grace.model.ledger_entry import Draft
from grace.record.ledger.entries import Prepared
from grace.record.ledger.log import LedgerLog
from grace.record.ledger.tiles import TILE_WIDTH
from grace.record.ledger.tree import HASH_SIZE
from grace.record.store.engine import open_engine
from grace.record.store.projection import NO_PROJECTIONS
from grace.record.store.schema import create
from grace.record.store.writer import Writer

GROUP = 64
GROUPS = 5
ROUNDS = 120


class Peer:
    """What a program without ledger, idempotency or proofs would do: write the drafts as rows and commit."""

    def __init__(self, folder: Path) -> None:
        path = folder / "peer.db"
        engine = open_engine(path)
        create(engine)
        engine.dispose()
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = FULL")
        self.size = 0

    def append(self, group: list[Draft]) -> None:
        first, run = self.size, self.connection
        self.size += len(group)
        run.execute("BEGIN IMMEDIATE")
        run.executemany(
            "INSERT INTO ledger_entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (n, d.key, d.type.value, _AT, d.actor, d.run_id, d.incident_id, d.service, _DIGEST)
                for n, d in enumerate(group, first)
            ],
        )
        run.executemany(
            "INSERT INTO ledger_payloads VALUES (?, ?, ?)",
            [(n, _SALT, orjson.dumps(d.payload).decode()) for n, d in enumerate(group, first)],
        )
        last = (self.size - 1) // TILE_WIDTH
        tiles = [(0, tile, bytes(TILE_WIDTH * HASH_SIZE)) for tile in range(first // TILE_WIDTH, last + 1)]
        run.executemany("INSERT OR REPLACE INTO ledger_tiles VALUES (?, ?, ?)", tiles)
        run.execute("COMMIT")


def measure(rounds: int = ROUNDS, groups: int = GROUPS) -> list[Row]:
    """Append groups through the writer, beside the peer: large ones, and single entries."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        engine = open_engine(folder / "grace.db")
        create(engine)
        writer = Writer(engine, LedgerLog(SystemClock(), NO_PROJECTIONS))
        peer = Peer(folder)

        rows = [_row(writer, peer, GROUP, groups, rounds), _row(writer, peer, 1, groups, rounds)]
        writer.close()
        engine.dispose()
        peer.connection.close()
        return rows


def _row(writer: Writer[Prepared], peer: Peer, size: int, count: int, rounds: int) -> Row:
    """Alternate between ours and the peer, because the disk's mood changes by the second."""
    rates: list[tuple[float, float]] = []
    for number in range(rounds):
        groups = [_group(f"{size}-{number}-{group}", size) for group in range(count)]
        rates.append((_rate(writer.append_all, groups), _rate(peer.append, groups)))
    return Row(
        name=f"durable ledger append, {size} a group",
        ours=statistics.median(mine for mine, _ in rates),
        peer=statistics.median(theirs for _, theirs in rates),
        unit="entries/s",
        against="sqlite3, the same drafts as rows, synchronous=FULL",
        ratio=statistics.median(mine / theirs for mine, theirs in rates),
        aim=at_least(0.7),
        note=f"median of {rounds} alternating rounds",
    )


def _rate(append: Callable[[list[Draft]], object], groups: list[list[Draft]]) -> float:
    gc.collect()
    started = time.perf_counter()
    for group in groups:
        append(group)
    return sum(map(len, groups)) / (time.perf_counter() - started)


def _group(prefix: str, size: int) -> list[Draft]:
    return [
        Draft(
            key=f"run_01JABCDEFGHJKMNPQRSTVWXYZ0/{prefix}/{number}",
            type=EventType.STEP_INTENDED,
            actor="grace",
            run_id=f"run_01JABCDEFGHJKMNPQRST{prefix}",
            incident_id="inc_01JABCDEFGHJKMNPQRSTVWXYZ0",
            service="orders",
            payload={
                "run_id": f"run_01JABCDEFGHJKMNPQRST{prefix}",
                "step_id": "end_holder",
                "uses": "process.terminate",
                "compensates": False,
                "plan_digest": _DIGEST,
                "at": _AT,
            },
        )
        for number in range(size)
    ]


_AT = "2026-01-01T12:00:00.000000Z"
_DIGEST = "sha256:" + "a" * 64
_SALT = bytes(range(32))


if __name__ == "__main__":
    for row in measure():
        print(row)
