"""Each pattern of faults ends somewhere: in a verified fix, in a question that waits, or handed to the owner."""

from __future__ import annotations

import json
import os
import signal
import socket
import socketserver
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

import pytest

from grace.model.events import EventType
from grace.model.execution import StepResult
from grace.model.settlement import SettlementKind
from tests.patterns.world import OWNER, World, open_world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]

HOLDER: Final = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("holding", flush=True)
sys.stdin.read()
"""
DEPENDENCY: Final = """\
#!/bin/sh
exec {python} -m http.server --bind 127.0.0.1 {port} --directory {folder} >/dev/null 2>&1 </dev/null &
"""
STOP: Final = """\
#!/bin/sh
exec true
"""
ALONE: Final = """
@id("test-end-stuck-writer")
@reason("The test lets one playbook end the one process that holds its database")
permit (
    principal == Playbook::"sqlite-release-stuck-writer",
    action == Action::"act_alone",
    resource == Service::"shop"
)
when
{{
    context.step.deed == Deed::"process.terminate" &&
    context.step.texts.hasTag("holds") && context.step.texts.getTag("holds") == "{database}"
}};
"""


@pytest.fixture
def folder() -> Generator[Path]:
    """A folder that also people who are not root can reach."""
    with tempfile.TemporaryDirectory(prefix="grace-patterns-") as made:
        path = Path(made).resolve()
        path.chmod(0o755)
        (path / "shop.json").write_text(json.dumps({"timeout_s": 1}))
        yield path


def locked_by(world: World, database: Path) -> subprocess.Popen[str]:
    holder = world.child(sys.executable, "-c", HOLDER, str(database))
    assert holder.stdout is not None
    assert holder.stdout.readline() == "holding\n"
    return holder


@pytest.fixture
def database(folder: Path) -> Path:
    file = folder / "orders.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT)")
    return file


def test_a_locked_database_ends_in_a_verified_fix_where_the_policy_lets_it(folder: Path, database: Path) -> None:
    rules = ALONE.format(database=database)
    labels = {"stuck_after": "1500ms"}
    with open_world(folder, labels=labels, targets=[("sqlite", str(database))], rules=rules) as world:
        holder = locked_by(world, database)
        world.shop("lock", database)

        assert world.settlement().kind is SettlementKind.COMMITTED
        assert world.diagnosis().cause == "database_locked"
        assert holder.wait() != 0
        assert world.entries(EventType.INCIDENT_CLOSED)
        assert world.entries(EventType.INCIDENT_ESCALATED) == []


def test_a_locked_database_ends_in_a_question_where_nobody_may_act_alone(folder: Path, database: Path) -> None:
    labels = {"stuck_after": "1500ms"}
    with open_world(folder, labels=labels, targets=[("sqlite", str(database))]) as world:
        holder = locked_by(world, database)
        world.shop("lock", database)

        assert world.question()["quorum"] == 2
        assert holder.poll() is None


def test_a_locked_database_whose_holder_may_not_be_touched_is_handed_over(folder: Path, database: Path) -> None:
    with open_world(folder, labels={"stuck_after": "1500ms"}) as world:
        holder = locked_by(world, database)
        world.shop("lock", database)

        handed = world.escalation()
        assert (handed.to, handed.cause, handed.settlement) == (OWNER, "database_locked", SettlementKind.DENIED)
        assert "not declare" in handed.why
        assert holder.poll() is None


@pytest.fixture
def secretive(folder: Path) -> Path:
    file = folder / "prices.csv"
    file.write_text("tea,3\n")
    file.chmod(0)
    return file


@pytest.mark.root
def test_a_denied_permission_ends_in_a_question_to_several_people_and_their_yes_in_a_verified_fix(
    folder: Path, secretive: Path
) -> None:
    labels = {"declares": "mode", "shared_file": str(secretive), "shared_mode": "0644"}
    with open_world(folder, labels=labels, targets=[("file", str(secretive))]) as world:
        world.shop("permission", secretive)

        assert world.question()["quorum"] == 2
        assert world.diagnosis().cause == "permission_denied"
        assert secretive.stat().st_mode & 0o777 == 0
        world.approve("ann", "ben")
        assert world.settlement().kind is SettlementKind.COMMITTED
        assert secretive.stat().st_mode & 0o777 == 0o644


@pytest.mark.root
def test_a_permission_of_a_secret_is_never_asked_for_and_the_owner_hears_the_rule_and_the_alternatives(
    folder: Path,
) -> None:
    key = folder / "server.key"
    key.write_text("not for you\n")
    key.chmod(0)
    labels = {"declares": "mode", "shared_file": str(key), "shared_mode": "0644"}
    with open_world(folder, labels=labels, targets=[("file", str(key))]) as world:
        world.shop("permission", key)

        handed = world.escalation()
        assert (handed.to, handed.settlement) == (OWNER, SettlementKind.DENIED)
        assert "security-is-not-overridden" in handed.why
        assert any("archive instead of deleting" in one for one in handed.suggestions)
        assert world.entries(EventType.APPROVAL_REQUESTED) == []
        assert key.stat().st_mode & 0o777 == 0


def test_a_refused_value_is_handed_over_with_its_field_and_what_would_pass_and_no_data_is_touched(
    folder: Path,
) -> None:
    with open_world(folder, labels={"default.quantity": "1"}, targets=[("file", f"{folder}/")]) as world:
        world.shop("validation", '{"item": "tea", "quantity": 0}')

        handed = world.escalation()
        assert (handed.to, handed.cause) == (OWNER, "validation_error")
        assert handed.suggestions[0] == (
            "field quantity: Input should be greater than 0; for example 1 passes; the declared default 1 passes"
        )
        assert world.entries(EventType.STEP_INTENDED) == []
        assert "handed over to olga" in world.explained()


class Mute:
    """A listener that never answers."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)

    @property
    def port(self) -> int:
        return int(self.socket.getsockname()[1])


@pytest.fixture
def mute() -> Generator[Mute]:
    made = Mute()
    yield made
    made.socket.close()


def test_a_timeout_without_a_declared_limit_is_handed_over(folder: Path, mute: Mute) -> None:
    with open_world(folder) as world:
        world.shop("timeout", mute.port)

        handed = world.escalation()
        assert (handed.to, handed.cause, handed.settlement) == (OWNER, "timeout", SettlementKind.DENIED)


@pytest.fixture
def slow() -> Generator[int]:
    """A neighbour that answers, later than it is waited for."""

    class Late(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            over.wait(0.4)
            with suppress(OSError):  # whoever asked may be gone
                self.request.sendall(b"3")

    over = threading.Event()
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Late) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield int(server.server_address[1])
        over.set()
        server.shutdown()
        thread.join()


def test_a_timeout_ends_in_a_verified_fix_once_somebody_agrees_to_a_longer_one(folder: Path, slow: int) -> None:
    config = folder / "shop.json"
    config.write_text(json.dumps({"timeout_s": 0.1}))
    labels = {"reloads_on": "HUP", "config": str(config), "timeout_key": "timeout_s", "timeout_raised_s": "20"}
    with open_world(folder, labels=labels, targets=[("file", str(config))]) as world:
        world.shop("timeout", slow)

        world.approve("ann")
        assert world.settlement().kind is SettlementKind.COMMITTED
        assert json.loads(config.read_text()) == {"timeout_s": 20}


def test_a_timeout_with_a_declared_limit_ends_in_a_question_whether_to_raise_it(folder: Path, mute: Mute) -> None:
    config = folder / "shop.json"
    labels = {"reloads_on": "HUP", "config": str(config), "timeout_key": "timeout_s", "timeout_raised_s": "20"}
    with open_world(folder, labels=labels, targets=[("file", str(config))]) as world:
        world.shop("timeout", mute.port)

        assert world.question()["quorum"] == 1
        assert json.loads(config.read_text()) == {"timeout_s": 1}
        assert world.entries(EventType.STEP_INTENDED) == []


def test_a_question_that_nobody_answers_is_handed_over(folder: Path, mute: Mute) -> None:
    config = folder / "shop.json"
    labels = {"reloads_on": "HUP", "config": str(config), "timeout_key": "timeout_s", "timeout_raised_s": "20"}
    with open_world(folder, labels=labels, targets=[("file", str(config))], approval_lifetime=2) as world:
        world.shop("timeout", mute.port)

        handed = world.escalation()
        assert (handed.to, handed.settlement) == (OWNER, SettlementKind.EXPIRED)
        assert "silence refuses" in handed.why
        assert world.entries(EventType.STEP_INTENDED) == []


@pytest.fixture
def small_disk(folder: Path) -> Generator[Path]:
    place = folder / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(place)], check=True)
    previews = place / "scratch" / "previews"
    previews.mkdir(parents=True)
    (previews / "filling").write_bytes(b"x" * (1024 * 1024 - 32 * 1024))
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.root
def test_a_full_disk_ends_in_a_verified_fix_that_frees_what_is_declared_scratch_and_nothing_else(
    folder: Path, small_disk: Path
) -> None:
    precious = small_disk / "precious"
    precious.write_bytes(b"orders")
    scratch = small_disk / "scratch" / "previews"
    labels = {"frees": "scratch", "scratch": str(scratch), "data_folder": str(small_disk)}
    with open_world(folder, labels=labels, targets=[("file", f"{small_disk}/scratch/")]) as world:
        world.shop("disk", small_disk)

        assert world.settlement().kind is SettlementKind.COMMITTED
        assert world.diagnosis().cause == "disk_full"
        assert not scratch.exists()
        assert precious.read_bytes() == b"orders"


@pytest.mark.root
def test_a_full_disk_without_declared_scratch_is_handed_over_and_nothing_is_removed(
    folder: Path, small_disk: Path
) -> None:
    with open_world(folder, targets=[("file", f"{small_disk}/")]) as world:
        world.shop("disk", small_disk)

        handed = world.escalation()
        assert (handed.to, handed.cause, handed.settlement) == (OWNER, "disk_full", SettlementKind.DENIED)
        assert any("declared scratch" in one for one in handed.suggestions)
        assert (small_disk / "scratch" / "previews" / "filling").exists()


def test_exhausted_file_handles_are_handed_over(folder: Path) -> None:
    with open_world(folder) as world:
        world.shop("handles", 100)

        handed = world.escalation()
        assert (handed.to, handed.cause) == (OWNER, "resource_exhausted")
        assert handed.suggestions


@pytest.fixture
def dead_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_a_dead_dependency_is_started_again_with_its_declared_command_once_somebody_agrees(
    folder: Path, dead_port: int
) -> None:
    start, stop = folder / "start", folder / "stop"
    site = folder / "site"
    site.mkdir()
    start.write_text(DEPENDENCY.format(python=sys.executable, port=dead_port, folder=site))
    stop.write_text(STOP)
    for program in (start, stop):
        program.chmod(0o755)
    url = f"http://127.0.0.1:{dead_port}/"
    labels = {
        "restarts": "dependency",
        "dependency_start": str(start),
        "dependency_stop": str(stop),
        "dependency_url": url,
    }
    with open_world(folder, labels=labels, targets=[("command", "dependency:shop")]) as world:
        world.shop("dependency", dead_port)

        assert world.question()["quorum"] == 1
        assert world.diagnosis().cause == "dependency_unavailable"
        world.approve("ann")
        try:
            assert world.settlement().kind is SettlementKind.COMMITTED
        finally:
            _end_left(world)


def _end_left(world: World) -> None:
    """End what the declared command left running."""
    for result in world.nouns(EventType.STEP_FINISHED, StepResult):
        left = result.output.get("left")
        for pid in left if isinstance(left, list) else ():
            os.kill(int(str(pid)), signal.SIGKILL)


def test_a_dead_dependency_that_nothing_is_declared_for_is_handed_over(folder: Path, dead_port: int) -> None:
    with open_world(folder) as world:
        world.shop("dependency", dead_port)

        handed = world.escalation()
        assert (handed.to, handed.cause) == (OWNER, "dependency_unavailable")


def test_an_unknown_fault_never_acts_and_is_handed_over(folder: Path) -> None:
    with open_world(folder, targets=[("file", f"{folder}/")]) as world:
        world.shop("riddle", "none")

        handed = world.escalation()
        assert (handed.to, handed.cause, handed.settlement) == (OWNER, "unknown", SettlementKind.DENIED)
        assert "never acts" in handed.why
        assert world.entries(EventType.PLAN_MADE) == []
        assert world.entries(EventType.STEP_INTENDED) == []
