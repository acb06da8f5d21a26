"""`command.edit` of a path that leads through symlinks: the links belong to what is kept and given back."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from grace.act.executors.command import CommandExecutor
from grace.act.safehold.providers.files import FilesProvider
from grace.model.execution import StepState
from grace.model.snapshot import Restoration, RestoreState, SnapshotObject
from grace.model.target import Target
from grace.model.warrant import Refusal
from tests.act.workbench import HOST, Bench, KeptJournal, taken

USES = "command.edit"
BACK = {RestoreState.EQUAL, RestoreState.UNTOUCHED}
FILE = "enabled/app.conf"
FOLDER = "current/app.conf"


@dataclass
class Trial:
    """A service's folder, with one file behind a link and one behind a folder's link, and one command."""

    bench: Bench
    named: str
    script: str
    journal: KeptJournal = field(init=False)

    def __post_init__(self) -> None:
        self.journal = self.bench.journal()
        self.action = CommandExecutor(self.bench.workplace).actions[USES]
        self.provider = FilesProvider(self.bench.surroundings)
        self.parameters = self.action.spec.parameters.model_validate(
            {
                "argv": ["/bin/sh", "-ec", self.script],
                "cwd": str(self.world),
                "writes": [str(self.world / self.named)],
            }
        )

    @property
    def world(self) -> Path:
        return self.bench.world

    def targets(self) -> tuple[Target, ...]:
        found = self.action.targets(self.parameters)
        assert not isinstance(found, Refusal), found
        return found

    def keep(self) -> list[SnapshotObject]:
        return [taken(self.provider.take(target, self.bench.vault)) for target in self.targets()]

    def act(self) -> None:
        done = self.action.apply(self.parameters, self.journal)
        assert done.state is StepState.DONE, done

    def restore(self, kept: list[SnapshotObject]) -> list[Restoration]:
        handle = self.journal.handle or {}
        several = cast("dict[str, str]", handle.get("changesets", {}))
        found: list[Restoration] = []
        for one in sorted(kept, key=lambda one: one.target.key, reverse=True):
            changes = several.get(one.target.id) or cast("str", handle.get("changeset", ""))
            found.append(self.provider.restore(one, None, (changes,) if changes else (), self.bench.vault))
        return found


def lay(world: Path) -> None:
    """Lay out what services look like: a file that is enabled by a link, a release that is current by a link."""
    for made in ("available", "enabled", "r1", "r2"):
        (world / made).mkdir()
    (world / "available" / "app.conf").write_text("pool=10\n")
    (world / "available" / "other.conf").write_text("pool=20\n")
    (world / FILE).symlink_to("../available/app.conf")
    (world / "r1" / "app.conf").write_text("1\n")
    (world / "r2" / "app.conf").write_text("2\n")
    (world / "current").symlink_to("r1")
    (world / "alias").symlink_to(world / FILE)
    for link in ("current", "alias", FILE):
        os.utime(world / link, ns=(5, 5), follow_symlinks=False)


def reads(world: Path) -> dict[str, object]:
    """Return all that is given back of every object; the time of a folder follows from its entries."""
    found: dict[str, object] = {}
    for path in sorted(world.rglob("*")):
        status = path.lstat()
        time = None if stat.S_ISDIR(status.st_mode) else status.st_mtime_ns
        text = str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        found[str(path.relative_to(world))] = (status.st_mode, status.st_uid, time, text)
    return found


VARIANTS = {
    "the link becomes a file": (FILE, "sed -i s/10/30/ enabled/app.conf"),
    "the link becomes another link": (FILE, "ln -sfn ../available/other.conf enabled/app.conf"),
    "the link becomes a folder": (
        FILE,
        "rm enabled/app.conf; mkdir -p enabled/app.conf/a; echo x > enabled/app.conf/a/b",
    ),
    "the link goes": (FILE, "rm enabled/app.conf"),
    "the link is made again with the same text": (FILE, "ln -sfn ../available/app.conf enabled/app.conf"),
    "the link and the file change": (FILE, "echo 7 > available/app.conf; sed -i s/7/30/ enabled/app.conf"),
    "the file alone changes": (FILE, "echo 7 > enabled/app.conf"),
    "the file goes and the link dangles": (FILE, "rm available/app.conf"),
    "the middle of a chain changes": ("alias", "ln -sfn ../available/other.conf enabled/app.conf"),
    "the middle of a chain goes and all else changes": ("alias", "echo 7 > alias; rm enabled/app.conf alias"),
    "the link to a folder is turned": (FOLDER, "ln -sfn r2 current"),
    "the link to a folder becomes a folder": (FOLDER, "rm current; mkdir current; echo 3 > current/app.conf"),
    "the link to a folder is turned and the file changes": (FOLDER, "echo 3 > current/app.conf; ln -sfn r2 current"),
    "a folder is named by its link": ("current", "echo 3 > current/new; ln -sfn r2 current"),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_whatever_becomes_of_a_link_on_the_way_it_is_given_back_to_the_byte(bench: Bench, name: str) -> None:
    lay(bench.world)
    before = reads(bench.world)
    trial = Trial(bench, *VARIANTS[name])
    kept = trial.keep()
    trial.act()
    assert reads(bench.world) != before, "a command that changes nothing proves nothing"
    found = trial.restore(kept)
    assert {one.state for one in found} <= BACK, found
    assert reads(bench.world) == before


def test_the_links_are_targets_of_their_own(bench: Bench) -> None:
    lay(bench.world)
    told = {target.id for target in Trial(bench, "alias", "true").targets()}
    assert told == {str(bench.world / name) for name in ("available/app.conf", "alias", FILE)}
    assert all(target.host == HOST and target.kind == "file" for target in Trial(bench, "alias", "true").targets())


@pytest.mark.parametrize("word", ["enabled/app.conf", "--file=enabled/app.conf"])
def test_a_link_by_which_only_the_command_calls_the_file_is_kept_too(bench: Bench, word: str) -> None:
    lay(bench.world)
    before = reads(bench.world)
    trial = Trial(bench, "available/app.conf", "true")
    words = ["/bin/sh", "-ec", "sed -i s/10/30/ enabled/app.conf", "sh", word, "no path at all", "/nowhere/x=", "r2"]
    trial.parameters = trial.parameters.model_copy(update={"argv": tuple(words)})
    assert {target.id for target in trial.targets()} == {str(bench.world / n) for n in ("available/app.conf", FILE)}
    kept = trial.keep()
    trial.act()
    assert not (bench.world / FILE).is_symlink()
    trial.restore(kept)
    assert reads(bench.world) == before


def test_a_link_to_nothing_is_kept_beside_the_file_that_is_made(bench: Bench) -> None:
    (bench.world / "link").symlink_to("made")
    before = reads(bench.world)
    trial = Trial(bench, "link", "echo x > link; rm link; echo y > link")
    kept = trial.keep()
    trial.act()
    trial.restore(kept)
    assert reads(bench.world) == before


def test_a_link_on_the_way_is_shown_before_the_deed(bench: Bench) -> None:
    lay(bench.world)
    trial = Trial(bench, FOLDER, "true")
    told = trial.action.predict(trial.parameters)
    assert not isinstance(told, Refusal)
    assert told["through"] == {str(bench.world / "current"): str(bench.world / "r1" / "app.conf")}


def test_a_link_that_is_turned_after_the_plan_makes_the_plan_another_one(bench: Bench) -> None:
    lay(bench.world)
    trial = Trial(bench, FILE, "true")
    planned, targets = trial.action.predict(trial.parameters), trial.targets()
    assert trial.action.predict(trial.parameters) == planned
    (bench.world / FILE).unlink()
    (bench.world / FILE).symlink_to("../available/other.conf")
    assert trial.action.predict(trial.parameters) != planned
    assert trial.targets() != targets


def test_a_link_in_a_circle_is_refused_while_planning(bench: Bench) -> None:
    (bench.world / "a").symlink_to("b")
    (bench.world / "b").symlink_to("a")
    trial = Trial(bench, "a", "true")
    told = trial.action.targets(trial.parameters)
    assert isinstance(told, Refusal)
    assert "in a circle" in told.why


def test_a_link_among_what_belongs_to_grace_is_refused_while_planning(bench: Bench) -> None:
    lay(bench.world)
    (bench.own / "link").symlink_to(bench.world / "r1" / "app.conf")
    (bench.world / "way").symlink_to(bench.own / "link")
    told = (trial := Trial(bench, "way", "true")).action.targets(trial.parameters)
    assert isinstance(told, Refusal)
    assert "control_plane" in told.rule


FOREIGN: dict[str, Callable[[Path], object]] = {
    "a foreign file": lambda place: place.write_text("theirs"),
    "a foreign link": lambda place: place.symlink_to("theirs"),
    "a foreign folder": lambda place: (place / "in").mkdir(parents=True),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_others_put_in_the_place_of_a_link_is_spared_and_the_undo_says_so(bench: Bench, name: str) -> None:
    lay(bench.world)
    trial = Trial(bench, FILE, "sed -i s/10/30/ enabled/app.conf")
    kept = trial.keep()
    trial.act()
    (bench.world / FILE).unlink()
    FOREIGN[name](bench.world / FILE)
    theirs = reads(bench.world)
    states = {Path(one.target.id).name: one.state for one in trial.restore(kept) if one.target.id.endswith(FILE)}
    assert states == {"app.conf": RestoreState.FOREIGN}
    assert reads(bench.world) == theirs


def test_a_folder_on_the_way_that_was_renamed_is_never_given_back_elsewhere(bench: Bench) -> None:
    lay(bench.world)
    trial = Trial(bench, FILE, "mv enabled gone; mkdir other; echo theirs > other/app.conf; ln -s other enabled")
    kept = trial.keep()
    trial.act()
    link = next(one for one in trial.restore(kept) if one.target.id.endswith(FILE))
    assert link.state is RestoreState.FAILED
    assert "no longer a real folder" in link.difference
    assert (bench.world / "other" / "app.conf").read_text() == "theirs\n"
