"""What another person wrote into a file is told where it stops an undo, and its secrets are told nowhere."""

from __future__ import annotations

import json
import logging
from collections.abc import Generator
from pathlib import Path

import pytest

from grace.cli.exits import Exit
from tests.cli.conftest import Grace
from tests.cli.world import World, open_world

pytestmark = pytest.mark.slow

BEFORE = {"pool": 1, "password": "hunter2-old", "api_keys": ["hunter2-first"], "note": "as ever"}
EDITED = {
    "pool": 9,
    "password": "hunter2-new",
    "api_keys": ["hunter2-first", "hunter2-second"],
    "note": "by hand",
    "token": "hunter2-third",
}


@pytest.fixture
def world(tmp_path_factory: pytest.TempPathFactory) -> Generator[World]:
    with open_world(tmp_path_factory.mktemp("world")) as opened:
        yield opened


def test_a_difference_that_stops_an_undo_shows_no_secret_anywhere(
    grace: Grace, world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    here = ("--server", world.address, "--token", world.tokens["ann"])
    incident, file = world.untouched("alone")
    file.write_text(json.dumps(BEFORE, indent=2))
    assert grace("heal", incident, *here).code == Exit.DONE
    run = world.settled_run(incident)["id"]
    file.write_text(json.dumps(EDITED, indent=2))

    rehearsed = grace("undo", run, "--dry-run", *here)
    undone = grace("undo", run, "--reason", "a test", *here)
    assert undone.code == Exit.NOT_RESTORED
    assert json.loads(file.read_text()) == EDITED, "what another wrote stays"
    stopped = grace("runs", "@last", "--json", *here)

    told = "\n".join(
        (
            rehearsed.out,
            undone.out + undone.err,
            stopped.out,
            grace("explain", stopped.json["id"], *here).out,
            grace("explain", incident, *here).out,
            grace("status", *here).out,
            caplog.text,
        )
    )
    assert "by hand" in told, "the difference is told"
    assert "[redacted]" in told
    assert "hunter2" not in told
    assert grace("ledger", "export", str(tmp_path / "log"), *here).code == Exit.DONE
    assert b"hunter2" not in (tmp_path / "log").read_bytes()
    kept = [path for path in world.data.rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()]
    assert kept == [], "neither the record nor the vault holds it in the clear"
