"""docs/first-hour.md, executed as it stands on a service that is not our example."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import sysconfig
import threading
import venv
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from grace.kit.clock import SystemClock
from grace.kit.procfs import is_alive, process_stat
from tests.first_hour.page import PAGE, Command, Event, missing, steps
from tests.first_hour.terminal import PATIENCE_S, Terminal, open_terminal

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ROOT = PAGE.parents[1]
BOOKINGS = Path(__file__).parent / "bookings"
MOST_COMMANDS = 6
FIRST_PLAN = "grace report"


@dataclass(slots=True)
class Afternoon:
    """The world of the page: a service, its customers, and the import that hangs."""

    folder: Path
    terminal: Terminal
    python: Path
    port: int = 0
    service: subprocess.Popen[bytes] | None = None
    culprit: subprocess.Popen[str] | None = None
    answers: list[int] = field(default_factory=list[int])
    _customers: threading.Thread | None = None
    _is_over: threading.Event = field(default_factory=threading.Event)

    def happen(self, event: str) -> None:
        match event:
            case "the service runs":
                self._start_service()
                self._book()  # the counters of the metrics page begin with the first request
            case "the service is started again":
                self._stop_service()
                self._start_service()
            case "something goes wrong":
                self._hold_the_lock()
                self._customers = threading.Thread(target=self._keep_booking, daemon=True)
                self._customers.start()
            case "the run is settled":
                self._until_settled()
            case "a person ends the import":
                assert self.culprit is not None
                self.culprit.kill()
                self.culprit.wait()
                self._until_contract("met")
            case other:
                pytest.fail(f"the page says {other!r}, and nobody knows how to make it happen")

    def close(self) -> None:
        self._is_over.set()
        if self._customers is not None:
            self._customers.join()
        self._stop_service()
        if self.culprit is not None:
            with self.culprit:
                self.culprit.kill()

    def told(self, command: str) -> Any:
        """Return the JSON that a command prints."""
        code, printed = self.terminal.run(f"{command} --json 2>/dev/null")
        assert code == 0, printed
        return json.loads(printed)

    def _start_service(self) -> None:
        """Start it in the shell, so that it has the variables that the page exports."""
        (self.folder / "bookings.port").unlink(missing_ok=True)
        self.terminal.run(f"python {BOOKINGS / 'bookings.py'} --port {self.port} >bookings.out 2>&1 &")
        clock, file = SystemClock(), self.folder / "bookings.port"
        while not (file.exists() and file.read_text().endswith("\n")):
            clock.sleep(0.02)
        self.port = int(file.read_text())

    def _stop_service(self) -> None:
        pid = int((self.folder / "bookings.pid").read_text())
        stat, clock = process_stat(pid), SystemClock()
        if stat is not None and stat.is_alive:
            os.kill(pid, signal.SIGTERM)
            while is_alive(pid, stat.started_at):
                clock.sleep(0.02)

    def _hold_the_lock(self) -> None:
        command = [str(self.python), str(BOOKINGS / "import_guests.py"), str(self.folder / "bookings.db")]
        self.culprit = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.culprit.stdout is not None
        assert self.culprit.stdout.readline().startswith("holding")

    def _keep_booking(self) -> None:
        while not self._is_over.wait(0.2):
            self.answers.append(self._book())

    def _book(self) -> int:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("POST", "/bookings", json.dumps({"room": "12", "guest": "ada"}))
        status = connection.getresponse().status
        connection.close()
        return status

    def _until_settled(self) -> None:
        clock = SystemClock()
        while not all(run["settlement"] for run in self.told("grace runs")["items"]):
            clock.sleep(0.2)

    def _until_contract(self, word: str) -> None:
        clock = SystemClock()
        while self.told("grace report")["items"][0]["contract"] != word:
            clock.sleep(0.2)


@pytest.fixture
def afternoon(tmp_path: Path) -> Generator[Afternoon]:
    """Open a terminal in a fresh folder, with an interpreter of its own and nothing of GRACE in it."""
    folder, home = tmp_path / "work", tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    (home / "grace").symlink_to(ROOT)
    python = _interpreter(tmp_path / "venv")
    with open_terminal(folder, _variables(home, python)) as terminal:
        world = Afternoon(folder, terminal, python)
        try:
            yield world
        finally:
            world.close()


def _interpreter(folder: Path) -> Path:
    """Make a virtual environment that sees the parts of this one, so that nothing has to be fetched."""
    venv.create(folder, with_pip=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    seen = Path(folder, "lib", version, "site-packages", "seen.pth")
    seen.write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin" / "python"


def _variables(home: Path, python: Path) -> Mapping[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GRACE_", "PIP_", "PYTHON"))}
    as_root = {"GRACE_ALLOW_PROCESS_CONTROL_AS_ROOT": "true"} if os.geteuid() == 0 else {}
    return {
        **kept,
        **as_root,
        "HOME": str(home),
        "PATH": f"{python.parent}:{os.environ['PATH']}",
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip reads it the other way round: build with what is installed here
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "GRACE_PORT": "0",
        "GRACE_OBSERVE_EVERY": "1s",
        "NO_COLOR": "1",
        "COLUMNS": "300",
        "PYTHONUNBUFFERED": "1",
    }


def test_the_page_leads_from_nothing_to_an_observed_plan(afternoon: Afternoon) -> None:
    page = list(steps(PAGE.read_text()))
    typed: list[str] = []
    for step in page:
        match step:
            case Event(name):
                afternoon.happen(name)
            case Command() as command:
                typed.append(command.line)
                _type(afternoon.terminal, command)
                if command.line == FIRST_PLAN and typed.count(FIRST_PLAN) == 1:
                    assert len(typed) <= MOST_COMMANDS, typed
                    _check_the_first_plan(afternoon)
    assert FIRST_PLAN in typed
    _check_what_people_did(afternoon)


def _type(terminal: Terminal, command: Command) -> None:
    if command.is_in_background:
        printed = terminal.start(command.line, command.shown[-1].partition("…")[0])
    else:
        code, printed = terminal.run(command.line)
        assert code == 0, f"{command.line} ended with {code}:\n{printed}"
    assert missing(command.shown, printed) == [], f"{command.line} printed:\n{printed}"


def _check_the_first_plan(afternoon: Afternoon) -> None:
    """Hold the plan to the world: the right process, found and left alone; real failures; one run, settled observed."""
    culprit = afternoon.culprit
    assert culprit is not None
    runs = afternoon.told("grace runs")["items"]
    assert [run["settlement"] for run in runs] == ["observed"]
    entries = afternoon.told(f"grace ledger entries --run {runs[0]['id']}")["items"]
    plan = next(one["payload"] for one in entries if one["type"] == "plan.made")
    stat = process_stat(culprit.pid)
    assert stat is not None
    assert [step["uses"] for step in plan["steps"]] == ["process.terminate"]
    process = plan["steps"][0]["with"]["process"]
    assert (process["pid"], process["started_at"]) == (culprit.pid, stat.started_at)
    assert plan["finds"][0]["result"]["held_s"] >= 5
    assert not [one["type"] for one in entries if one["type"].startswith(("step.", "execution.", "snapshot."))]
    assert culprit.poll() is None, "observe touches nothing"
    assert afternoon.answers.count(503) >= 3
    incidents = afternoon.told("grace incidents")["items"]
    assert [one["cause"] for one in incidents] == ["database_locked"]
    assert incidents[0]["count"] >= 3
    report = afternoon.told("grace report")
    assert (report["observed"], len(report["items"])) == (1, 1)


def _check_what_people_did(afternoon: Afternoon) -> None:
    report = afternoon.told("grace report")
    assert report["contracts"] == {"met": 1}
    assert report["marks"] == {"right": 1}
    assert 0 <= report["items"][0]["minutes"] <= PATIENCE_S / 60 * 2
    assert afternoon.answers[-1] == 201


def test_a_line_that_was_not_printed_is_missing() -> None:
    assert missing(("one … three", "five"), "zero\none  two three\nfive\n") == []
    assert missing(("five", "one … three"), "one two three\nfive") == ["one … three"]
    assert missing(("four",), "fourteen") == ["four"]
