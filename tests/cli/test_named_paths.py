"""A playbook that names a file by a symlink, and others who turn the link: noticed, and no wrong file is written."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path

import pytest

from grace.cli.exits import Exit
from tests.cli.conftest import Grace
from tests.cli.world import World, open_world

UNTOUCHED = json.dumps({"pool": 1})


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Generator[World]:
    with open_world(tmp_path_factory.mktemp("world")) as opened:
        yield opened


def linked(world: World, playbook: str) -> tuple[str, Path, Path, Path]:
    """Return an incident, the link that its playbook is given, the file behind it and another one."""
    incident, link = world.untouched(playbook)
    real, other = link.with_name(f"real-{link.name}"), link.with_name(f"other-{link.name}")
    link.rename(real)
    other.write_text(UNTOUCHED)
    link.symlink_to(real.name)
    return incident, link, real, other


def turn(link: Path, other: Path) -> None:
    link.unlink()
    link.symlink_to(other.name)


def as_ann(world: World) -> tuple[str, ...]:
    return ("--server", world.address, "--token", world.tokens["ann"])


def test_a_link_that_is_turned_between_deed_and_undo_ends_in_not_restored(grace: Grace, world: World) -> None:
    incident, link, real, other = linked(world, "alone")
    assert grace("heal", incident, *as_ann(world)).code == Exit.DONE
    run = world.settled_run(incident)["id"]
    assert json.loads(real.read_text())["pool"] == 5
    turn(link, other)
    undone = grace("undo", run, "--reason", "a test", *as_ann(world))
    assert undone.code == Exit.NOT_RESTORED, undone.out + undone.err
    assert f"{link} does not read as before: it leads to {other} now" in undone.out
    assert real.read_text() == other.read_text() == UNTOUCHED, "what the plan wrote is back, what others made stays"
    assert str(link.readlink()) == other.name


def test_a_link_that_stands_is_no_hindrance_to_the_way_back(grace: Grace, world: World) -> None:
    incident, link, real, _ = linked(world, "alone")
    assert grace("heal", incident, *as_ann(world)).code == Exit.DONE
    run = world.settled_run(incident)["id"]
    assert grace("undo", run, "--reason", "a test", *as_ann(world)).code == Exit.ROLLED_BACK
    assert real.read_text() == link.read_text() == UNTOUCHED


def test_a_link_that_is_turned_between_plan_and_deed_stops_the_run(grace: Grace, world: World) -> None:
    incident, link, real, other = linked(world, "asked")
    assert grace("heal", incident, *as_ann(world)).code == Exit.WAITING
    run = world.run_of(incident)
    turn(link, other)
    ben = ("--server", world.address, "--token", world.tokens["ben"])
    assert grace("approve", run["id"], "--digest", run["plan_digest"], "--yes", *ben).code != Exit.USAGE
    settled = world.settled_run(incident)
    assert settled["settlement"] == "aborted", settled
    assert real.read_text() == other.read_text() == UNTOUCHED
