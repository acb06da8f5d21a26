"""Worlds in which an effect can be counted: a file, rows, a program, a process, a service over HTTP."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol

from grace.kit.procfs import process_stat
from grace.model.settlement import SettlementKind
from tests.crash.background import Background

SETTLES_S = 20.0


class World(Protocol):
    """What a case may change, and how to see what it changed."""

    @property
    def labels(self) -> dict[str, str]:
        """What the signal says of this world."""
        ...

    @property
    def targets(self) -> tuple[tuple[str, str], ...]:
        """Kind and id of what plans may write."""
        ...

    @property
    def pids(self) -> tuple[int, ...]:
        """Processes of this world, which are nobody's orphans."""
        ...

    def disturb(self) -> None:
        """Let others go on with their work between two lives."""
        ...

    def require(self, heal: SettlementKind, undo: SettlementKind | None) -> None:
        """Raise AssertionError unless the world is as these settlements say, with each effect once at most."""
        ...

    def close(self) -> None: ...


@dataclass(slots=True)
class Files:
    """One file that is rewritten and one that is new; beside them one of somebody else."""

    folder: Path
    pids: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.folder.exists():
            return
        self.folder.mkdir()
        (self.folder / "settings.txt").write_text("before\n")
        (self.folder / "settings.txt").chmod(0o640)
        (self.folder / "theirs.txt").write_text("theirs\n")

    @property
    def labels(self) -> dict[str, str]:
        return {"folder": str(self.folder)}

    @property
    def targets(self) -> tuple[tuple[str, str], ...]:
        return (("file", f"{self.folder}/"),)

    def disturb(self) -> None:
        (self.folder / "theirs.txt").write_text("theirs, later\n")

    def require(self, heal: SettlementKind, undo: SettlementKind | None) -> None:
        theirs = (self.folder / "theirs.txt").read_text()
        assert theirs in {"theirs\n", "theirs, later\n"}
        is_done = (undo or heal) is SettlementKind.COMMITTED
        after = {"settings.txt": ("after\n", 0o640), "new.txt": ("new\n", 0o600)}
        now = self._state()
        assert now == (after if is_done else {"settings.txt": ("before\n", 0o640)}), now

    def close(self) -> None:
        pass

    def _state(self) -> dict[str, tuple[str, int]]:
        names = [path for path in self.folder.iterdir() if path.name != "theirs.txt"]
        return {path.name: (path.read_text(), path.stat().st_mode & 0o777) for path in names}


@dataclass(slots=True)
class Rows:
    """A counter that a deed raises by one: doing it twice shows. Beside it a row of somebody else."""

    folder: Path
    pids: tuple[int, ...] = ()
    theirs: int = 0

    def __post_init__(self) -> None:
        self.folder.mkdir()
        with closing(sqlite3.connect(self.database, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("CREATE TABLE counters (id TEXT PRIMARY KEY, n INTEGER NOT NULL)")
            connection.execute("INSERT INTO counters VALUES ('ours', 0), ('theirs', 0)")

    @property
    def database(self) -> Path:
        return self.folder / "counters.db"

    @property
    def labels(self) -> dict[str, str]:
        return {"database": str(self.database)}

    @property
    def targets(self) -> tuple[tuple[str, str], ...]:
        return (("sqlite", str(self.database)),)

    def disturb(self) -> None:
        with closing(sqlite3.connect(self.database, isolation_level=None, timeout=SETTLES_S)) as connection:
            connection.execute("UPDATE counters SET n = n + 1 WHERE id = 'theirs'")
        self.theirs += 1

    def require(self, heal: SettlementKind, undo: SettlementKind | None) -> None:
        with closing(sqlite3.connect(self.database, isolation_level=None)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            now = dict(connection.execute("SELECT id, n FROM counters").fetchall())
        ours = 1 if (undo or heal) is SettlementKind.COMMITTED else 0
        assert now == {"ours": ours, "theirs": self.theirs}, now

    def close(self) -> None:
        pass


@dataclass(slots=True)
class Program:
    """A program that writes a line when it begins, when it is through, and when it is taken back."""

    folder: Path
    pids: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        self.folder.mkdir()

    @property
    def log(self) -> Path:
        return self.folder / "work.log"

    @property
    def labels(self) -> dict[str, str]:
        return {"log": str(self.log)}

    @property
    def targets(self) -> tuple[tuple[str, str], ...]:
        return (("command", "crash:work"),)

    def disturb(self) -> None:
        pass

    def require(self, heal: SettlementKind, undo: SettlementKind | None) -> None:
        lines = self.log.read_text().split() if self.log.exists() else []
        count = {word: lines.count(word) for word in ("began", "through", "undone")}
        assert count["began"] <= 1, f"the command was repeated: {lines}"
        assert count["undone"] <= 1, f"the compensation was repeated: {lines}"
        match heal:
            case SettlementKind.COMMITTED:
                assert lines == ["began", "through"], lines
            case SettlementKind.ROLLED_BACK:
                assert not lines or lines[-1] == "undone", f"not taken back: {lines}"
            case _:
                assert heal is not SettlementKind.ABORTED or not lines, lines

    def close(self) -> None:
        pass


@dataclass(slots=True)
class StuckWriter:
    """A process that holds the write lock of a database and does not let go."""

    folder: Path
    _holder: Background = field(init=False)
    _started_at: int = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir()
        with closing(sqlite3.connect(self.database)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
        self._holder = Background(self._hold)
        stat = process_stat(self._holder.pid)
        assert stat is not None
        self._started_at = stat.started_at

    @property
    def database(self) -> Path:
        return self.folder / "stuck.db"

    @property
    def pids(self) -> tuple[int, ...]:
        return (self._holder.pid,)

    @property
    def labels(self) -> dict[str, str]:
        return {"database": str(self.database)}

    @property
    def targets(self) -> tuple[tuple[str, str], ...]:
        return (("sqlite", str(self.database)),)

    def disturb(self) -> None:
        pass

    def require(self, heal: SettlementKind, undo: SettlementKind | None) -> None:
        stat = process_stat(self._holder.pid)
        lives = stat is not None and stat.is_alive and stat.started_at == self._started_at
        assert lives == (heal is SettlementKind.ABORTED), f"{heal}, and the holder {'lives' if lives else 'is gone'}"

    def close(self) -> None:
        self._holder.close()

    def _hold(self, ready: Callable[[], None]) -> None:
        connection = sqlite3.connect(self.database, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        ready()
        signal.pause()


@dataclass(slots=True)
class Reloading:
    """A process that counts the signals which ask it to reload; one too many shows."""

    folder: Path
    _main: Background = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self._main = Background(self._run)
        (self.folder / "main.pid").write_text(str(self._main.pid))

    @property
    def log(self) -> Path:
        return self.folder / "reloads.log"

    @property
    def pids(self) -> tuple[int, ...]:
        return (self._main.pid,)

    @property
    def labels(self) -> dict[str, str]:
        return {"pid_file": str(self.folder / "main.pid"), "log": str(self.log)}

    @property
    def targets(self) -> tuple[tuple[str, str], ...]:
        return (("file", f"{self.folder}/"),)

    def disturb(self) -> None:
        pass

    def require(self, heal: SettlementKind, undo: SettlementKind | None) -> None:
        words = self.log.read_text().split() if self.log.exists() else []
        assert words.count("USR1") <= 1, f"sent again: {words}"
        assert words.count("HUP") <= 1, f"taken back again: {words}"
        match heal:
            case SettlementKind.COMMITTED:
                assert words == ["USR1"], words
            case SettlementKind.ROLLED_BACK:
                assert words in ([], ["USR1", "HUP"], ["HUP"]), words
            case _:
                assert heal is not SettlementKind.ABORTED or not words, words

    def close(self) -> None:
        self._main.close()

    def _run(self, ready: Callable[[], None]) -> None:
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        hearing, saying = os.pipe()
        os.set_blocking(saying, False)
        signal.set_wakeup_fd(saying)
        for number in (signal.SIGUSR1, signal.SIGHUP):
            signal.signal(number, lambda _number, _frame: None)
        ready()
        while True:
            for number in os.read(hearing, 1):
                os.write(log, f"{signal.Signals(number).name.removeprefix('SIG')}\n".encode())


class _Switch(BaseHTTPRequestHandler):
    """Turned on by POST, off by DELETE; counts both, and under how many keys it was turned on."""

    counts: dict[str, int]
    keys: list[str]
    works_s: float
    """So long it works on being turned on, whoever still waits for the answer."""
    loses: bool
    """Whether the first request to be turned on is lost."""

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self.keys.append(self.headers["Idempotency-Key"])
        if self.loses and len(self.keys) == 1:
            return
        time.sleep(self.works_s)
        self.counts["on"] += 1
        self._answer()

    def do_DELETE(self) -> None:
        self.counts["off"] += 1
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
        pass

    def _answer(self) -> None:
        told = {**self.counts, "is_on": self.counts["on"] > self.counts["off"], "keys": len(set(self.keys))}
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of those who are killed before they hear the answer."""


@dataclass(slots=True)
class Switch:
    """A service with a switch; counts how often it was turned on and off."""

    folder: Path
    works_s: float = 0.0
    loses: bool = False
    _server: Background = field(init=False)
    port: int = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir()
        told = {"counts": {"on": 0, "off": 0}, "keys": list[str](), "works_s": self.works_s, "loses": self.loses}
        server = _Server(("127.0.0.1", 0), type("Counting", (_Switch,), told))
        self.port = server.server_port

        def serve(ready: Callable[[], None]) -> None:
            ready()
            server.serve_forever()

        self._server = Background(serve)
        server.socket.close()

    @property
    def pids(self) -> tuple[int, ...]:
        return (self._server.pid,)

    @property
    def labels(self) -> dict[str, str]:
        return {"url": f"http://127.0.0.1:{self.port}/switch"}

    @property
    def targets(self) -> tuple[tuple[str, str], ...]:
        return (("http", f"127.0.0.1:{self.port}/switch"),)

    def disturb(self) -> None:
        pass

    def require(self, heal: SettlementKind, undo: SettlementKind | None) -> None:
        counts = self._counts()
        assert counts["on"] <= 1, f"sent again: {counts}"
        assert counts["off"] <= 1, f"taken back again: {counts}"
        assert counts.pop("keys") <= 1, "sent again under another key"
        match heal:
            case SettlementKind.COMMITTED:
                assert counts == {"on": 1, "off": 0, "is_on": True}, counts
            case SettlementKind.ROLLED_BACK:
                assert not counts["is_on"], counts
            case _:
                assert heal is not SettlementKind.ABORTED or counts["on"] == 0, counts

    def close(self) -> None:
        self._server.close()

    def _counts(self) -> dict[str, int]:
        from http.client import HTTPConnection  # noqa: PLC0415

        connection = HTTPConnection("127.0.0.1", self.port, timeout=SETTLES_S)
        with closing(connection):
            connection.request("GET", "/switch")
            return json.loads(connection.getresponse().read())


def has_one_thread() -> bool:
    """Tell whether this process may be forked without losing a thread."""
    return len(os.listdir("/proc/self/task")) == 1  # noqa: PTH208 - a name is all that is wanted


def wait_until(holds: Callable[[], bool], what: str, limit_s: float = SETTLES_S) -> None:
    """Wait for a condition, generously."""
    deadline = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < deadline, f"{what} did not come about in {limit_s:g} s"
        time.sleep(0.005)
