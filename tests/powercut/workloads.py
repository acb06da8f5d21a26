"""Small programs whose durability is known, to hold the simulated disk to."""

import os
import sqlite3
from pathlib import Path

from tests.powercut.cases import Ack, Acked

ROWS = 30
BLOCK = 20_000


def make_table(folder: Path) -> None:
    connection = sqlite3.connect(folder / "rows.db")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, filler TEXT NOT NULL)")
    connection.close()


def commit_with_normal(folder: Path, ack: Ack) -> None:
    _commit(folder, ack, "NORMAL")


def commit_with_full(folder: Path, ack: Ack) -> None:
    _commit(folder, ack, "FULL")


def _commit(folder: Path, ack: Ack, synchronous: str) -> None:
    connection = sqlite3.connect(folder / "rows.db", isolation_level=None)
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    connection.execute("PRAGMA wal_autocheckpoint = 20")
    for row in range(ROWS):
        connection.execute("INSERT INTO rows VALUES (?, ?)", (row, "x" * 900))
        ack(row)


def every_acked_row_is_there(folder: Path, acked: list[Acked]) -> None:
    connection = sqlite3.connect(folder / "rows.db")
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    found = {row for (row,) in connection.execute("SELECT id FROM rows")}
    connection.close()
    assert set(acked) <= found, f"lost {sorted(set(acked) - found, key=int)}"


def _write_block(folder: Path, ack: Ack, *, synced: bool) -> None:
    descriptor = os.open(folder / "block", os.O_WRONLY | os.O_CREAT, 0o600)
    os.write(descriptor, b"n" * BLOCK)
    if synced:
        os.fsync(descriptor)
    ack("written")
    os.close(descriptor)


def start_with_an_old_block(folder: Path) -> None:
    (folder / "block").write_bytes(b"o" * BLOCK)


def write_and_sync(folder: Path, ack: Ack) -> None:
    _write_block(folder, ack, synced=True)


def write_without_sync(folder: Path, ack: Ack) -> None:
    _write_block(folder, ack, synced=False)


def the_block_is_new(folder: Path, acked: list[Acked]) -> None:
    content = (folder / "block").read_bytes()
    sectors = {content[start : start + 512] for start in range(0, BLOCK - 511, 512)}
    assert len(content) == BLOCK
    assert sectors <= {b"n" * 512, b"o" * 512}, "a sector is atomic"
    if acked:
        assert content != b"o" * BLOCK, "lost"
        assert content == b"n" * BLOCK, "torn"


def _replace(folder: Path, ack: Ack, *, file_synced: bool, directory_synced: bool) -> None:
    fresh = folder / "fresh"
    with fresh.open("wb") as file:
        file.write(b"n" * BLOCK)
        file.flush()
        if file_synced:
            os.fsync(file.fileno())
    fresh.rename(folder / "block")
    if directory_synced:
        directory = os.open(folder, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)
    ack("replaced")


def replace_safely(folder: Path, ack: Ack) -> None:
    _replace(folder, ack, file_synced=True, directory_synced=True)


def replace_without_syncing_the_file(folder: Path, ack: Ack) -> None:
    _replace(folder, ack, file_synced=False, directory_synced=True)


def replace_without_syncing_the_directory(folder: Path, ack: Ack) -> None:
    _replace(folder, ack, file_synced=True, directory_synced=False)


def the_block_is_old_or_new(folder: Path, acked: list[Acked]) -> None:
    content = (folder / "block").read_bytes()
    assert content in ({b"n" * BLOCK} if acked else {b"n" * BLOCK, b"o" * BLOCK})


def churn(folder: Path, ack: Ack) -> None:
    """Do a bit of everything, all of it unsynced."""
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "file").write_bytes(b"a" * 3000)
    (folder / "block").write_bytes(b"b" * 6000)
    os.truncate(folder / "block", 1000)
    with (folder / "block").open("ab") as file:
        file.write(b"c" * 700)
    (folder / "second").hardlink_to(folder / "block")
    (folder / "pointer").symlink_to("block")
    (folder / "deep").rename(folder / "renamed")
    (folder / "pointer").unlink()
    (folder / "block").unlink()
    with (folder / "second").open("r+b") as file:
        os.pwritev(file.fileno(), [b"d" * 300, b"e" * 300], 200)
        os.posix_fallocate(file.fileno(), 0, 9000)
    ack("churned")


def fail(folder: Path, ack: Ack) -> None:
    message = "the workload itself is broken"
    raise RuntimeError(message)


def accept_anything(folder: Path, acked: list[Acked]) -> None:
    """Accept any state."""
