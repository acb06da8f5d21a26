"""For every action: a world in which it has something to do, and what others may do to the same object meanwhile.

A new action without its case fails the suite.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

from grace.kit.filesystem.scan import scan
from grace.kit.filesystem.survey import Scope
from grace.kit.procfs import is_alive, process_stat
from tests.act.safehold.trees import grow
from tests.conformance.outgoing import counting_server, run_a_program, send_a_request, times_done

Parameters: TypeAlias = dict[str, Any]
State: TypeAlias = object
Edit: TypeAlias = Callable[[Path, Parameters, random.Random], None]

MAKE_DATABASE: Final = """
PRAGMA journal_mode = {mode};
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT, total REAL);
CREATE TABLE lines (order_id INTEGER REFERENCES orders(id) ON DELETE CASCADE, n INT, PRIMARY KEY (order_id, n));
INSERT INTO orders VALUES (1, 'ada', 1.5), (2, 'bob', 2), (3, 'eve', NULL), (4, x'00ff', 1e300);
INSERT INTO lines VALUES (1, 1), (1, 2), (4, 1);
"""
HOLDER: Final = """
import fcntl, signal, sys
seen = 0
def hear(number, frame):
    global seen
    seen += 1
def tell(number, frame):
    with open(sys.argv[2], "w") as asked: asked.write(str(seen))
signal.signal(signal.SIGHUP, hear)
signal.signal(signal.SIGUSR1, tell)
file = open(sys.argv[1], "a")
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
while True: signal.pause()
"""
"""Counts the hang-ups it was sent; asked by another signal, which the system delivers later, it tells the count."""


@contextmanager
def no_help(_world: Path) -> Generator[Parameters]:
    """Need nothing that runs."""
    yield {}


@dataclass(frozen=True, slots=True)
class Case:
    """How to try one action. `state` is what must be equal again after an exact undo, `effects` how often it acted."""

    prepare: Callable[[Path, random.Random, Parameters], Parameters]
    state: Callable[[Path], State]
    foreign: Edit | None = None
    beside: Edit | None = None
    helped: Callable[[Path], Any] = no_help
    effects: Callable[[Path, Parameters], int] | None = None
    seeds: int = 200
    """How many random worlds are tried where slow tests run."""
    is_exact: bool = True
    is_idempotent: bool = True
    tells_yes: bool = True
    """Whether the probe can tell that it was done."""
    may_be_repeated: bool = False
    """Whether the probe says `no` after a deed because doing it again is no second effect."""
    knows_its_change: bool = True
    """Whether it notes what it will write before it writes; else a kill in the middle leaves open whose work it is."""
    takes_anything: tuple[str, ...] = ()
    """Parameters of which no value is nonsense."""
    alias: bool = True
    """Whether the target is a path that can be named through a symlink as well."""


def files_below(world: Path) -> State:
    """Return every object exactly; the time of the world's own folder, which is in no scope, does not count."""
    tree = dict(scan(world, Scope(most_objects=1000)))
    tree[""] = replace(tree[""], mtime_ns=0)
    return tree


def rows_of(world: Path) -> State:
    """Return all rows, typed."""
    with closing(sqlite3.connect(world / "orders.db", timeout=10)) as connection:
        return {
            table: sorted(map(repr, connection.execute(f"SELECT *, typeof(id), typeof(total) FROM {table}")))
            if table == "orders"
            else sorted(map(repr, connection.execute(f"SELECT *, typeof(n) FROM {table}")))
            for table in ("orders", "lines")
        }


def _dress(path: Path, chance: random.Random) -> None:
    path.chmod(chance.choice([0o600, 0o644, 0o755, 0o4711, 0o2755, 0o1644, 0o400]))
    if chance.random() < 0.5:
        os.setxattr(path, "user.origin", chance.randbytes(chance.randint(0, 80)))
    if chance.random() < 0.2 and os.geteuid() == 0:
        os.chown(path, 1, 5)
    os.utime(path, ns=(1, chance.choice([0, 1, -1, 999_999_999, 4 * 10**18, chance.randint(0, 2 * 10**18)])))


FILE_NAMES: Final = (
    "target.yaml",
    "with space.yaml",
    "new\nline.yaml",
    "ünïcode.yaml",
    "-rf.yaml",
    ".hidden.yaml",
    "${HOME}.yaml",
    "x" * 250 + ".yaml",
)


def _file(world: Path, chance: random.Random, content: bytes) -> Path:
    (world / "beside.txt").write_text("of others")
    path = world / chance.choice(FILE_NAMES)
    path.write_bytes(content)
    _dress(path, chance)
    return path


def _write(world: Path, chance: random.Random, _: Parameters) -> Parameters:
    path = _file(world, chance, chance.randbytes(chance.randint(0, 5000)))
    mode = {"mode": chance.choice(["0600", "0640", "755"])} if chance.random() < 0.5 else {}
    match chance.randint(0, 3):
        case 0:
            path.unlink()
        case 1:
            (world / "link").symlink_to(path.name)
            path = world / "link"
        case _:
            pass
    return {"path": str(path), "content": f"new content {chance.random()}\n" * chance.randint(1, 50), **mode}


def _replace_text(world: Path, chance: random.Random, _: Parameters) -> Parameters:
    path = _file(world, chance, b"left " + chance.randbytes(20).hex().encode() + b"MARK right MARK\n")
    return {"path": str(path), "old": "MARK", "new": f"{chance.random()}", "count": 2}


def _set_value(world: Path, chance: random.Random, _: Parameters) -> Parameters:
    path = _file(world, chance, f"# why\npool: {{size: {chance.randint(1, 9)}}}  # here\n".encode())
    return {"path": str(path), "key": "pool.size", "value": chance.choice([50, 2.5, "many words", None, False])}


def _chmod(world: Path, chance: random.Random, _: Parameters) -> Parameters:
    return {"path": str(_file(world, chance, b"content")), "mode": chance.choice(["0666", "0711", "2750"])}


def _remove(world: Path, chance: random.Random, _: Parameters) -> Parameters:
    path = _file(world, chance, b"goes")
    match chance.randint(0, 2):
        case 0:
            path.unlink()
            path.symlink_to("beside.txt")
        case 1:
            path.unlink()
            path.mkdir()
            grow(path, chance)
            for part in ("one", "two/deep", "three"):
                (path / part).mkdir(parents=True)
                _dress(_named(path / part / "file", chance), chance)
            os.link(path / "one" / "file", path / "three" / "another name")
        case _:
            pass
    return {"path": str(path), "recursive": True}


def _named(path: Path, chance: random.Random) -> Path:
    path.write_bytes(chance.randbytes(30))
    return path


def _edit_file(_world: Path, parameters: Parameters, chance: random.Random) -> None:
    """Do to the very object what somebody else might do."""
    path = Path(os.path.realpath(parameters.get("path") or parameters["writes"][0]))
    if not path.exists():
        path.write_text(f"theirs {chance.random()}")
        return
    match chance.randint(0, 3):
        case 0:
            path.write_bytes(b"theirs" + chance.randbytes(5))
        case 1:
            path.with_name("aside").write_bytes(b"theirs" + chance.randbytes(5))
            path.with_name("aside").replace(path)
        case 2:
            path.chmod(0o607)
        case _:
            path.unlink()
            path.mkdir()


def _edit_neighbour(world: Path, _parameters: Parameters, chance: random.Random) -> None:
    (world / "beside.txt").write_text(f"of others {chance.random()}")
    (world / f"new-{chance.randint(0, 9)}").write_text("of others")


_STATEMENTS: Final = (
    "UPDATE orders SET total = {value} WHERE id <= 3",
    "UPDATE orders SET customer = 'c{value}' WHERE id = 4",
    "DELETE FROM orders WHERE id IN (1, 4)",
    "INSERT INTO orders VALUES (50, 'ours', {value}), (51, NULL, NULL)",
    "INSERT OR REPLACE INTO lines SELECT id, 1 FROM orders",
    "UPDATE lines SET n = n + 10",
)


def _database(world: Path, chance: random.Random) -> Path:
    path = world / "orders.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(MAKE_DATABASE.format(mode=chance.choice(["wal", "delete"])))
    return path


def _execute(world: Path, chance: random.Random, _: Parameters) -> Parameters:
    path = _database(world, chance)
    statements = [{"sql": sql.format(value=chance.randint(5, 99))} for sql in chance.sample(_STATEMENTS, 2)]
    return {"path": str(path), "statements": statements, "at_most_rows": 50, "patience": "10s"}


def _checkpoint(world: Path, chance: random.Random, _: Parameters) -> Parameters:
    return {"path": str(_database(world, chance)), "mode": chance.choice(["passive", "full", "truncate"])}


def _edit_rows(world: Path, _parameters: Parameters, chance: random.Random) -> None:
    """Change every row that is there, so that ours are among them."""
    with closing(sqlite3.connect(world / "orders.db", timeout=10)) as connection:
        connection.execute("UPDATE orders SET customer = ?", (f"theirs {chance.random()}",))
        connection.execute("UPDATE lines SET n = n + 1000")
        connection.execute("INSERT INTO orders VALUES (1, 'theirs', 0) ON CONFLICT DO NOTHING")
        connection.execute("INSERT INTO orders VALUES (4, 'theirs', 0) ON CONFLICT DO NOTHING")
        connection.execute("INSERT INTO orders VALUES (50, 'theirs', 0) ON CONFLICT DO NOTHING")
        connection.commit()


def _add_rows(world: Path, _parameters: Parameters, chance: random.Random) -> None:
    with closing(sqlite3.connect(world / "orders.db", timeout=10)) as connection:
        connection.execute("INSERT INTO orders VALUES (?, 'of others', 1)", (chance.randint(1000, 10**6),))
        connection.commit()


@contextmanager
def _holder(world: Path) -> Generator[Parameters]:
    """Run a process that holds a lock, counts what it is sent, and is ended at the end."""
    os.mkfifo(world.parent / "asked")
    command = [sys.executable, "-S", "-c", HOLDER, str(world / "locked"), str(world.parent / "asked")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        stat = process_stat(process.pid)
        assert stat is not None
        try:
            yield {"pid": process.pid, "started_at": stat.started_at}
        finally:
            process.kill()


def _terminate(world: Path, _chance: random.Random, process: Parameters) -> Parameters:
    return {"process": process, "holds": str(world / "locked"), "patience": "5s"}


def _signal(world: Path, _chance: random.Random, process: Parameters) -> Parameters:
    return {"process": process, "holds": str(world / "locked"), "signal": "HUP"}


def _has_ended(_world: Path, parameters: Parameters) -> int:
    return 0 if is_alive(**parameters["process"]) else 1


def _signals_seen(world: Path, parameters: Parameters) -> int:
    os.kill(parameters["process"]["pid"], signal.SIGUSR1)
    return int((world.parent / "asked").read_text())


def _on_files(prepare: Callable[[Path, random.Random, Parameters], Parameters]) -> Case:
    return Case(prepare, files_below, foreign=_edit_file, beside=_edit_neighbour)


def _edit_by_program(world: Path, chance: random.Random, help_given: Parameters) -> Parameters:
    """Return a command that appends to the file that `file.write` would write."""
    path = _write(world, chance, help_given)["path"]
    script = 'echo more >> "$1"; test "$2" = keep || chmod 640 "$1"'
    words = ["/bin/sh", "-c", script, "sh", path, chance.choice(["keep", "change"])]
    return {"argv": words, "writes": [path], "patience": "200ms"}


def _flush(world: Path, chance: random.Random, _: Parameters) -> Parameters:
    folder = world / "cache"
    (world / "beside.txt").write_text("of others")
    (folder / "deep" / "deeper").mkdir(parents=True)
    for number in range(chance.randint(1, 6)):
        place = folder / chance.choice(["", "deep", "deep/deeper"]) / f"entry-{number}"
        _dress(_named(place, chance), chance)
    (folder / "kept").write_bytes(b"kept" + chance.randbytes(4))
    match chance.randint(0, 2):
        case 0:
            (folder / "link").symlink_to("nowhere")
        case 1:
            (folder / "deep").chmod(0o750)
        case _:
            os.setxattr(folder / "deep" / "deeper", "user.origin", chance.randbytes(8))
    return {"path": str(folder), "at_most": chance.randint(10, 100)}


def _refill(world: Path, _parameters: Parameters, chance: random.Random) -> None:
    """Fill the cache again, with something else under a name that was there."""
    if chance.random() < 0.5:
        (world / "cache" / "kept").write_bytes(b"theirs" + chance.randbytes(5))
    else:
        (world / "cache").rmdir()
        (world / "cache").write_text("theirs")


def _fill_beside(world: Path, parameters: Parameters, chance: random.Random) -> None:
    _edit_neighbour(world, parameters, chance)
    (world / "cache" / "of-others").write_text("of others")


_AT_ONCE: Final = Case(_terminate, lambda _: None, is_exact=False, is_idempotent=False, alias=False)

CASES: Final[Mapping[str, Case]] = {
    "file.write": _on_files(_write),
    "file.replace_text": replace(_on_files(_replace_text), is_idempotent=False),
    "file.set_value": _on_files(_set_value),
    "file.chmod": _on_files(_chmod),
    "file.remove": replace(_on_files(_remove), alias=False, may_be_repeated=True),
    "sqlite.execute": Case(_execute, rows_of, _edit_rows, _add_rows, is_idempotent=False),
    "sqlite.checkpoint": Case(_checkpoint, rows_of, beside=_add_rows, tells_yes=False, may_be_repeated=True),
    "cache.flush": Case(_flush, files_below, foreign=_refill, beside=_fill_beside),
    "process.terminate": replace(_AT_ONCE, prepare=_terminate, helped=_holder, effects=_has_ended),
    "process.signal": replace(_AT_ONCE, prepare=_signal, helped=_holder, effects=_signals_seen, tells_yes=False),
    "command.run": replace(_AT_ONCE, prepare=run_a_program, effects=times_done),
    "command.edit": replace(_on_files(_edit_by_program), is_idempotent=False, alias=False, knows_its_change=False),
    "http.request": replace(
        _AT_ONCE, prepare=send_a_request, helped=counting_server, effects=times_done, takes_anything=("body",)
    ),
}


def fresh(folder: Path) -> Path:
    """Return an empty world."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "world").mkdir(parents=True)
    return folder
