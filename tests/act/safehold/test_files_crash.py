"""An undo of a whole tree that dies anywhere, is done again, and ends exactly."""

from __future__ import annotations

import random
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from grace.act.safehold.providers.files import FilesProvider
from grace.model.snapshot import RestoreState
from tests.act.safehold.trees import grow, mutate
from tests.act.workbench import Bench, file_target, taken
from tests.conformance.dying import asked, passes, started_crash_server


@pytest.fixture(scope="module")
def server() -> Iterator[subprocess.Popen[str]]:
    with started_crash_server() as started:
        yield started


def assert_undone_after(
    folder: Path, server: subprocess.Popen[str], seed: int, cut: str | None, nth: int
) -> list[tuple[str, int]]:
    """Require that an undo which died there is made exact by the next one; without a cut, return all that it passes."""
    folder.mkdir()
    bench, chance = Bench(folder), random.Random(seed)
    provider, tree = FilesProvider(bench.surroundings), bench.world / "tree"
    tree.mkdir()
    grow(tree, chance)
    kept = taken(provider.take(file_target(tree), bench.vault))
    for _ in range(6):
        mutate(tree, chance)
    change = provider.change_since(kept, bench.vault)
    assert isinstance(change, str)
    ended = asked(server, folder, cut, nth, {"taken": kept.to_json(), "changes": [change]})
    assert ended == (signal.SIGKILL if cut else 0)
    end = provider.restore(kept, None, (change,), bench.vault)
    assert end.state in {RestoreState.EQUAL, RestoreState.UNTOUCHED}, (seed, cut, nth, end)
    assert provider.digest(file_target(tree)) == kept.digest, (seed, cut, nth)
    assert not list(bench.world.rglob(".grace-*")), (seed, cut, nth)
    return [] if cut else passes(folder)


@pytest.mark.parametrize("seed", [*range(3), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, 25))])
def test_an_undo_of_a_tree_that_dies_anywhere_is_finished_by_the_next(
    tmp_path: Path, server: subprocess.Popen[str], seed: int
) -> None:
    cuts = assert_undone_after(tmp_path / "whole", server, seed, None, 1)
    assert cuts, "an undo passes fault points"
    for number, (cut, nth) in enumerate(cuts):
        assert_undone_after(tmp_path / str(number), server, seed, cut, nth)
