"""`grace source test`: waits for a signal that really arrives."""

from __future__ import annotations

import json
import os
import shlex
import signal as signals
import subprocess
import sys
import threading
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import pytest
from grace_sdk.client import ApiProblem, Client, Json

from grace.cli.exits import Exit
from grace.cli.source import ready_commands
from grace.kit.clock import SystemClock
from tests.cli.conftest import Grace, Said
from tests.cli.world import World, open_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Generator[World]:
    with open_world(tmp_path_factory.mktemp("source")) as opened:
        yield opened


def signal(number: str, **changes: Json) -> dict[str, Json]:
    return {
        "format": 1,
        "id": number,
        "service": "quiet",
        "at": SystemClock().now().isoformat(),
        "kind": "exception",
        "title": f"ConnectionRefusedError in {number}",
        "message": "connection refused",
        **changes,
    }


def send(world: World, *signals: Mapping[str, Json], token: str = "") -> None:
    with Client(world.address, token or world.tokens["app"]) as client:
        client.post("/api/intake/native", body={"signals": [dict(one) for one in signals]})


def wait(grace: Grace, world: World, *options: str) -> Said:
    who = ("--server", world.address, "--token", world.tokens["ann"])
    return grace("source", "test", *who, *options, "--json")


def wait_while(grace: Grace, world: World, sent: Mapping[str, Json], *options: str) -> Said:
    """Send the same signal under new ids for as long as the command waits, so that no sleep decides who was first."""
    done = threading.Event()

    def keep_sending() -> None:
        number = 0
        while not done.wait(0.1):
            number += 1
            send(world, {**sent, "id": f"{sent['id']}-{number}"})

    sender = threading.Thread(target=keep_sending)
    sender.start()
    try:
        return wait(grace, world, *options)
    finally:
        done.set()
        sender.join()


@pytest.mark.slow
def test_the_first_signal_is_shown_with_all_that_became_of_it(grace: Grace, world: World) -> None:
    leaking = signal("first", context={"password": "hunter2hunter2"}, labels={"playbook": "alone"})
    said = wait_while(grace, world, leaking, "--timeout", "1m")
    assert said.code == Exit.DONE
    shown = said.json
    assert shown["signal"]["service"] == "quiet"
    assert shown["signal"]["doc"]["source"] == "native"
    assert shown["signal"]["fingerprint"]
    assert shown["redacted"] == ["context.password"]
    assert "hunter2" not in said.out
    assert shown["service"]["mode"] == "observe"
    assert shown["incident"]["id"] == shown["signal"]["incident_id"]
    assert shown["run"]["diagnosis"]["cause"]
    assert 0 < shown["run"]["diagnosis"]["confidence"] <= 1


@pytest.mark.slow
def test_a_signal_of_an_incident_that_is_known_is_shown_too(grace: Grace, world: World) -> None:
    known = signal("known", title="TimeoutError in catalogue")
    send(world, {**known, "id": "known-before"})
    said = wait_while(grace, world, known, "--timeout", "1m")
    assert said.code == Exit.DONE
    assert said.json["incident"]["count"] >= 2


@pytest.mark.slow
def test_what_is_not_meant_is_passed_over(grace: Grace, world: World) -> None:
    said = wait_while(grace, world, signal("other", title="OSError in till"), "--service", "shop", "--timeout", "1s")
    assert (said.code, said.json["arrived"]) == (Exit.WAITING, False)
    said = wait_while(grace, world, signal("door", title="OSError in door"), "--source", "sentry", "--timeout", "1s")
    assert said.code == Exit.WAITING


@pytest.mark.slow
def test_when_nothing_comes_it_says_what_was_refused_and_how_to_send_one(grace: Grace, world: World) -> None:
    done = threading.Event()

    def knock() -> None:
        while not done.wait(0.1):
            for token, body in (("grace_wrong", signal("x")), (world.tokens["app"], {"format": 1})):
                with pytest.raises(ApiProblem):
                    send(world, body, token=token)

    knocking = threading.Thread(target=knock)
    knocking.start()
    said = wait(grace, world, "--timeout", "1500ms")
    done.set()
    knocking.join()
    assert said.code == Exit.WAITING
    reasons = {(one["status"], one["sender"]) for one in said.json["refused"]}
    assert reasons == {(401, ""), (422, "app")}
    assert any("title is missing" in one["why"] for one in said.json["refused"])
    assert any("GRACE_DSN" in one for one in said.json["try"])


@pytest.mark.slow
def test_people_read_it_as_sentences(grace: Grace, world: World) -> None:
    who = ("--server", world.address, "--token", world.tokens["ann"])
    said = grace("source", "test", "--timeout", "100ms", *who)
    assert said.code == Exit.WAITING
    assert "nobody knocked" in said.out or "The door refused" in said.out
    assert said.out.splitlines()[-1].startswith("next: export GRACE_DSN=")
    assert grace("source", "test", "--timeout", "soon", *who).code == Exit.USAGE


@pytest.mark.slow
def test_an_interrupt_ends_it_without_a_trace(world: World, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "grace", "source", "test", "--server", world.address]
    environment = {**os.environ, "GRACE_TOKEN": world.tokens["ann"], "GRACE_DATA_FOLDER": str(tmp_path)}
    # Who runs the tests may have it ignored, as a job in the background does; a child would inherit that.
    before = signals.signal(signals.SIGINT, signals.default_int_handler)
    try:
        child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    finally:
        signals.signal(signals.SIGINT, before)
    with child:
        assert child.stderr is not None
        assert child.stderr.readline().startswith("waiting 2m")
        child.send_signal(signals.SIGINT)
        out, err = child.communicate(timeout=60)
    assert child.returncode == 130, "128 and the number of the signal, as every program ends that is interrupted"
    assert (out, err.strip()) == ("", "")


@pytest.mark.slow
def test_the_commands_that_it_names_really_send_a_signal(world: World, tmp_path: Path) -> None:
    dsn, program, *_, curl = ready_commands(world.address, "shop")
    assert dsn.startswith("export GRACE_DSN=$(grace token create shop --role sender --dsn shop)")
    rest = world.address.partition("://")[2]
    environment = {**os.environ, "GRACE_DSN": f"http://{world.tokens['app']}@{rest}/shop?spool={tmp_path}"}
    argv = [sys.executable, *shlex.split(program)[1:]]
    subprocess.run(argv, env=environment, check=True, timeout=60, capture_output=True)
    with world.client() as client:
        page: Any = client.get("/api/intake/signals", {"limit": 1})
    assert page["items"][0]["title"] == "hello from grace source test"
    assert page["items"][0]["service"] == "shop"
    body = shlex.split(curl)[-1]
    with Client(world.address, world.tokens["app"]) as client:
        sent: Any = client.post("/api/intake/native", body={"signals": [json.loads(body)]})
    assert sent["accepted"] == 1
