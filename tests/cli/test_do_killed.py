"""A server that is killed while a command runs by hand: after the restart there is one settlement, and it is true."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from grace_sdk.client import Client, Json

from grace.cli.addresses import find_address
from grace.kit.clock import SystemClock
from grace.shipped import shipped_folder
from tests.cli.hand_world import ALLOWED, services, shop

pytestmark = pytest.mark.slow


@dataclass(frozen=True, slots=True)
class Killable:
    """A folder with all that a server needs, and the file that is mended."""

    folder: Path
    config: Path

    @contextmanager
    def serving(self) -> Generator[tuple[subprocess.Popen[str], Client]]:
        """Run the server as a process of its own, and be its admin."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GRACE_")}
        policies = f"{shipped_folder('policies')}:{self.folder / 'policies'}"
        environment = {**kept, "GRACE_DATA_FOLDER": str(self.folder / "data"), "GRACE_POLICY_FOLDERS": policies}
        command = [sys.executable, "-m", "grace", "serve", "--port", "0", "--json", "--config", "grace.yaml"]
        with subprocess.Popen(command, cwd=self.folder, env=environment, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                address = json.loads(process.stdout.readline())["address"]
                token = find_address(address, "", self.folder / "data").token
                with Client(address, token) as client:
                    yield process, client
            finally:
                process.kill()

    def asked(self, script: str) -> dict[str, Json]:
        return {
            "service": "shop",
            "command": ["sh", "-c", script],
            "writes": [str(self.config)],
            "within": "2s",
            "lasting": "300ms",
            "reason": "a test",
        }


@pytest.fixture
def killable(tmp_path: Path) -> Generator[Killable]:
    watched = tmp_path / "watched"
    watched.mkdir()
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "by_hand.cedar").write_text(ALLOWED)
    config = watched / "shop.conf"
    config.write_text("pool=1\n")
    with shop(config) as address:
        (tmp_path / "grace.yaml").write_text(services(watched, address))
        yield Killable(tmp_path, config)


def begun_and_killed(killable: Killable, script: str, mark: Path) -> str:
    """Have the server run a script that leaves a mark and then sleeps; kill it there; return the run."""
    clock = SystemClock()
    with killable.serving() as (server, client):
        begun: Any = client.post("/api/do", body=killable.asked(script))
        while not mark.exists():
            clock.sleep(0.02)
        server.send_signal(signal.SIGKILL)
        server.wait()
    return str(begun["run"]["id"])


def settled(killable: Killable, run_id: str) -> dict[str, Any]:
    """Start the server again and return how the run ended."""
    clock = SystemClock()
    with killable.serving() as (_, client):
        while True:
            run: Any = client.get(f"/api/runs/{run_id}")
            if run["settlement"]:
                return run
            clock.sleep(0.05)


def test_a_kill_before_anything_was_written_is_rolled_back(killable: Killable) -> None:
    before = (killable.config.read_text(), killable.config.stat().st_mode, killable.config.stat().st_mtime_ns)
    mark = killable.config.parent / "mark"
    run_id = begun_and_killed(killable, f"touch {mark}; sleep 600; echo pool=9 > {killable.config}", mark)
    assert settled(killable, run_id)["settlement"] == "rolled_back"
    after = (killable.config.read_text(), killable.config.stat().st_mode, killable.config.stat().st_mtime_ns)
    assert after == before, "and the command was not run again"


def test_a_kill_after_a_write_leaves_what_may_be_anybodys_and_says_so(killable: Killable) -> None:
    mark = killable.config.parent / "mark"
    run_id = begun_and_killed(killable, f"echo pool=9 > {killable.config}; touch {mark}; sleep 600", mark)
    run = settled(killable, run_id)
    assert run["settlement"] == "not_restored"
    assert str(killable.config) in run["ending"]["sentence"]
    assert killable.config.read_text() == "pool=9\n"


def test_a_kill_after_a_link_became_a_file_leaves_that_file_and_says_so(killable: Killable) -> None:
    real, mark = killable.config.with_name("real.conf"), killable.config.parent / "mark"
    killable.config.rename(real)
    killable.config.symlink_to(real.name)
    run_id = begun_and_killed(killable, f"sed -i s/1/9/ {killable.config}; touch {mark}; sleep 600", mark)
    run = settled(killable, run_id)
    assert run["settlement"] == "not_restored"
    assert f"{killable.config}: foreign" in run["ending"]["sentence"]
    assert (killable.config.read_text(), real.read_text()) == ("pool=9\n", "pool=1\n")


def test_what_a_command_wrote_before_a_kill_is_not_left_in_plain(killable: Killable) -> None:
    mark, secret = killable.config.parent / "mark", killable.config.parent / "secret"
    secret.write_text("password=canary-hunter2\n")
    for _ in range(2):
        mark.unlink(missing_ok=True)
        run_id = begun_and_killed(killable, f"cat {secret}; touch {mark}; sleep 600", mark)
        assert settled(killable, run_id)["settlement"] == "rolled_back"
    data = killable.folder / "data"
    files = [file for file in data.rglob("*") if file.is_file()]
    assert [file for file in files if b"canary-hunter2" in file.read_bytes()] == []
    assert list((data / "handles").glob("command_*")) == []
    assert len(list((data / "vault").iterdir())) > 1, "what it wrote is kept, encrypted"
