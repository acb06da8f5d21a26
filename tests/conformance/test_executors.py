"""What every action and every provider must do, ours and theirs."""

from __future__ import annotations

import errno
import json
import os
import random
import resource
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import IO, Any, Final, TypeAlias, cast

import pytest
from pydantic import ValidationError

from grace.act.executors import Action, Applied, Leads
from grace.act.healing.undoing import change_of
from grace.act.safehold import Provider
from grace.act.safehold.vault import open_vault
from grace.model.execution import Outcome, StepState
from grace.model.plan import Reversibility
from grace.model.snapshot import Restoration, RestoreState, SnapshotObject
from grace.model.target import Target
from grace.model.warrant import Refusal
from tests.act.workbench import Bench, KeptJournal
from tests.conformance.crash_server import NOTES
from tests.conformance.dying import asked, passes, started_crash_server
from tests.conformance.executor_cases import CASES, Case, Parameters, State, fresh
from tests.conformance.hands import RULES, found_actions, found_providers, installed_actions

NAMES: Final = sorted(CASES)
EXACT: Final = [name for name in NAMES if CASES[name].is_exact]
CHANGING: Final = [name for name in EXACT if CASES[name].foreign is not None]
ROOT: Final = Path(__file__).resolve().parents[2]
FEW: Final = 4
PART: Final = 40
ENDING_S: Final = 20.0
Changes: TypeAlias = Callable[[Target], tuple[str, ...]]
BACK: Final = {RestoreState.EQUAL, RestoreState.UNTOUCHED}


@pytest.fixture(scope="module")
def bench(ground: Path) -> Iterator[Bench]:
    made = Bench(ground, rules=RULES)
    yield made
    made.close()


@dataclass
class Trial:
    """One action in one world of its own."""

    name: str
    folder: Path
    case: Case
    action: Action
    providers: dict[str, Provider]
    bench: Bench
    written: Parameters
    chance: random.Random

    @property
    def world(self) -> Path:
        return self.folder / "world"

    @property
    def parameters(self) -> Any:
        return self.action.spec.parameters.model_validate(self.written)

    @property
    def provider(self) -> Provider:
        assert self.action.spec.provider is not None
        return self.providers[self.action.spec.provider]

    def state(self) -> State:
        return self.case.state(self.world)

    def targets(self) -> tuple[Target, ...]:
        found = self.action.targets(self.parameters)
        assert not isinstance(found, Refusal), found
        return found

    def take(self) -> list[SnapshotObject]:
        taken = [self.provider.take(target, self.bench.vault) for target in self.targets()]
        assert not any(isinstance(one, Refusal) for one in taken), taken
        return [one for one in taken if isinstance(one, SnapshotObject)]

    def apply(self, journal: KeptJournal) -> Outcome:
        return self.action.apply(self.parameters, journal)

    def restore(self, taken: list[SnapshotObject], changes: Changes) -> list[Restoration]:
        return [self.provider.restore(one, None, changes(one.target), self.bench.vault) for one in reversed(taken)]


@contextmanager
def trial(name: str, bench: Bench, seed: int) -> Generator[Trial]:
    """Make a fresh world in which the action has something to do."""
    case, chance = CASES[name], random.Random(f"{name} {seed}")
    folder = fresh(bench.folder / f"{name}-{seed}")
    with case.helped(folder / "world") as help_given:
        written = case.prepare(folder / "world", chance, help_given)
        yield Trial(name, folder, case, found_actions(bench)[name], found_providers(bench), bench, written, chance)
    sweep(folder)


def sweep(folder: Path) -> None:
    """Remove a world; the launcher of a command whose GRACE was killed may still be writing how it ended."""
    deadline = time.monotonic() + ENDING_S
    while folder.exists():
        try:
            shutil.rmtree(folder)
        except OSError as error:
            if error.errno != errno.ENOTEMPTY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def counted(names: list[str]) -> list[Any]:
    """Run a few seeds always, and all of them, in parts, where slow tests run."""
    quick = [pytest.param(name, range(FEW), id=name) for name in names]
    parts = [(name, range(start, CASES[name].seeds)[:PART]) for name in names for start in starts(name)]
    slow = [pytest.param(name, part, id=f"{name}-from-{part[0]}", marks=pytest.mark.slow) for name, part in parts]
    return quick + slow


def starts(name: str) -> range:
    return range(FEW, CASES[name].seeds, PART)


def test_every_installed_action_has_its_case_and_every_case_its_action(bench: Bench) -> None:
    actions, providers = found_actions(bench), found_providers(bench)
    assert set(actions) == set(CASES)
    assert {action.spec.provider for action in actions.values()} - {None} <= set(providers)


@pytest.mark.parametrize("name", NAMES)
def test_an_action_describes_itself_honestly(bench: Bench, name: str) -> None:
    spec = found_actions(bench)[name].spec
    assert spec.name == name
    assert spec.summary
    assert spec.blast_radius
    assert spec.parameters.model_config.get("extra") == "forbid"
    assert spec.parameters.model_config.get("frozen") is True
    assert (spec.reversibility is Reversibility.EXACT) == (spec.provider is not None) == CASES[name].is_exact


@pytest.mark.parametrize("name", NAMES)
def test_undeclared_parameters_are_refused(bench: Bench, name: str) -> None:
    with trial(name, bench, 0) as tried, pytest.raises(ValidationError, match="undeclared"):
        tried.action.spec.parameters.model_validate({**tried.written, "undeclared": 1})


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_that_can_be_left_out_is_refused_when_it_is_nonsense(bench: Bench, name: str) -> None:
    with trial(name, bench, 0) as tried:
        for field in set(tried.action.spec.parameters.model_fields) - set(tried.case.takes_anything):
            with pytest.raises(ValidationError):
                tried.action.spec.parameters.model_validate({**tried.written, field: {"of": ["no", "sense"]}})


@pytest.mark.parametrize("name", NAMES)
def test_planning_touches_nothing_and_says_the_same_twice(bench: Bench, name: str) -> None:
    with trial(name, bench, 1) as tried:
        before = snapshot_of(tried.world)
        first = (tried.targets(), tried.action.predict(tried.parameters))
        second = (tried.targets(), tried.action.predict(tried.parameters))
        assert not isinstance(first[1], Refusal), first[1]
        assert first == second
        json.dumps(dict(first[1]), allow_nan=False)
        assert snapshot_of(tried.world) == before


def snapshot_of(world: Path) -> dict[str, object]:
    """Return every file below with its bytes and all that stat tells of it, but the time of the last reading."""
    found: dict[str, object] = {}
    for path in [world, *(Path(place) / name for place, *names in os.walk(world) for name in chain(*names))]:
        status = path.lstat()
        kept = (status.st_mode, status.st_ino, status.st_nlink, status.st_uid, status.st_size, status.st_mtime_ns)
        found[str(path)] = (kept, path.read_bytes() if stat.S_ISREG(status.st_mode) else None)
    return found


@pytest.mark.parametrize("name", [name for name in NAMES if CASES[name].alias])
def test_two_names_of_one_thing_are_one_target(bench: Bench, name: str) -> None:
    with trial(name, bench, 2) as tried:
        alias = tried.folder / "alias"
        alias.symlink_to(tried.world)
        path = str(alias / Path(tried.written["path"]).name)
        other = tried.action.targets(tried.action.spec.parameters.model_validate({**tried.written, "path": path}))
        assert other == tried.targets()


@pytest.mark.parametrize("name", [name for name in NAMES if CASES[name].alias])
def test_what_belongs_to_grace_is_refused(bench: Bench, name: str) -> None:
    with trial(name, bench, 2) as tried:
        shutil.copytree(tried.world, bench.own / "copy", symlinks=True)
        try:
            path = bench.own / "copy" / Path(tried.written["path"]).name
            parameters = tried.action.spec.parameters.model_validate({**tried.written, "path": str(path)})
            before = snapshot_of(bench.own / "copy")
            assert isinstance(tried.action.predict(parameters), Refusal)
            assert tried.action.apply(parameters, bench.journal()).state is StepState.REFUSED
            assert snapshot_of(bench.own / "copy") == before
        finally:
            shutil.rmtree(bench.own / "copy")


@pytest.mark.parametrize("name", EXACT)
def test_an_exact_action_tells_when_a_path_leads_elsewhere_than_to_its_target(bench: Bench, name: str) -> None:
    with trial(name, bench, 2) as tried:
        assert isinstance(tried.action, Leads)
        targets = {target.id for target in tried.targets()}
        led = tried.action.leads(tried.parameters)
        assert led
        assert set(led.values()) <= targets
        elsewhere = tried.world.with_name("elsewhere")
        shutil.copytree(tried.world, elsewhere, symlinks=True)
        tried.world.rename(tried.world.with_name("as-it-was"))
        tried.world.symlink_to(elsewhere)
        assert not targets & set(tried.action.leads(tried.parameters).values())
        assert {target.id for target in tried.targets()} != targets, "the gate sees it before a deed"


@pytest.mark.parametrize("name", NAMES)
def test_a_deed_takes_effect_and_its_probe_says_so(bench: Bench, name: str) -> None:
    with trial(name, bench, 3) as tried:
        journal = bench.journal()
        assert tried.action.probe(tried.parameters, None) is Applied.NO
        assert tried.apply(journal).state is StepState.DONE
        if tried.case.effects is not None:
            assert tried.case.effects(tried.world, tried.written) == 1
        if tried.case.tells_yes:
            assert tried.action.probe(tried.parameters, journal.handle) is Applied.YES


@pytest.mark.parametrize("name", [name for name in NAMES if CASES[name].is_idempotent])
def test_a_deed_done_twice_is_done_once(bench: Bench, name: str) -> None:
    with trial(name, bench, 4) as tried:
        assert tried.apply(bench.journal()).state is StepState.DONE
        once = tried.state()
        assert tried.apply(bench.journal()).state is StepState.DONE
        assert tried.state() == once


@pytest.mark.parametrize(("name", "seeds"), counted(EXACT))
def test_what_was_done_is_undone_exactly(bench: Bench, name: str, seeds: range) -> None:
    for seed in seeds:
        with trial(name, bench, seed) as tried:
            before, taken, journal = tried.state(), tried.take(), bench.journal()
            outcome = tried.apply(journal)
            assert outcome.state is StepState.DONE, (seed, outcome.why)
            ends = tried.restore(taken, journal.changes_of)
            assert {end.state for end in ends} <= BACK, (seed, ends)
            assert tried.state() == before, seed


@pytest.mark.parametrize(("name", "seeds"), counted(CHANGING))
def test_what_others_changed_is_spared_and_shown(bench: Bench, name: str, seeds: range) -> None:
    for seed in seeds:
        with trial(name, bench, seed) as tried:
            taken, journal = tried.take(), bench.journal()
            assert tried.apply(journal).state is StepState.DONE
            assert tried.case.foreign is not None
            tried.case.foreign(tried.world, tried.written, tried.chance)
            theirs = tried.state()
            ends = tried.restore(taken, journal.changes_of)
            # A symlink on the way to a file that others changed is a target too, and still as it was.
            spared = [end for end in ends if end.state not in BACK]
            assert {end.state for end in spared} == {RestoreState.FOREIGN}, (seed, ends)
            assert all(end.difference for end in spared), seed
            assert tried.state() == theirs, seed


def counted_beside() -> list[Any]:
    """Run a few seeds for each, and all of them for those that leave nothing which others could change."""
    few = [pytest.param(name, range(FEW), id=name) for name in CHANGING]
    return few + counted([name for name in EXACT if name not in CHANGING])


@pytest.mark.parametrize(("name", "seeds"), counted_beside())
def test_what_others_did_beside_it_stays(bench: Bench, name: str, seeds: range) -> None:
    for seed in seeds:
        with trial(name, bench, seed) as tried, trial_beside(tried, bench, seed) as expected:
            taken, journal = tried.take(), bench.journal()
            assert tried.apply(journal).state is StepState.DONE
            assert tried.case.beside is not None
            tried.case.beside(tried.world, tried.written, random.Random(seed))
            ends = tried.restore(taken, journal.changes_of)
            assert {end.state for end in ends} <= BACK, (seed, ends)
            assert without_times(tried.state()) == without_times(expected), seed


@contextmanager
def trial_beside(tried: Trial, bench: Bench, seed: int) -> Generator[State]:
    """Return the state of a world in which only the others did something."""
    folder = bench.folder / f"{tried.name}-{seed}-others"
    shutil.copytree(tried.world, folder / "world", symlinks=True)
    assert tried.case.beside is not None
    tried.case.beside(folder / "world", tried.written, random.Random(seed))
    yield tried.case.state(folder / "world")
    shutil.rmtree(folder)


def without_times(state: State) -> State:
    """Return a state in which times do not count: two worlds are never made in the same moment."""
    if not isinstance(state, dict):
        return state
    entries = cast("dict[str, object]", state)
    return {path: getattr(entry, "sha256", entry) for path, entry in entries.items()}


@pytest.fixture(scope="module")
def crash_server() -> Iterator[subprocess.Popen[str]]:
    with started_crash_server() as server:
        yield server


def crash(server: subprocess.Popen[str], tried: Trial, cut: str | None, nth: int = 1) -> int:
    """Apply the action in another process that dies at the cut; return how it ended."""
    return asked(server, tried.folder, cut, nth, {"action": tried.name, "parameters": tried.written})


def cuts_of(server: subprocess.Popen[str], name: str, bench: Bench) -> list[tuple[str, int]]:
    """Return every pass of every fault point that the action comes by, as name and how often before."""
    with trial(name, bench, 5) as tried:
        assert crash(server, tried, None) == 0
        return passes(tried.folder)


def after_the_crash(
    bench: Bench, server: subprocess.Popen[str], name: str
) -> Iterator[tuple[Trial, State, list[SnapshotObject], Applied, Changes]]:
    """Crash the action at each of its fault points, and yield what recovery finds then."""
    cuts = cuts_of(server, name, bench)
    assert cuts, "an action needs at least one fault point"
    for cut, nth in cuts:
        with trial(name, bench, 5) as tried:
            before = tried.state()
            taken = tried.take() if CASES[name].is_exact else []
            assert crash(server, tried, cut, nth) == signal.SIGKILL, (cut, nth)
            recovered = Bench(tried.folder, rules=RULES)
            handle = noted(tried.folder)
            found = found_actions(recovered)[name].probe(tried.parameters, handle)
            check_truth(tried, found, before, (cut, nth))
            yield tried, before, taken, found, partial(moved_change, handle or {}, recovered.vault, bench)
            recovered.close()


@pytest.mark.parametrize("name", NAMES)
def test_a_crash_anywhere_leaves_no_doubt_and_a_way_back(
    bench: Bench, crash_server: subprocess.Popen[str], name: str
) -> None:
    for tried, before, taken, _, changes in after_the_crash(bench, crash_server, name):
        if taken:
            check_way_back(tried, before, taken, changes)


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) for name in NAMES])
def test_what_a_crash_prevented_is_done_once_and_can_still_be_undone(
    bench: Bench, crash_server: subprocess.Popen[str], name: str
) -> None:
    for tried, before, taken, found, changes in after_the_crash(bench, crash_server, name):
        journal = bench.journal()
        if found is Applied.NO:
            assert tried.apply(journal).state is StepState.DONE
            assert tried.case.effects is None or tried.case.effects(tried.world, tried.written) == 1
            assert not list(tried.world.rglob(".grace-*"))
        if taken:
            check_way_back(tried, before, taken, journal.changes_of if journal.notes else changes)


def check_way_back(tried: Trial, before: State, taken: list[SnapshotObject], changes: Changes) -> None:
    """Hold an undo to its word: all is as before, or what may be anybody's change is left alone and shown."""
    found = tried.state()
    ends = tried.restore(taken, changes)
    is_known = any(changes(one.target) for one in taken)
    if not tried.case.knows_its_change and not is_known and found != before:
        assert {end.state for end in ends} - BACK == {RestoreState.FOREIGN}, ends
        assert tried.state() == found
        return
    assert {end.state for end in ends} <= BACK, ends
    assert tried.state() == before


@pytest.mark.parametrize("name", CHANGING)
def test_an_undo_that_is_cut_anywhere_is_finished_by_the_next(
    bench: Bench, crash_server: subprocess.Popen[str], name: str
) -> None:
    with trial(name, bench, 5) as tried:
        cuts = undo_cut_at(tried, crash_server, None, 1)
    assert cuts, "a way back needs at least one fault point"
    for cut, nth in cuts:
        with trial(name, bench, 5) as tried:
            undo_cut_at(tried, crash_server, cut, nth)


def undo_cut_at(tried: Trial, server: subprocess.Popen[str], cut: str | None, nth: int) -> list[tuple[str, int]]:
    """Do and undo, the undo in a process that dies at the cut; then undo again, and everything is as before."""
    before, journal = tried.state(), tried.bench.journal()
    (taken,) = tried.take()
    assert tried.apply(journal).state is StepState.DONE
    what = {"taken": taken.to_json(), "changes": list(journal.changes)}
    assert asked(server, tried.bench.folder, cut, nth, what) == (0 if cut is None else signal.SIGKILL), (cut, nth)
    (end,) = tried.restore([taken], journal.changes_of)
    assert end.state in BACK, (cut, nth, end)
    assert tried.state() == before, (cut, nth)
    return passes(tried.bench.folder) if cut is None else []


def noted(folder: Path) -> dict[str, Any] | None:
    """Return what the dead process had noted, merged as recovery merges it."""
    file = folder / NOTES
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    merged: dict[str, Any] = {}
    for line in lines:
        merged |= line
    return merged or None


def moved_change(handle: dict[str, Any], vault: Any, bench: Bench, target: Target) -> tuple[str, ...]:
    """Bring what the dead process kept of a change into the vault in which the snapshot lies."""
    change = change_of(handle, target)
    if not isinstance(change, str):
        return ()
    return (bench.vault.put(vault.get(change)) if change.startswith("vault:") else change,)


def check_truth(tried: Trial, found: Applied, before: State, where: tuple[str, int]) -> None:
    """Hold what the probe says against the world: `yes` and `no` must be true, `unknown` is always honest."""
    if tried.case.effects is not None:
        effects = tried.case.effects(tried.world, tried.written)
        assert effects <= 1, where
        assert found is not Applied.YES or effects == 1, where
        assert found is not Applied.NO or effects == 0 or tried.case.may_be_repeated, where
        return
    is_as_before = without_scratch(tried.state()) == before
    assert found is not Applied.NO or is_as_before or tried.case.may_be_repeated, where
    assert found is not Applied.YES or not is_as_before, where


def without_scratch(state: State) -> State:
    """Return a state without what an interrupted write prepared beside the target."""
    if not isinstance(state, dict):
        return state
    return {path: entry for path, entry in cast("dict[str, object]", state).items() if not path.startswith(".grace-")}


@pytest.mark.parametrize("name", EXACT)
def test_a_full_disk_during_the_snapshot_is_a_refusal_that_leaves_nothing(bench: Bench, name: str) -> None:
    with trial(name, bench, 6) as tried, full_disk(tried.folder / "disk") as folder:
        vault = open_vault(folder / "vault", folder / "vault.key")
        before = snapshot_of(tried.world)
        kept = sorted(vault.addresses())
        exhaust(folder)
        taken = [tried.provider.take(target, vault) for target in tried.targets()]
        assert all(isinstance(one, Refusal) for one in taken), taken
        assert sorted(vault.addresses()) == kept
        assert not list(folder.rglob("*.staged"))
        assert snapshot_of(tried.world) == before


@contextmanager
def full_disk(folder: Path) -> Generator[Path]:
    """Yield a folder whose disk can be exhausted: a small one of its own for root, else a limit on files."""
    folder.mkdir()
    if os.geteuid() != 0:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        try:
            yield folder
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        return
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def exhaust(folder: Path) -> None:
    """Use up what is left."""
    if os.geteuid() != 0:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        return
    with (folder / "filler").open("ab", buffering=0) as file, pytest.raises(OSError, match="No space"):
        write_until_it_fails(file)


def write_until_it_fails(file: IO[bytes]) -> None:
    while True:
        file.write(b"x" * 512)


def test_a_page_of_the_manual_names_every_action_and_every_parameter(bench: Bench) -> None:
    manual = (ROOT / "docs" / "executors.md").read_text()
    for name, action in installed_actions(bench).items():
        section = manual.partition(f"### `{name}`\n")[2].partition("\n### ")[0].partition("\n## ")[0]
        assert section, f"docs/executors.md has no section for {name}"
        assert action.spec.summary in section, f"docs/executors.md says something else of {name}"
        assert action.spec.reversibility.value in section, f"docs/executors.md hides the way back of {name}"
        outputs = action.spec.outputs.model_fields if action.spec.outputs else {}
        for field in (*action.spec.parameters.model_fields, *outputs):
            assert f"`{field}`" in section, f"docs/executors.md does not name {field!r} of {name}"


def test_the_manual_names_no_action_that_is_not_there(bench: Bench) -> None:
    manual = (ROOT / "docs" / "executors.md").read_text()
    named = {line.strip("#` ") for line in manual.splitlines() if line.startswith("### `")}
    assert named == set(installed_actions(bench))
