"""`grace status` says what does not work: the record on a full disk, subscribers that are gone, the mode of a drill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from grace_sdk.client import ApiProblem, Client

from grace.cli.addresses import kept_token
from grace.cli.exits import Exit
from grace.cli.status import SubscriberView
from grace.model.events import EventType
from grace.model.ledger_entry import LedgerEntry
from grace.model.service import Service
from grace.record.mesh.subscription import SubscriberGone
from tests.cli.conftest import Grace
from tests.cli.world import World, open_world

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Generator[World]:
    with open_world(tmp_path_factory.mktemp("status")) as opened:
        yield opened


def ask(grace: Grace, world: World, *options: str) -> Any:
    return grace("status", "--server", world.address, "--token", world.tokens["eve"], *options)


def test_a_subscriber_that_is_gone_is_shown_with_why_and_the_next_command(grace: Grace, world: World) -> None:
    def deliver(_entry: LedgerEntry) -> None:
        message = "410 Gone"
        raise SubscriberGone(message)

    world.running.house.mesh.subscribe("webhook:gone", (EventType.HALT_STARTED,), deliver)
    with world.client() as client:
        halt: Any = client.post("/api/halt", body={"reason": "a test"})
        client.post(f"/api/halt/{halt['id']}/end", body={"reason": "over"})
    world.poll(lambda: [one for one, _ in world.running.house.mesh.progress() if one.disabled_why])
    said = ask(grace, world)
    assert said.code == Exit.DONE
    assert "■ disabled  webhook:gone" in said.out
    assert "410 Gone" in said.out
    assert said.out.rstrip().endswith("next: grace mesh status")
    names = [one["name"] for one in ask(grace, world, "--json").json["subscribers"]]
    assert "webhook:gone" in names


@pytest.mark.parametrize(
    ("state", "letters", "is_well"),
    [("delivering", 0, True), ("delivering", 1, False), ("stuck", 0, False), ("disabled", 0, False)],
)
def test_whoever_misses_an_event_is_not_well(state: str, letters: int, is_well: bool) -> None:
    assert SubscriberView(name="x", state=state, behind=0, dead_letters=letters).is_well is is_well


def test_the_mode_of_a_drill_is_the_one_it_works_in(grace: Grace, world: World) -> None:
    drill = Service(name="grace-drill", environment="drill")
    assert drill.mode == "observe"
    declared: Any = world.running.house.declared
    before = ask(grace, world).out
    assert "1 in observe" in before
    declared.directory.declare(drill)
    said = ask(grace, world)
    assert "2 in auto, 1 in observe" in said.out
    shown = {one["name"]: one for one in ask(grace, world, "--json").json["services"]}
    assert (shown["grace-drill"]["mode"], shown["grace-drill"]["effective_mode"]) == ("observe", "auto")


@pytest.fixture
def small_disk(tmp_path: Path) -> Generator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m,mode=700", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_full_disk_is_told_by_status_by_the_doctor_and_in_the_log(
    grace: Grace, small_disk: Path, tmp_path: Path
) -> None:
    log = tmp_path / "server.log"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GRACE_")}
    command = [sys.executable, "-m", "grace", "serve", "--port", "0", "--json", "--data", str(small_disk)]
    with (
        log.open("w") as errors,
        subprocess.Popen(command, cwd=tmp_path, env=kept, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        assert process.stdout is not None
        address = json.loads(process.stdout.readline())["address"]
        try:
            _fill(small_disk / "filling")
            token = kept_token(small_disk)
            with Client(address, token) as client:
                assert _write_until_it_fails(client) == 503
                at = ("--server", address, "--token", token)
                status = grace("status", *at)
                doctor = grace("doctor", "--json", *at)
                (small_disk / "filling").unlink()
                halt: Any = client.post("/api/halt", body={"reason": "room again"})
                client.post(f"/api/halt/{halt['id']}/end", body={"reason": "room again"})
                after = grace("status", *at)
        finally:
            process.kill()
    assert "✗ failed" in status.out
    assert "full" in status.out
    assert "(the newest write, " in status.out
    assert "none was tried since)" in status.out
    assert status.out.rstrip().endswith("next: grace doctor")
    failed = {one["check"] for one in doctor.json["results"] if one["health"] == "failed"}
    assert {"server.record", "folder.room"} <= failed
    assert doctor.code == Exit.FAULT
    assert "✗ failed" not in after.out
    written = log.read_text()
    assert written.count("The record cannot be written.") == 1
    assert "The record can be written again." in written


def _fill(file: Path) -> None:
    with file.open("wb", buffering=0) as filling:
        try:
            while filling.write(b"x" * 4096):
                pass
        except OSError:
            return


def _write_until_it_fails(client: Client) -> int:
    """Write until the log beside the database needs more room than there is; return the status that says so."""
    for number in range(10_000):
        try:
            halt: Any = client.post("/api/halt", body={"reason": f"{number} " + "x" * 400})
            client.post(f"/api/halt/{halt['id']}/end", body={"reason": "x" * 400})
        except ApiProblem as problem:
            return problem.status
    pytest.fail("the disk was never full")
