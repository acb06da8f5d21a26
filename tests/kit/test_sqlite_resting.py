"""A WAL database that nobody has open is looked at as it lies there, and again where somebody writes meanwhile."""

import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from queue import SimpleQueue

import apsw
import pytest
from pydantic import JsonValue

from grace.kit.sqlite_child import FaultKind, SqliteFault
from grace.kit.sqlite_child.conversation import Request
from grace.kit.sqlite_child.resting import again_where_moved, can_be_locked, looking
from grace.kit.sqlite_child.undoing import UNDO_OPERATIONS
from grace.kit.sqlite_child.writing import WRITE_OPERATIONS


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "a b?#%41.db"
    write(made, "PRAGMA journal_mode = wal", "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)", insert("x"))
    assert [file.name for file in tmp_path.iterdir()] == [made.name]
    return made


def insert(value: str) -> str:
    return f"INSERT INTO t (a) VALUES ('{value}')"


def write(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def request(path: Path, timeout_s: float = 30.0, **arguments: JsonValue) -> Request:
    given: dict[str, JsonValue] = {"path": str(path), **arguments}
    deadline = time.monotonic() + timeout_s
    return Request(1, "look", given, deadline=deadline, send=lambda _: None, replies=SimpleQueue())


def counting(meanwhile: Callable[[], None]) -> Callable[[Request], JsonValue]:
    """Return an operation that counts rows, between which something else happens."""

    def count(asked: Request) -> JsonValue:
        with looking(asked.text("path"), asked) as database:
            before = database.value("SELECT count(*) FROM t")
            meanwhile()
            return [database.lies, before, database.value("SELECT count(*) FROM t")]  # pyright: ignore[reportReturnType]

    return count


def test_what_lies_there_is_read_without_a_lock_and_without_a_trace(path: Path) -> None:
    before = path.parent.stat().st_mtime_ns
    assert counting(lambda: None)(request(path)) == [True, 1, 1]
    UNDO_OPERATIONS["facts"](request(path))
    statements: JsonValue = [{"sql": insert("y"), "parameters": []}]
    rehearsed = WRITE_OPERATIONS["rehearse"](request(path, statements=statements, most_rows=1))
    assert isinstance(rehearsed, dict)
    assert path.parent.stat().st_mtime_ns == before
    assert len(rehearsed["rows"]) == 1  # pyright: ignore[reportArgumentType]


def test_it_is_looked_at_again_where_somebody_wrote_meanwhile(path: Path) -> None:
    writers = iter([insert("y"), insert("z")])

    def meanwhile() -> None:
        if (statement := next(writers, None)) is not None:
            write(path, statement)

    assert again_where_moved(counting(meanwhile))(request(path)) == [True, 3, 3]


def test_whoever_opens_it_meanwhile_without_moving_it_disturbs_nobody(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as owner:
        seen = again_where_moved(counting(lambda: owner.execute(insert("y")) and None))(request(path))
        assert seen == [True, 1, 1], "the write is in the WAL: what lies in the file is the state before it"
        assert again_where_moved(counting(lambda: None))(request(path)) == [False, 2, 2]


def test_a_database_that_is_written_each_time_is_busy(path: Path) -> None:
    numbers = iter(range(1_000_000))
    asked = request(path, timeout_s=0.3)
    with pytest.raises(SqliteFault) as fault:
        again_where_moved(counting(lambda: write(path, insert(str(next(numbers))))))(asked)
    assert fault.value.kind is FaultKind.BUSY


def test_a_rollback_journal_database_is_read_under_its_locks(path: Path) -> None:
    write(path, "PRAGMA journal_mode = delete")
    assert counting(lambda: None)(request(path)) == [False, 1, 1]


def test_a_rollback_journal_database_that_is_written_meanwhile_is_read_once(path: Path) -> None:
    write(path, "PRAGMA journal_mode = delete")
    with closing(apsw.Connection(str(path))) as owner:
        owner.set_busy_timeout(0)
        looks: list[int] = []

        def count(asked: Request) -> JsonValue:
            with looking(asked.text("path"), asked) as database:
                before = database.value("SELECT count(*) FROM t")
                owner.execute(insert("y"))  # pyright: ignore[reportUnknownMemberType]
                looks.append(1)
                return [before, database.value("SELECT count(*) FROM t")]  # pyright: ignore[reportReturnType]

        assert again_where_moved(count)(request(path)) == [1, 2]
    assert len(looks) == 1


AS_NOBODY = """
import os, sys, time
from queue import SimpleQueue
from grace.kit.sqlite_child.conversation import Request
from grace.kit.sqlite_child.reading import READ_OPERATIONS
from grace.kit.sqlite_child import SqliteFault
os.setgroups([]), os.setgid(65534), os.setuid(65534)
given = {"path": sys.argv[1], "query": "SELECT a FROM t"}
asked = Request(1, "look", given, time.monotonic() + 30, print, SimpleQueue())
print(READ_OPERATIONS["rows"](asked)["rows"])
try:
    print(READ_OPERATIONS["writable"](asked))
except SqliteFault as fault:
    print(fault.why)
"""


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_whoever_may_write_nothing_there_reads_it_and_is_told_that_it_cannot_be_written() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        made = Path(folder) / "a.db"
        write(made, "PRAGMA journal_mode = wal", "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)", insert("x"))
        child = [sys.executable, "-c", AS_NOBODY, str(made)]
        said = subprocess.run(child, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()
    assert said == ["[['x']]", "The database or its folder is write protected."]


def test_a_full_disk_is_no_free_lock(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.statvfs(path)
    full = os.statvfs_result((*real[:4], 0, *real[5:]))

    def no_room(_: Path) -> os.statvfs_result:
        return full

    monkeypatch.setattr(os, "statvfs", no_room)
    with pytest.raises(SqliteFault, match="no room"):
        can_be_locked(str(path), 0.1)


def test_looking_gives_up_no_lock_of_the_same_process(path: Path) -> None:
    """POSIX drops a process's locks on a file when any descriptor of that file is closed."""
    write(path, "PRAGMA journal_mode = delete")
    with closing(apsw.Connection(str(path))) as holder:
        holder.execute("BEGIN IMMEDIATE")  # pyright: ignore[reportUnknownMemberType]
        assert counting(lambda: None)(request(path)) == [False, 1, 1]
        program = f"import sqlite3; sqlite3.connect({str(path)!r}, timeout=0).execute('BEGIN IMMEDIATE')"
        outsider = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "database is locked" in outsider.stderr
