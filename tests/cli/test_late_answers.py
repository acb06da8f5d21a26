"""An answer that comes too late is told so, with what became of the run."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from grace.cli.exits import Exit
from tests.cli.conftest import Grace
from tests.cli.world import World, open_world

pytestmark = pytest.mark.slow


@pytest.fixture
def world(tmp_path_factory: pytest.TempPathFactory) -> Generator[World]:
    with open_world(tmp_path_factory.mktemp("world"), approval_lifetime="100ms") as opened:
        yield opened


@pytest.mark.parametrize("command", ["approve", "reject"])
def test_an_approval_that_expired_is_told_with_its_run(grace: Grace, world: World, command: str) -> None:
    here = ("--server", world.address, "--token", world.tokens["ben"])
    assert "there is no approval yet" in grace(command, "@last", "--yes", *here).err
    incident, _ = world.incident("asked")
    run = world.settled_run(incident)
    assert run["settlement"] == "expired"

    for written in ("@last", run["id"], run["id"].replace("run_", "apr_")):
        said = grace(command, written, "--yes", *here)
        assert (said.code, said.out) == (Exit.REFUSED, ""), written
        assert f"{run['id'].replace('run_', 'apr_')} expired " in said.err
        assert " s ago, at 20" in said.err
        assert f"{run['id']} is expired: " in said.err
        assert said.err.splitlines()[-1] == f"next: grace explain {run['id']}"


def test_where_nothing_is_open_last_names_nothing(grace: Grace, world: World) -> None:
    incident, _ = world.incident("asked")
    assert world.settled_run(incident)["settlement"] == "expired"
    said = grace("cancel", "@last", "--server", world.address, "--token", world.tokens["ann"])
    assert (said.code, said.out) == (Exit.USAGE, "")
    assert "no run is open" in said.err
