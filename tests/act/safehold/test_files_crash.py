"""An undo of a whole tree that dies anywhere, is done again, and ends exactly."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from grace.act.safehold.providers.files import FilesProvider
from grace.model.snapshot import RestoreState
from tests.act.safehold.trees import grow, mutate
from tests.act.workbench import Bench, file_target, taken

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def server() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.conformance.crash_server"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as started:
        yield started
        assert started.stdin is not None
        started.stdin.close()


def ask(server: subprocess.Popen[str], request: Mapping[str, object]) -> int:
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(json.dumps(request) + "\n")
    server.stdin.flush()
    return int(server.stdout.readline())


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
    request = {"folder": str(folder), "taken": kept.to_json(), "changes": [change], "cut": cut, "nth": nth}
    assert ask(server, request) == (signal.SIGKILL if cut else 0)
    end = provider.restore(kept, None, (change,), bench.vault)
    assert end.state in {RestoreState.EQUAL, RestoreState.UNTOUCHED}, (seed, cut, nth, end)
    assert provider.digest(file_target(tree)) == kept.digest, (seed, cut, nth)
    assert not list(bench.world.rglob(".grace-*")), (seed, cut, nth)
    if cut:
        return []
    names: list[str] = json.loads((folder / "cuts.json").read_text())
    return [(name, names[: index + 1].count(name)) for index, name in enumerate(names)]


@pytest.mark.parametrize("seed", [*range(3), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, 25))])
def test_an_undo_of_a_tree_that_dies_anywhere_is_finished_by_the_next(
    tmp_path: Path, server: subprocess.Popen[str], seed: int
) -> None:
    cuts = assert_undone_after(tmp_path / "whole", server, seed, None, 1)
    assert cuts, "an undo passes fault points"
    for number, (cut, nth) in enumerate(cuts):
        assert_undone_after(tmp_path / str(number), server, seed, cut, nth)
