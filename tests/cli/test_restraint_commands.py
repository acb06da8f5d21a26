"""`grace restraint` against a running GRACE: a cure that fails three times on one target is given up to people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from grace_sdk.client import Json

from grace.kit.clock import SystemClock
from tests.cli.conftest import Grace
from tests.cli.world import World, open_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    folder = tmp_path / "world"
    folder.mkdir()
    with open_world(folder) as made:
        yield made


def items(world: World, path: str, **query: str) -> list[Any]:
    with world.client() as client:
        page: Any = client.get(path, query)
    return page["items"]


def report(world: World, playbook: str, word: str, file: Path) -> str:
    """Report a fault of its own about a shared file; return its incident."""
    signal: dict[str, Json] = {
        "format": 1,
        "id": f"signal-{word}",
        "service": "shop",
        "at": SystemClock().now().isoformat(),
        "kind": "exception",
        "title": f"ConnectionRefusedError in {word}",
        "message": "connection refused",
        "labels": {"playbook": playbook, "file": str(file)},
    }
    with world.client("app") as client:
        client.post("/api/intake/native", body={"signals": [signal]})
    found = world.poll(lambda: [one for one in items(world, "/api/incidents") if one["title"] == signal["title"]])
    return str(found[0]["id"])


@pytest.mark.slow
def test_a_cure_that_keeps_failing_is_given_up_to_people_until_one_lifts_it(
    world: World, grace: Grace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRACE_SERVER", world.address)
    monkeypatch.setenv("GRACE_TOKEN", world.tokens["ann"])
    assert "Nothing waits" in grace("restraint", "list").out
    file = world.folder / "shared.json"
    file.write_text(json.dumps({"pool": 1}))
    for word in ("one", "two", "three"):
        run = world.settled_run(report(world, "harmful", word, file))
        assert run["settlement"] == "rolled_back"
    asked = world.run_of(report(world, "alone", "four", file))
    assert (asked["stage"], asked["settlement"]) == ("waiting", None)
    assert json.loads(file.read_text()) == {"pool": 1}
    told = grace("explain", asked["id"]).out
    assert "mode suggest" in told
    assert "the breaker of file:" in told
    (breaker,) = grace("restraint", "list", "--json").json["breakers"]
    assert breaker["owner"] == "ann"
    assert "1 breaker not closed" in grace("restraint", "list").out
    assert "1 breaker not closed" in grace("status").out
    lifted = grace("restraint", "lift", breaker["subject"], "--reason", "repaired by hand")
    assert lifted.code == 0
    assert grace("restraint", "list", "--json").json["breakers"] == []
    alone = world.settled_run(report(world, "alone", "five", file))
    assert alone["settlement"] == "committed"


@pytest.mark.slow
def test_a_fault_that_comes_back_says_why_no_run_begins(
    world: World, grace: Grace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRACE_SERVER", world.address)
    monkeypatch.setenv("GRACE_TOKEN", world.tokens["ann"])
    file = world.folder / "shared.json"
    file.write_text(json.dumps({"pool": 1}))
    incident = report(world, "alone", "one", file)
    assert world.settled_run(incident)["settlement"] == "committed"
    file.write_text(json.dumps({"pool": 1}))
    with world.client("app") as client:
        again = {"format": 1, "id": "again", "service": "shop", "at": SystemClock().now().isoformat()}
        about = {"title": "ConnectionRefusedError in one", "message": "connection refused", "kind": "exception"}
        client.post("/api/intake/native", body={"signals": [{**again, **about}]})
    waiting = world.poll(lambda: grace("restraint", "list", "--json").json["waiting"])
    assert (waiting[0]["incident_id"], waiting[0]["rule"]) == (incident, "cool-down")
    assert "cools down until" in grace("incidents", incident).out
    world.poll(lambda: ["told"] if "no run begins yet" in grace("explain", incident).out else [])
    assert grace("restraint", "lift", incident, "--reason", "seen").code == 0
    world.poll(lambda: items(world, "/api/runs", incident_id=incident)[1:])
