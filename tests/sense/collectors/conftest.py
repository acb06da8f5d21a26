"""Real servers, databases and processes for the probes to look at."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any, TypeAlias, cast

import pytest

from grace.kit.clock import SystemClock
from grace.model.reading import Known, Unknown
from grace.sense.collectors.eyes import Eyes, found_collectors
from grace.sense.collectors.viewpoint import Viewpoint

Look: TypeAlias = Callable[..., Known | Unknown]


@pytest.fixture(scope="session")
def eyes() -> Iterator[Eyes]:
    with Eyes(found_collectors(Viewpoint(SystemClock()))) as found:
        yield found


@pytest.fixture
def look(eyes: Eyes) -> Look:
    """Return a function that aims a probe and reads it once."""

    def read(probe: str, **parameters: Any) -> Known | Unknown:
        return eyes.aim(probe, parameters).read()

    return read


@dataclass
class Site:
    """A small web server whose answers the test sets."""

    url: str
    status: int = 200
    body: bytes = b"all is well"
    headers: dict[str, str] = field(default_factory=dict[str, str])
    hold: threading.Event | None = None
    requests: list[str] = field(default_factory=list[str])
    heard: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    """The headers of each request, by name in lower case."""


@pytest.fixture
def site() -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.requests.append(self.path)
            made.heard.append({name.lower(): value for name, value in self.headers.items()})
            if made.hold is not None:
                made.hold.wait(10)
            self.send_response(made.status)
            for name, value in made.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(made.body)))
            self.end_headers()
            self.wfile.write(made.body)

        do_HEAD = do_GET  # noqa: N815 - the name that http.server looks for

        def handle(self) -> None:
            try:
                super().handle()
            except (BrokenPipeError, ConnectionResetError):
                return  # The probe has gone away, as it may.

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in the base class
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Site(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield made
    finally:
        if made.hold is not None:
            made.hold.set()
        server.shutdown()
        server.server_close()
        thread.join()


Spawn: TypeAlias = Callable[[str], subprocess.Popen[bytes]]


@contextmanager
def running(program: str) -> Generator[subprocess.Popen[bytes]]:
    """Run a Python program until the block ends; it is ready when it has written a line."""
    process = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with process:
        try:
            assert cast("IO[bytes]", process.stdout).readline()
            yield process
        finally:
            process.kill()


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    with ExitStack() as processes:
        yield lambda program: processes.enter_context(running(program))


def make_database(path: Path, mode: str = "wal") -> Path:
    """Make a database in a process of its own, so that this one never opens it."""
    program = (
        f"import sqlite3; c = sqlite3.connect({str(path)!r}); c.execute('PRAGMA journal_mode={mode}');"
        "c.execute('CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT, price REAL, token TEXT)');"
        "c.executemany('INSERT INTO orders VALUES (?, ?, ?, ?)',"
        "[(1, 'tea', 2.5, 'abc'), (2, 'cake', None, 'def')]); c.commit(); c.close()"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    return path


def holding(path: Path, begin: str = "BEGIN IMMEDIATE", then: str = "") -> str:
    """Return a program that opens a database, begins a transaction, says so and waits."""
    return (
        f"import sqlite3, sys; c = sqlite3.connect({str(path)!r}, isolation_level=None); c.execute({begin!r});"
        f"c.execute('SELECT * FROM orders').fetchall(); {then or 'pass'};"
        "print('ready', flush=True); sys.stdin.read()"
    )
