"""Databases are asked through a child process and left as they were."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from grace.model.reading import Known, Unknown
from tests.sense.collectors.conftest import Look, Spawn, holding, make_database

MODES = pytest.mark.parametrize("mode", ["wal", "delete"])


def change(path: Path, *statements: str, crash: bool = False) -> None:
    body = "; ".join(f"c.execute({statement!r})" for statement in statements)
    ending = "import os; os._exit(0)" if crash else "c.close()"
    program = f"import sqlite3; c = sqlite3.connect({str(path)!r}, isolation_level=None); {body}; {ending}"
    subprocess.run([sys.executable, "-c", program], check=True)


def tree(folder: Path) -> dict[str, str]:
    """Return every file by content; the index of a WAL is a cache that every reader may rebuild."""
    files = (path for path in sorted(folder.iterdir()) if not path.name.endswith("-shm"))
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def look_at_all(look: Look, path: Path) -> list[Known | Unknown]:
    return [
        look("sqlite.writable", path=str(path)),
        look("sqlite.integrity", path=str(path)),
        look("sqlite.integrity", path=str(path), quick=True),
        look("sqlite.journal_mode", path=str(path)),
        look("sqlite.digest", path=str(path)),
        look("sqlite.scalar", path=str(path), query="SELECT count(*) FROM orders"),
        look("sqlite.rows", path=str(path), query="SELECT * FROM orders"),
    ]


@MODES
def test_a_database_at_rest_is_as_it_was_after_every_probe(look: Look, tmp_path: Path, mode: str) -> None:
    path = make_database(tmp_path / "orders.db", mode)
    before = tree(tmp_path), path.stat().st_mtime_ns, tmp_path.stat().st_mtime_ns
    found = look_at_all(look, path)
    # Also the folder: a file that was there for a moment changes its time.
    assert (tree(tmp_path), path.stat().st_mtime_ns, tmp_path.stat().st_mtime_ns) == before
    assert [file.name for file in sorted(tmp_path.iterdir())] == ["orders.db"]
    assert found[:4] == [Known(value=True), Known(value="ok"), Known(value="ok"), Known(value=mode)]
    assert found[5] == Known(value=2)


def test_a_wal_that_a_crash_left_behind_is_read_and_stays(look: Look, tmp_path: Path) -> None:
    path = make_database(tmp_path / "orders.db")
    change(path, "INSERT INTO orders VALUES (3, 'milk', 1.0, 'x')", crash=True)
    before = tree(tmp_path)
    assert "orders.db-wal" in before
    found = look_at_all(look, path)
    assert tree(tmp_path) == before
    assert found[5] == Known(value=3)


def test_an_interrupted_transaction_is_not_rolled_back_by_looking(look: Look, tmp_path: Path) -> None:
    path = make_database(tmp_path / "orders.db", "delete")
    grow = "INSERT INTO orders SELECT id + 10, printf('%.3000c', 'x'), 1, 'y' FROM generate"
    change(
        path,
        "PRAGMA cache_size = 1",
        "BEGIN IMMEDIATE",
        f"WITH RECURSIVE generate(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM generate LIMIT 200) {grow}",
        crash=True,
    )
    before = tree(tmp_path)
    assert "orders.db-journal" in before
    found = look_at_all(look, path)
    assert tree(tmp_path) == before
    assert all("interrupted transaction" in item.why for item in found if isinstance(item, Unknown))
    assert sum(isinstance(item, Unknown) for item in found) == len(found)


@MODES
def test_a_held_write_lock_makes_it_not_writable(look: Look, spawn: Spawn, tmp_path: Path, mode: str) -> None:
    path = make_database(tmp_path / "orders.db", mode)
    holder = spawn(holding(path))
    assert look("sqlite.writable", path=str(path)) == Known(value=False)
    assert look("sqlite.scalar", path=str(path), query="SELECT count(*) FROM orders") == Known(value=2)
    holder.kill()
    holder.wait()
    assert look("sqlite.writable", path=str(path)) == Known(value=True)


def test_a_lock_on_a_database_that_lies_there_makes_it_not_writable(look: Look, spawn: Spawn, tmp_path: Path) -> None:
    path = make_database(tmp_path / "orders.db", "wal")
    holder = spawn(
        f"import fcntl, sys; f = open({str(path)!r}, 'r+b'); fcntl.lockf(f, fcntl.LOCK_EX);"
        "print('ready', flush=True); sys.stdin.read()"
    )
    assert look("sqlite.writable", path=str(path)) == Known(value=False)
    holder.kill()
    holder.wait()
    assert look("sqlite.writable", path=str(path)) == Known(value=True)
    assert [file.name for file in sorted(tmp_path.iterdir())] == ["orders.db"]


@MODES
def test_readers_do_not_make_it_unwritable(look: Look, spawn: Spawn, tmp_path: Path, mode: str) -> None:
    path = make_database(tmp_path / "orders.db", mode)
    spawn(holding(path, "BEGIN"))
    assert look("sqlite.writable", path=str(path)) == Known(value=True)


def test_an_exclusive_lock_shuts_readers_out_too(look: Look, spawn: Spawn, tmp_path: Path) -> None:
    path = make_database(tmp_path / "orders.db", "delete")
    spawn(holding(path, "BEGIN EXCLUSIVE"))
    assert look("sqlite.writable", path=str(path)) == Known(value=False)
    shut = look("sqlite.scalar", path=str(path), query="SELECT 1 FROM orders", timeout="400ms")
    assert isinstance(shut, Unknown)


def test_a_broken_database_says_what_is_broken(look: Look, tmp_path: Path) -> None:
    path = make_database(tmp_path / "orders.db", "delete")
    content = bytearray(path.read_bytes())
    content[4096:4106] = b"\xff" * 10
    path.write_bytes(content)
    found = look("sqlite.integrity", path=str(path))
    assert isinstance(found, Known)
    assert found.value != "ok"


def test_a_file_that_is_no_database_is_unknown(look: Look, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database at all, although it is long enough to look at " * 10)
    for found in look_at_all(look, path):
        assert isinstance(found, Unknown)
        assert "file is not a database" in found.why
    for found in look_at_all(look, tmp_path / "absent.db"):
        assert isinstance(found, Unknown)
        assert "There is no file" in found.why


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM orders",
        "INSERT INTO orders VALUES (9, 'x', 1, 'y')",
        "DROP TABLE orders",
        "PRAGMA user_version = 7",
        "PRAGMA journal_mode = delete",
        "PRAGMA wal_checkpoint(TRUNCATE)",
        "ATTACH '/tmp/other.db' AS other",
        "VACUUM INTO '/tmp/copy.db'",
        "SELECT 1; DELETE FROM orders",
        "CREATE TEMP TABLE t (a)",
    ],
)
def test_a_query_that_would_change_something_is_refused(look: Look, tmp_path: Path, query: str) -> None:
    path = make_database(tmp_path / "orders.db")
    before = tree(tmp_path)
    assert isinstance(look("sqlite.rows", path=str(path), query=query), Unknown)
    assert tree(tmp_path) == before


def test_rows_are_objects_and_secrets_in_them_are_hidden(look: Look, tmp_path: Path) -> None:
    path = make_database(tmp_path / "orders.db")
    found = look("sqlite.rows", path=str(path), query="SELECT * FROM orders WHERE id = ?", parameters=[1])
    assert isinstance(found, Known)
    assert isinstance(found.value, list)
    (row,) = found.value
    assert isinstance(row, dict)
    assert (row["id"], row["item"], row["price"]) == (1, "tea", 2.5)
    assert row["token"] != "abc"


def test_too_many_rows_are_not_cut_but_refused(look: Look, tmp_path: Path) -> None:
    path = make_database(tmp_path / "orders.db")
    assert look("sqlite.rows", path=str(path), query="SELECT id FROM orders", limit=2) == Known(
        value=[{"id": 1}, {"id": 2}]
    )
    assert look("sqlite.rows", path=str(path), query="SELECT id FROM orders", limit=1) == Unknown(
        why="the query has more than 1 rows"
    )


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("SELECT price FROM orders WHERE id = 2", "the value is NULL"),
        ("SELECT id FROM orders WHERE id = 99", "the query has no row"),
        ("SELECT id, item FROM orders WHERE id = 1", "the query has more than one column"),
        ("SELECT id FROM orders", "the query has more than 1 rows"),
    ],
)
def test_a_scalar_is_exactly_one_value(look: Look, tmp_path: Path, query: str, why: str) -> None:
    assert look("sqlite.scalar", path=str(make_database(tmp_path / "orders.db")), query=query) == Unknown(why=why)


def test_an_endless_query_ends_at_its_limit(look: Look, tmp_path: Path) -> None:
    path = make_database(tmp_path / "orders.db")
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    found = look("sqlite.scalar", path=str(path), query=endless, timeout="100ms")
    assert found == Unknown(why="The database gave no answer within the time limit")


def digest(look: Look, path: Path) -> str:
    found = look("sqlite.digest", path=str(path))
    assert isinstance(found, Known)
    return str(found.value)


def test_the_digest_is_of_the_content_not_of_the_bytes(look: Look, tmp_path: Path) -> None:
    first, second = make_database(tmp_path / "a.db", "wal"), make_database(tmp_path / "b.db", "delete")
    change(second, "INSERT INTO orders VALUES (3, 'x', 1, 'y')", "DELETE FROM orders WHERE id = 3", "VACUUM", "ANALYZE")
    assert first.read_bytes() != second.read_bytes()
    assert digest(look, first) == digest(look, second)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE orders SET price = 2 WHERE id = 1",
        "UPDATE orders SET item = CAST(item AS BLOB) WHERE id = 1",
        "UPDATE orders SET item = item || char(0)",
        "DELETE FROM orders WHERE id = 1",
        "CREATE INDEX by_item ON orders (item)",
        "CREATE TABLE other (a)",
        "PRAGMA user_version = 2",
        "PRAGMA application_id = 2",
    ],
)
def test_the_digest_tells_every_change_of_content(look: Look, tmp_path: Path, statement: str) -> None:
    path = make_database(tmp_path / "orders.db")
    before = digest(look, path)
    change(path, statement)
    assert digest(look, path) != before


def test_rows_without_a_key_count_whatever_their_order(look: Look, tmp_path: Path) -> None:
    first, second = make_database(tmp_path / "a.db"), make_database(tmp_path / "b.db")
    rows = (
        "INSERT INTO loose VALUES (1, 'a')",
        "INSERT INTO loose VALUES (1.5, 'b')",
        "INSERT INTO loose VALUES (1, 'a')",
    )
    change(first, "CREATE TABLE loose (a, b)", *rows)
    change(second, "CREATE TABLE loose (a, b)", *reversed(rows))
    assert digest(look, first) == digest(look, second)
    change(second, "DELETE FROM loose WHERE rowid = 1")
    assert digest(look, first) != digest(look, second)
