"""The demo, played for real; and however it ends, no process, no port and no file stays behind."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest
from grace_sdk.client import Client

from grace.kit.clock import SystemClock

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

PATIENCE_S: Final = 300.0
CLOCK: Final = SystemClock()
FALSE_SCENE: Final = """
import sys
from grace.cli.demo import Terminal
from grace.demo.playing import play

def lie(cast):
    cast.report.claim("two and two is five", true=2 + 2 == 5)
    return []

def lose_a_player(cast):
    cast.orders.end()
    cast.flow()
    return []

def nothing(cast):
    return []

terminal = Terminal(as_json="--json" in sys.argv)
code = play(terminal, keep="--keep" in sys.argv, scenes=[("A scene", globals()[sys.argv[1]])])
if terminal.as_json:
    terminal.data(terminal.document(code))
sys.exit(code)
"""


@dataclass(slots=True)
class Playing:
    """A demo under way, seen from outside."""

    process: subprocess.Popen[str]
    home: Path
    """Where it makes its folder."""
    lines: list[str] = field(default_factory=list[str])

    def read_until(self, part: str) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if part in line:
                return line
        pytest.fail(f"it never said {part!r}:\n" + "\n".join(self.lines))

    def read_to_the_end(self) -> int:
        assert self.process.stdout is not None
        self.lines += self.process.stdout.read().splitlines()
        return self.process.wait(PATIENCE_S)

    @property
    def said(self) -> str:
        return "\n".join(self.lines)

    @property
    def folder(self) -> Path:
        (found,) = self.home.iterdir()
        return found

    @property
    def ports(self) -> list[int]:
        return [int(port) for port in re.findall(r"http://127\.0\.0\.1:(\d+)", self.said)]

    def is_gone(self) -> bool:
        return not processes_of(self.home) and not list(self.home.iterdir()) and not any(map(answers, self.ports))


def processes_of(home: Path) -> list[int]:
    """Return every living process that was started for a folder in `home`, by its environment or its command line."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            told = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
            if f"{home}/grace-demo-".encode() in told:
                found.append(int(entry.name))
    return found


def answers(port: int) -> bool:
    with socket.socket() as trying:
        return trying.connect_ex(("127.0.0.1", port)) == 0


def wait_until(holds: Callable[[], bool], what: str) -> None:
    deadline = CLOCK.monotonic() + PATIENCE_S
    while not holds():
        assert CLOCK.monotonic() < deadline, f"waited in vain for {what}"
        CLOCK.sleep(0.05)


@pytest.fixture
def start(tmp_path: Path) -> Generator[Callable[..., Playing]]:
    started: list[Playing] = []

    def begin(*arguments: str) -> Playing:
        home = tmp_path / "home"
        home.mkdir()
        command = [sys.executable, *(arguments or ("-m", "grace", "demo"))]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(home)}, cwd=tmp_path
        )
        started.append(Playing(process, home))
        return started[-1]

    yield begin
    for playing in started:
        with playing.process:
            playing.process.kill()
        wait_until(lambda home=playing.home: not processes_of(home), "the end of everything that was started")


def test_every_line_is_true_and_nothing_stays_behind(start: Callable[..., Playing]) -> None:
    playing = start()
    assert playing.read_to_the_end() == 0, playing.said
    assert "✗ violated  not true" not in playing.said
    assert playing.said.count("✓ exactly one settlement") == 1
    assert "0 missing" in playing.said
    assert len(playing.ports) >= 2
    assert playing.is_gone()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_however_it_is_ended_nothing_stays_behind(start: Callable[..., Playing], number: signal.Signals) -> None:
    playing = start()
    playing.read_until("broken")
    book = json.loads((playing.folder / "children.json").read_bytes())
    assert {child["name"] for child in book} == {"grace", "orders", "load", "hold_lock"}
    assert all(os.getpgid(child["pid"]) == child["pid"] for child in book), "each has a group of its own"
    playing.process.send_signal(number)
    code = playing.read_to_the_end()
    assert code == (-number if number == signal.SIGKILL else 128 + number)
    wait_until(playing.is_gone, "the last process, port and file")


def test_a_false_line_fails_the_demo_and_keeps_its_files(start: Callable[..., Playing]) -> None:
    playing = start("-c", FALSE_SCENE, "lie")
    assert playing.read_to_the_end() == 1
    assert "not true: two and two is five" in playing.said
    assert str(playing.folder) in playing.lines[-1]
    assert (playing.folder / "logs" / "grace.log").exists()
    assert not processes_of(playing.home)


def test_a_player_that_falls_over_fails_the_demo_and_keeps_its_log(start: Callable[..., Playing]) -> None:
    playing = start("-c", FALSE_SCENE, "lose_a_player")
    assert playing.read_to_the_end() == 1
    assert "not true: the demo could be played to its end (ConnectionRefusedError" in playing.said
    assert (playing.folder / "logs" / "orders.log").exists()
    assert not processes_of(playing.home)


def test_kept_it_stays_up_until_its_janitor_is_told(start: Callable[..., Playing]) -> None:
    playing = start("-c", FALSE_SCENE, "nothing", "--keep")
    assert playing.read_to_the_end() == 0, playing.said
    (address,) = re.findall(r"export GRACE_SERVER=(\S+)", playing.said)
    (token,) = re.findall(r"export GRACE_TOKEN=(\S+)", playing.said)
    (janitor,) = re.findall(r"kill (\d+)$", playing.said)
    with Client(address, token) as visitor:
        assert visitor.get("/api/auth/whoami") is not None
        status = visitor.get("/api/autonomy/status")
    assert isinstance(status, dict)
    assert status["ledger_trouble"] is None
    os.kill(int(janitor), signal.SIGTERM)
    wait_until(playing.is_gone, "the last process, port and file")


def test_a_program_is_told_every_claim_once_at_the_end(start: Callable[..., Playing]) -> None:
    playing = start("-c", FALSE_SCENE, "lie", "--json")
    assert playing.read_to_the_end() == 1, playing.said
    told = json.loads(playing.said)
    assert (told["exit"], told["true"], told["checked"]) == (1, False, len(told["claims"]))
    assert [one for one in told["claims"] if not one["true"]] == [
        {"scene": 1, "claim": "two and two is five", "true": False, "shown": ""}
    ]
    assert told["runs"] == []
    assert Path(told["folder"]) == playing.folder
