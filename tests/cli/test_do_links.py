"""`grace do` on paths that lead through symlinks: as they were named, they read again as before, or it is said."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from pathlib import Path

import pytest

from grace.cli.exits import Exit
from tests.cli.conftest import Grace, Said
from tests.cli.hand_world import HandWorld, open_hand_world

QUICK = ("--within", "1s", "--for", "300ms", "--expect", "metric service.error_rate at_most 0")
"""The shop's pool is too small throughout: whatever else is done is taken back."""


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Generator[HandWorld]:
    with open_hand_world(tmp_path_factory.mktemp("links")) as world:
        yield world


@pytest.fixture
def world(opened: HandWorld) -> Generator[HandWorld]:
    opened.config.write_text("pool=1\n")
    ground = ground_of(opened)
    for made in ("available", "enabled", "r1", "r2"):
        (ground / made).mkdir(parents=True)
    (ground / "available" / "app.conf").write_text("pool=10\n")
    (ground / "enabled" / "app.conf").symlink_to("../available/app.conf")
    for number in ("1", "2"):
        (ground / f"r{number}" / "app.conf").write_text(f"{number}\n")
    (ground / "current").symlink_to("r1")
    yield opened
    shutil.rmtree(ground)


def ground_of(world: HandWorld) -> Path:
    return world.config.parent / "ground"


def do(grace: Grace, world: HandWorld, path: Path, *command: str, more: tuple[str, ...] = QUICK) -> Said:
    return grace("do", "--service", "shop", *world.as_("ann"), *more, "--writes", str(path), "--", *command)


def undo(grace: Grace, world: HandWorld) -> Said:
    return grace("undo", "@last", "--reason", "a test", *world.as_("ann"))


def test_a_link_that_an_editor_replaced_by_a_file_is_a_link_again(grace: Grace, world: HandWorld) -> None:
    link = ground_of(world) / "enabled" / "app.conf"
    before = link.lstat()
    said = do(grace, world, link, "sed", "-i", "s/pool=10/pool=30/", str(link))
    assert said.code == Exit.ROLLED_BACK, said.out + said.err
    assert "1 object equal again, 1 object never differed" in said.out
    assert str(link.readlink()) == "../available/app.conf"
    assert (link.lstat().st_mtime_ns, link.lstat().st_mode) == (before.st_mtime_ns, before.st_mode)
    assert link.read_text() == "pool=10\n"


def test_a_link_to_a_folder_that_was_turned_is_turned_back(grace: Grace, world: HandWorld) -> None:
    current = ground_of(world) / "current"
    said = do(grace, world, current / "app.conf", "ln", "-sfn", "r2", str(current))
    assert said.code == Exit.ROLLED_BACK, said.out + said.err
    assert str(current.readlink()) == "r1"


def test_a_plan_shows_the_links_that_are_kept(grace: Grace, world: HandWorld) -> None:
    link = ground_of(world) / "enabled" / "app.conf"
    said = do(grace, world, link, "sed", "-i", "s/10/30/", str(link), more=(*QUICK, "--plan"))
    assert said.code == Exit.DONE, said.out + said.err
    for place in (link, ground_of(world) / "available" / "app.conf"):
        assert str(place) in said.out


def test_a_committed_command_is_undone_with_its_links(grace: Grace, world: HandWorld) -> None:
    link = ground_of(world) / "enabled" / "app.conf"
    met = ("--within", "1s", "--for", "300ms", "--expect", f"probe file.exists path={link} is true")
    said = do(grace, world, link, "sed", "-i", "s/pool=10/pool=30/", str(link), more=met)
    assert said.code == Exit.DONE, said.out + said.err
    assert not link.is_symlink()
    assert undo(grace, world).code == Exit.ROLLED_BACK
    assert str(link.readlink()) == "../available/app.conf"
    assert link.read_text() == "pool=10\n"


def test_a_link_that_others_turned_meanwhile_is_spared_and_never_called_rolled_back(
    grace: Grace, world: HandWorld
) -> None:
    ground = world.config.parent / "turned"  # What is not restored stays closed to the other tests' runs.
    shutil.copytree(ground_of(world), ground, symlinks=True)
    current, named = ground / "current", ground / "current" / "app.conf"
    met = ("--within", "1s", "--for", "300ms", "--expect", f"probe file.exists path={named} is true")
    said = do(grace, world, named, "sh", "-c", f"echo 9 > {named}", more=met)
    assert said.code == Exit.DONE, said.out + said.err
    current.unlink()
    current.symlink_to("r2")
    undone = undo(grace, world)
    assert undone.code == Exit.NOT_RESTORED, undone.out + undone.err
    assert f"{named} does not read as before: it leads to {ground / 'r2' / 'app.conf'} now" in undone.out
    assert str(current.readlink()) == "r2"
    assert (ground / "r1" / "app.conf").read_text() == "1\n"
    assert (ground / "r2" / "app.conf").read_text() == "2\n"
    again = do(grace, world, named, "true", more=met)
    assert again.code != Exit.DONE, "what is not restored is closed until a person ends it"
    assert "quarantine" in again.out + again.err


def test_a_link_that_others_made_anew_is_spared(grace: Grace, world: HandWorld) -> None:
    ground = world.config.parent / "anew"  # What is not restored stays closed to the other tests' runs.
    shutil.copytree(ground_of(world), ground, symlinks=True)
    link = ground / "enabled" / "app.conf"
    met = ("--within", "1s", "--for", "300ms", "--expect", f"probe file.exists path={link} is true")
    assert do(grace, world, link, "sed", "-i", "s/10/30/", str(link), more=met).code == Exit.DONE
    link.unlink()
    link.symlink_to("../r2/app.conf")
    undone = undo(grace, world)
    assert undone.code == Exit.NOT_RESTORED, undone.out + undone.err
    assert f"{link}: foreign" in undone.out
    assert str(link.readlink()) == "../r2/app.conf"


def test_a_link_that_is_turned_before_the_yes_stops_the_run(grace: Grace, world: HandWorld) -> None:
    link = ground_of(world) / "enabled" / "app.conf"
    waiting = do(grace, world, link, "/usr/bin/env", "sed", "-i", "s/10/30/", str(link))
    assert waiting.code == Exit.WAITING, waiting.out + waiting.err
    link.unlink()
    link.symlink_to("../r1/app.conf")
    digest = grace("runs", "@last", "--json", *world.as_("ann")).json["plan_digest"]
    assert grace("approve", "@last", "--digest", digest, "--yes", *world.as_("ben")).code != Exit.USAGE
    run = world.poll_settled(grace("runs", "@last", "--json", *world.as_("ann")).json["id"])
    assert run["settlement"] == "aborted", run
    assert str(link.readlink()) == "../r1/app.conf"
    assert (ground_of(world) / "r1" / "app.conf").read_text() == "1\n"


def test_a_link_outside_of_what_plans_may_write_is_refused_with_what_to_name_instead(
    grace: Grace, world: HandWorld
) -> None:
    outside = world.folder / "outside"
    outside.unlink(missing_ok=True)
    real = ground_of(world) / "available" / "app.conf"
    outside.symlink_to(real)
    said = do(grace, world, outside, "sed", "-i", "s/10/30/", str(outside))
    told = " ".join((said.out + said.err).split())
    assert said.code == Exit.REFUSED, told
    assert f"it is a symlink on the way to {real}, and the program may change it" in told
    assert f"Name {real} instead" in told
    assert outside.readlink() == real


def test_a_path_that_goes_back_behind_a_link_is_no_path_to_name(grace: Grace, world: HandWorld) -> None:
    ground = ground_of(world)
    (ground / "deep").symlink_to("r1/..")
    path = ground / "enabled" / ".." / "available" / "app.conf"
    assert do(grace, world, path, "true", more=(*QUICK, "--plan")).code == Exit.DONE
    (ground / "r1" / "in").mkdir()
    (ground / "far").symlink_to("r1/in")
    said = do(grace, world, ground / "far" / ".." / "app.conf", "true")
    assert said.code == Exit.USAGE, said.out + said.err
    assert f"name {ground / 'r1' / 'app.conf'} itself" in said.err
