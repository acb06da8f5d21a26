"""A removal that cannot be finished: refused where it can be seen, given back where it shows half-way."""

import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest

from grace.act.executors.file import FileExecutor
from grace.act.safehold.providers.files import FilesProvider
from grace.kit.filesystem.scan import scan
from grace.kit.filesystem.survey import Scope
from grace.kit.filesystem.writing import scratch_name
from grace.model.execution import StepState
from grace.model.snapshot import RestoreState
from grace.model.warrant import Refusal
from tests.act.workbench import Bench, file_target, perform, taken


@pytest.fixture
def hands(bench: Bench) -> FileExecutor:
    return FileExecutor(bench.workplace)


def mark(place: Path, flag: str) -> None:
    done = subprocess.run(["chattr", f"+{flag}", place], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"this file system or user cannot mark files: {done.stderr.strip()}")


def unmark_all(folder: Path) -> None:
    subprocess.run(["chattr", "-R", "-f", "-i", "-a", folder], capture_output=True, check=False)


@pytest.fixture
def tree(bench: Bench) -> Generator[Path]:
    tree = bench.world / "cache"
    (tree / "deep").mkdir(parents=True)
    for name in ("a", "deep/i", "deep/z", "z"):
        (tree / name).write_text(f"content of {name}")
    yield tree
    unmark_all(bench.world)


@pytest.mark.parametrize("flag", ["i", "a"])
@pytest.mark.parametrize("name", ["deep/i", "deep", ""])
def test_what_is_marked_is_neither_planned_to_go_nor_kept(
    bench: Bench, hands: FileExecutor, tree: Path, name: str, flag: str
) -> None:
    mark(tree / name, flag)
    action = hands.actions["file.remove"]
    refused = action.predict(action.spec.parameters.model_validate({"path": str(tree), "recursive": True}))
    assert isinstance(refused, Refusal)
    assert refused.rule == "files.marked"
    assert str(tree / name) in refused.why
    assert f"chattr -{flag}" in refused.next
    kept = FilesProvider(bench.surroundings).take(file_target(tree), bench.vault)
    assert isinstance(kept, Refusal)
    assert kept.rule == "files.marked"
    outcome = perform(hands, "file.remove", bench.journal(), path=str(tree), recursive=True)
    assert outcome.state is StepState.REFUSED


def test_a_removal_that_fails_half_way_is_given_back_exactly(bench: Bench, hands: FileExecutor, tree: Path) -> None:
    before = scan(tree, Scope())
    provider = FilesProvider(bench.surroundings)
    kept = taken(provider.take(file_target(tree), bench.vault))
    journal = bench.journal()
    journal.on_note = lambda: mark(tree / "deep" / "i", "i")
    outcome = perform(hands, "file.remove", journal, path=str(tree), recursive=True)
    aside = tree.with_name(scratch_name("cache"))
    assert outcome.state is StepState.UNKNOWN
    assert f"{tree} is gone from its place" in outcome.why
    assert f"the rest lies at {aside}" in outcome.why
    restored = provider.restore(kept, None, journal.changes, bench.vault)
    assert restored.state is RestoreState.EQUAL, restored
    assert scan(tree, Scope()) == before
    assert not aside.exists()


def test_a_whole_folder_that_lies_aside_is_renamed_back(bench: Bench, hands: FileExecutor, tree: Path) -> None:
    provider = FilesProvider(bench.surroundings)
    kept = taken(provider.take(file_target(tree), bench.vault))
    journal = bench.journal()
    perform(hands, "file.remove", journal, path=str(tree), recursive=True)
    provider.restore(kept, None, journal.changes, bench.vault)
    number = (tree / "a").stat().st_ino
    tree.rename(tree.with_name(scratch_name("cache")))
    restored = provider.restore(kept, None, journal.changes, bench.vault)
    assert restored.state is RestoreState.EQUAL
    assert (tree / "a").stat().st_ino == number


def test_what_cannot_be_put_back_is_said_with_the_place_where_it_lies(
    bench: Bench, hands: FileExecutor, tree: Path
) -> None:
    provider = FilesProvider(bench.surroundings)
    kept = taken(provider.take(file_target(tree), bench.vault))
    journal = bench.journal()
    journal.on_note = lambda: mark(tree / "deep" / "i", "i")
    perform(hands, "file.remove", journal, path=str(tree), recursive=True)
    aside = tree.with_name(scratch_name("cache"))
    (aside / "deep" / "foreign").write_text("somebody's")
    mark(aside / "deep" / "foreign", "i")
    restored = provider.restore(kept, None, journal.changes, bench.vault)
    assert restored.state is RestoreState.FAILED
    assert "nothing was touched" not in restored.difference
    assert str(aside) in restored.difference
    assert (aside / "deep" / "i").read_text() == "content of deep/i"
    assert not tree.exists()
