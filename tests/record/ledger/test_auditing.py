"""Every entry and payload in the database is held against the tree that was signed."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from grace.kit.canonical import canonical
from grace.kit.clock import VirtualClock
from grace.record.ledger.checking import Checked, check
from grace.record.ledger.tiles import TILE_WIDTH
from grace.record.ledger.tree import HASH_SIZE, leaf_hash
from grace.record.ledger.witness import LedgerUntrustedError
from grace.record.opening import RecordPlaces, open_record, witnessed_head
from grace.record.store.read_models import PROJECTIONS
from tests.record.drafts import drafts

SIZE = 300


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("grace")
    with open_record(RecordPlaces.within(folder), clock=VirtualClock()) as record:
        record.append_all(drafts(SIZE - 1, "a"))
        record.erase(3, "an admin", "asked for")
    return folder


@pytest.fixture
def places(made: Path, tmp_path: Path) -> RecordPlaces:
    return RecordPlaces.within(Path(shutil.copytree(made, tmp_path / "copy")))


def checked(places: RecordPlaces) -> Checked:
    return check(places.database, PROJECTIONS, witnessed_head(places))


def test_an_untouched_log_is_clean_and_replayed(places: RecordPlaces) -> None:
    found = checked(places)
    assert (found.log.is_clean, found.log.size, found.log.witnessed, found.replayed) == (True, SIZE, SIZE, SIZE)


def test_without_a_witness_it_says_so_and_looks_all_the_same(places: RecordPlaces) -> None:
    places.witness.unlink()
    assert (checked(places).log.is_clean, checked(places).log.witnessed) == (True, None)
    run("UPDATE ledger_entries SET actor = 'mallory' WHERE \"index\" = 7")(places)
    assert checked(places).log.found == 1


def run(*statements: str) -> Callable[[RecordPlaces], None]:
    def change(places: RecordPlaces) -> None:
        with closing(sqlite3.connect(places.database, isolation_level=None)) as connection:
            for statement in statements:
                connection.execute(statement)

    return change


def lower_tile(places: RecordPlaces) -> None:
    tile = bytes(HASH_SIZE) * TILE_WIDTH
    with closing(sqlite3.connect(places.database, isolation_level=None)) as connection:
        connection.execute("UPDATE ledger_tiles SET hashes = ? WHERE level = 0 AND tile = 2", (tile,))


def upper_tile(places: RecordPlaces) -> None:
    tile = bytes(HASH_SIZE) * TILE_WIDTH
    with closing(sqlite3.connect(places.database, isolation_level=None)) as connection:
        assert connection.execute("UPDATE ledger_tiles SET hashes = ? WHERE level = 1", (tile,)).rowcount == 1


def with_its_leaf(places: RecordPlaces) -> None:
    """Change an entry and its leaf, as somebody who has read this code would; not the tiles above."""
    names = ("index", "key", "type", "at", "actor", "run_id", "incident_id", "service", "payload_digest")
    with closing(sqlite3.connect(places.database, isolation_level=None)) as connection:
        connection.execute("UPDATE ledger_entries SET actor = 'mallory' WHERE \"index\" = 297")
        columns = ", ".join(f'"{name}"' for name in names)
        row = connection.execute(f'SELECT {columns} FROM ledger_entries WHERE "index" = 297').fetchone()
        leaf = leaf_hash(canonical(dict(zip(names, row, strict=True))))
        tile, place = divmod(297, TILE_WIDTH)
        stored = "SELECT hashes FROM ledger_tiles WHERE level = 0 AND tile = ?"
        (hashes,) = connection.execute(stored, (tile,)).fetchone()
        hashes = hashes[: place * HASH_SIZE] + leaf + hashes[(place + 1) * HASH_SIZE :]
        connection.execute("UPDATE ledger_tiles SET hashes = ? WHERE level = 0 AND tile = ?", (hashes, tile))


CHANGES: dict[str, tuple[Callable[[RecordPlaces], None], int | None, str]] = {
    "an actor": (run("UPDATE ledger_entries SET actor = 'mallory' WHERE \"index\" = 7"), 7, "is not the one in"),
    "a type of no kind": (run("UPDATE ledger_entries SET type = 'x' WHERE \"index\" = 7"), 7, "is not the one in"),
    "bytes for a text": (run("UPDATE ledger_entries SET actor = x'00ff' WHERE \"index\" = 7"), 7, "is not the one in"),
    "a payload": (run("UPDATE ledger_payloads SET payload = '{}' WHERE \"index\" = 9"), 9, "does not have the digest"),
    "a salt": (run('UPDATE ledger_payloads SET salt = zeroblob(32) WHERE "index" = 9'), 9, "does not have the digest"),
    "a payload that is gone": (run('DELETE FROM ledger_payloads WHERE "index" = 9'), 9, "no entry says"),
    "an entry that is gone": (
        run('DELETE FROM ledger_payloads WHERE "index" = 9', 'DELETE FROM ledger_entries WHERE "index" = 9'),
        9,
        "entry 9 is missing: entry 10 follows",
    ),
    "the last entry": (
        run('DELETE FROM ledger_payloads WHERE "index" = 299', 'DELETE FROM ledger_entries WHERE "index" = 299'),
        3,
        "the payload of entry 3 is gone",
    ),
    "the last entries": (
        run('DELETE FROM ledger_payloads WHERE "index" > 2', 'DELETE FROM ledger_entries WHERE "index" > 2'),
        3,
        "the witness holds a checkpoint of 300 entries, 3 are there",
    ),
    "a tile": (lower_tile, 32, "is not the one in"),
    "a tile that is gone": (run("DELETE FROM ledger_tiles WHERE level = 0 AND tile = 2"), 32, "has no leaf"),
    "a tile above": (upper_tile, None, "upper levels"),
    "an entry and its leaf": (with_its_leaf, None, "not those of the witnessed checkpoint"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_was_changed_is_told_with_the_first_entry_and_nothing_is_replayed(places: RecordPlaces, name: str) -> None:
    change, index, why = CHANGES[name]
    change(places)
    found = checked(places)
    assert (found.log.is_clean, found.replayed) == (False, 0)
    assert found.log.astray[0].index == index
    assert why in found.log.astray[0].why


def test_of_many_the_first_are_told_and_all_are_counted(places: RecordPlaces) -> None:
    run("UPDATE ledger_entries SET service = 'mine'")(places)
    log = checked(places).log
    assert (log.found, len(log.astray), log.astray[0].index) == (SIZE, 20, 0)


def test_a_witness_of_another_log_is_not_believed(places: RecordPlaces, tmp_path: Path) -> None:
    other = RecordPlaces.within(tmp_path / "other")
    with open_record(other, clock=VirtualClock()) as record:
        record.append_all(drafts(2, "b"))
    shutil.copy(other.witness, places.witness)
    with pytest.raises(LedgerUntrustedError, match="is not one of this log"):
        checked(places)
