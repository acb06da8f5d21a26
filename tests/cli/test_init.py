"""`grace init` on this machine, with a real service beside it."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from grace.cli.exits import Exit
from grace.kit.procfs import write_lock_holders
from grace.model.service import Mode
from grace.sense.declarations import load_services
from grace.settings import load_settings
from grace.wiring import catalogue
from grace.wiring.discovering import Narrowing, propose
from tests.cli.conftest import Grace

SERVICE = """\
import http.server, logging, os, pathlib, sqlite3, sys

class Desk(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        page = {"/metrics": 'notes_requests_total{status="200"} 1\\n', "/healthz": "ok"}.get(self.path)
        self.send_response(404 if page is None else 200)
        self.end_headers()
        self.wfile.write((page or "").encode())

    def log_message(self, *args):
        logging.info("%s %s", self.command, self.path)

logging.basicConfig(filename="notes.log", level=logging.INFO)
connection = sqlite3.connect("notes.db", isolation_level=None)
connection.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY)")
connection.execute("BEGIN EXCLUSIVE")
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Desk)
pathlib.Path("notes.pid").write_text(str(os.getpid()))
print(server.server_address[1], flush=True)
server.serve_forever()
"""
SECRET = "hunter22-of-the-tests"


@dataclass(frozen=True, slots=True)
class Notes:
    """A service of somebody's own: its folder, process and port."""

    folder: Path
    process: subprocess.Popen[str]
    port: int

    @property
    def only(self) -> Sequence[str]:
        return ("--port", str(self.port))


@pytest.fixture
def notes(tmp_path: Path) -> Generator[Notes]:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "notes.py").write_text(SERVICE)
    command = [sys.executable, "notes.py", f"--password={SECRET}", "--key", SECRET]
    environment = {**os.environ, "NOTES_API_KEY": SECRET}
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Notes(folder, process, int(process.stdout.readline()))
        finally:
            process.kill()


def _contents(folder: Path) -> dict[str, tuple[str, int, int, int]]:
    """Return of each file but the service's own log its digest, mode and times."""
    found: dict[str, tuple[str, int, int, int]] = {}
    for path in sorted(folder.rglob("*")):
        if path.name != "notes.log":
            told = path.stat()
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            found[path.name] = (digest, told.st_mode, told.st_mtime_ns, told.st_ctime_ns)
    return found


def test_a_real_service_is_found_and_its_proposal_loads(grace: Grace, notes: Notes, tmp_path: Path) -> None:
    output = tmp_path / "grace.yaml"
    said = grace("init", *notes.only, "--output", str(output))
    assert said.code == Exit.DONE, said.err
    for word in ("process", "database", "log", "metrics", "health", "next: read it, then grace doctor"):
        assert word in said.out
    declared = load_services(output, catalogue(load_settings()))
    assert declared.flaws == ()
    (service,) = declared.services
    assert (service.name, service.mode) == ("notes", Mode.OBSERVE)
    assert [(one.kind, one.id) for one in service.targets] == [("sqlite", str(notes.folder / "notes.db"))]
    assert service.evidence == (str(notes.folder / "notes.log"),)
    assert service.pid_file == str(notes.folder / "notes.pid")
    assert service.labels == {
        "address": f"http://127.0.0.1:{notes.port}",
        "engine": "sqlite",
        "database": str(notes.folder / "notes.db"),
    }
    assert set(service.indicators) == {"error_rate"}
    assert set(service.benchmarks) == {"smoke"}


def test_looking_changes_nothing_and_drops_no_lock(notes: Notes) -> None:
    """Every file keeps its bytes, mode and times, and the writer its lock; nothing is opened for writing."""
    before = _contents(notes.folder)
    opened: list[str] = []
    is_watching = True

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if is_watching and event == "open" and isinstance(flags := arguments[2], int):
            writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
            opened.extend([str(arguments[0])] if writes else [])

    sys.addaudithook(watch)
    narrowing = Narrowing(ports=frozenset({notes.port}))
    proposal = propose(load_settings(), Path("grace.yaml"), narrowing, docker=Path("/nowhere"), asks_pages=True)
    is_watching = False
    assert proposal.text
    assert opened == []
    assert _contents(notes.folder) == before
    assert write_lock_holders(str(notes.folder / "notes.db")).pids == (notes.process.pid,)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        _write(notes.folder / "notes.db")


def _write(database: Path) -> None:
    connection = sqlite3.connect(database, timeout=0)
    try:
        connection.execute("INSERT INTO notes VALUES (1)")
    finally:
        connection.close()


def test_pages_are_asked_for_only_where_that_is_wanted(grace: Grace, notes: Notes) -> None:
    assert grace("init", *notes.only, "--output", "-", "--no-pages").code == Exit.DONE
    assert (notes.folder / "notes.log").read_text() == ""
    assert grace("init", *notes.only, "--output", "-").code == Exit.DONE
    assert (notes.folder / "notes.log").read_text().splitlines() == [
        f"INFO:root:GET {path}" for path in ("/metrics", "/healthz", "/metrics")
    ]


def test_no_secret_of_a_command_line_or_an_environment_is_shown(grace: Grace, notes: Notes, tmp_path: Path) -> None:
    output = tmp_path / "grace.yaml"
    shown = [grace("init", *notes.only, "--output", str(output), "--force", *more).out for more in ((), ("--json",))]
    assert all("notes" in one for one in shown)
    assert SECRET not in "".join([*shown, output.read_text()])


def test_two_looks_propose_the_same(grace: Grace, notes: Notes) -> None:
    first, second = (grace("init", *notes.only, "--output", "-") for _ in range(2))
    assert first.code == Exit.DONE
    assert first.out == second.out


def test_a_file_that_is_there_is_not_overwritten(grace: Grace, notes: Notes, tmp_path: Path) -> None:
    output = tmp_path / "grace.yaml"
    output.write_text("mine")
    said = grace("init", *notes.only, "--output", str(output))
    assert said.code == Exit.REFUSED
    assert "--force" in said.err
    assert output.read_text() == "mine"
    assert grace("init", *notes.only, "--output", str(output), "--force").code == Exit.DONE
    assert "name: notes" in output.read_text()
    assert sorted(one.name for one in tmp_path.glob("*.yaml*")) == ["grace.yaml"]
    assert list(tmp_path.glob(".grace*")) == []


def test_places_that_are_no_file_are_refused_before_anything_is_looked_at(grace: Grace, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for output, why in ((tmp_path, "a folder"), (pipe, "no regular file"), (tmp_path / "no" / "x.yaml", "no folder")):
        said = grace("init", "--output", str(output), "--force")
        assert said.code == Exit.USAGE
        assert why in said.err
        assert "next: " in said.err


def test_json_tells_what_was_found_and_where_it_was_written(grace: Grace, notes: Notes, tmp_path: Path) -> None:
    output = tmp_path / "grace.yaml"
    told = json.loads(grace("init", *notes.only, "--output", str(output), "--json").out)
    assert told["services"] == ["notes"]
    assert told["output"] == str(output)
    assert {one["kind"] for one in told["findings"]} == {"process", "database", "log", "metrics", "health"}
    printed = json.loads(grace("init", *notes.only, "--output", "-", "--json").out)
    assert printed["proposal"] == output.read_text()


def test_a_folder_that_takes_no_file_is_told(grace: Grace, notes: Notes) -> None:
    said = grace("init", *notes.only, "--output", "/proc/grace.yaml")
    assert said.code == Exit.FAULT
    assert "/proc/grace.yaml cannot be written" in said.err
    assert "next: grace init --output FILE" in said.err


@pytest.mark.parametrize("asked", [("--service", "nobody"), ("--pid", "999999999"), ("--port", "1")])
def test_nothing_found_is_no_success_and_writes_nothing(grace: Grace, tmp_path: Path, asked: tuple[str, str]) -> None:
    output = tmp_path / "grace.yaml"
    said = grace("init", *asked, "--output", str(output), "--no-pages")
    assert said.code == Exit.USAGE
    assert asked[1] in said.err
    assert not output.exists()


def test_a_process_of_another_user_is_unknown_and_not_absent(notes: Notes) -> None:
    narrowing = Narrowing(ports=frozenset({notes.port}), pids=frozenset({notes.process.pid}))
    if os.geteuid() != 0:
        narrowing, notes_pid = Narrowing(pids=frozenset({1})), 1
        found = propose(load_settings(), Path("x"), narrowing, docker=Path("/nowhere"), asks_pages=False)
        assert [one.what for one in found.found.unseen] == [f"process {notes_pid}"]
        return
    settings = load_settings()
    os.seteuid(65_534)
    try:
        found = propose(settings, Path("x"), narrowing, docker=Path("/nowhere"), asks_pages=False)
    finally:
        os.seteuid(0)
    assert found.text == ""
    assert [one.what for one in found.found.unseen] == [f"port 127.0.0.1:{notes.port}", f"process {notes.process.pid}"]
    assert all(one.next for one in found.found.unseen)
