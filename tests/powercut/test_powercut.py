"""The simulated power cut is held to programs whose durability is known."""

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.powercut import Directories, build_shim, environment, workloads
from tests.powercut.cases import ROOT, Case, Outcome, assert_survived, observe_cases

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory, require_tool: Callable[[str], Path]) -> Path:
    return build_shim(tmp_path_factory.mktemp("powercut"), require_tool("gcc"))


def failed(outcomes: list[Outcome]) -> list[str]:
    return [outcome.failure for outcome in outcomes if outcome.failure is not None]


def test_wal_with_normal_sync_loses_acknowledged_commits(shim: Path, tmp_path: Path) -> None:
    outcomes = observe_cases(
        shim,
        tmp_path,
        workloads.commit_with_normal,
        workloads.every_acked_row_is_there,
        prepare=workloads.make_table,
        cases=100,
    )
    losses = failed(outcomes)
    assert len(losses) > 40
    assert all("lost [" in loss for loss in losses), "the database itself stays sound"


def test_wal_with_full_sync_loses_none_in_300_cuts(shim: Path, tmp_path: Path) -> None:
    outcomes = assert_survived(
        shim,
        tmp_path,
        workloads.commit_with_full,
        workloads.every_acked_row_is_there,
        prepare=workloads.make_table,
    )
    assert len({len(outcome.acked) for outcome in outcomes}) == workloads.ROWS + 1, "cuts fell between all commits"


def test_an_unsynced_write_is_sometimes_lost_and_sometimes_torn(shim: Path, tmp_path: Path) -> None:
    outcomes = observe_cases(
        shim,
        tmp_path,
        workloads.write_without_sync,
        workloads.the_block_is_new,
        prepare=workloads.start_with_an_old_block,
        cases=100,
    )
    stories = failed(outcomes)
    assert any("AssertionError: lost" in story for story in stories)
    assert any("AssertionError: torn" in story for story in stories)
    assert any(outcome.acked and outcome.failure is None for outcome in outcomes)


def test_a_synced_write_is_never_lost(shim: Path, tmp_path: Path) -> None:
    assert_survived(
        shim,
        tmp_path,
        workloads.write_and_sync,
        workloads.the_block_is_new,
        prepare=workloads.start_with_an_old_block,
        cases=100,
    )


@pytest.mark.parametrize("directories", Directories)
def test_a_replacement_with_both_syncs_is_atomic_and_kept(shim: Path, tmp_path: Path, directories: Directories) -> None:
    assert_survived(
        shim,
        tmp_path,
        workloads.replace_safely,
        workloads.the_block_is_old_or_new,
        prepare=workloads.start_with_an_old_block,
        cases=60,
        directories=directories,
    )


@pytest.mark.parametrize(
    "workload",
    [workloads.replace_without_syncing_the_file, workloads.replace_without_syncing_the_directory],
)
def test_a_replacement_that_forgets_one_sync_is_found_out(
    shim: Path, tmp_path: Path, workload: Callable[..., None]
) -> None:
    outcomes = observe_cases(
        shim,
        tmp_path,
        workload,
        workloads.the_block_is_old_or_new,
        prepare=workloads.start_with_an_old_block,
        cases=60,
        directories=Directories.STRICT,
    )
    assert failed(outcomes)


@pytest.mark.parametrize("directories", Directories)
def test_every_kind_of_change_can_be_taken_away(shim: Path, tmp_path: Path, directories: Directories) -> None:
    assert_survived(
        shim,
        tmp_path,
        workloads.churn,
        workloads.accept_anything,
        prepare=workloads.start_with_an_old_block,
        cases=60,
        directories=directories,
    )


def test_a_broken_workload_is_said_to_be_broken_before_any_cut(shim: Path, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="does not even run with power"):
        assert_survived(shim, tmp_path, workloads.fail, workloads.accept_anything)


def test_a_broken_workload_is_a_failure_with_its_traceback(shim: Path, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="the workload itself is broken"):
        assert_survived(shim, tmp_path, workloads.fail, workloads.accept_anything, only=[Case(seed=1, cut_at=1)])


CHURN = """
import sys
from pathlib import Path
from tests.powercut.workloads import churn
churn(Path(sys.argv[1]), lambda _: None)
"""


def digest(folder: Path) -> str:
    sha = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        target = path.readlink() if path.is_symlink() else ""
        sha.update(f"{path.relative_to(folder)} {path.is_dir()} {target}".encode())
        sha.update(path.read_bytes() if path.is_file() and not path.is_symlink() else b"")
    return sha.hexdigest()


def churned(shim: Path, folder: Path, seed: int, cut_at: int) -> str:
    folder.mkdir()
    workloads.start_with_an_old_block(folder)
    ended = subprocess.run(
        [sys.executable, "-c", CHURN, str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment(shim, folder, seed, cut_at)},
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL
    return digest(folder)


def test_the_same_seed_leaves_the_same_files(shim: Path, tmp_path: Path) -> None:
    first = [churned(shim, tmp_path / f"first-{seed}", seed, 12) for seed in range(6)]
    again = [churned(shim, tmp_path / f"again-{seed}", seed, 12) for seed in range(6)]
    assert first == again
    assert len(set(first)) > 1


WAIT_FOR_THE_CUT = """
import os, signal, sys
descriptor = os.open(sys.argv[1] + "/block", os.O_WRONLY)
os.write(descriptor, b"n" * 20000)
print("written", flush=True)
signal.pause()
"""


def test_a_signal_cuts_the_power_from_outside(shim: Path, tmp_path: Path) -> None:
    left: set[bytes] = set()
    for seed in range(8):
        workloads.start_with_an_old_block(tmp_path)
        armed = environment(shim, tmp_path, seed, signal_number=signal.SIGUSR1)
        with subprocess.Popen(
            [sys.executable, "-c", WAIT_FOR_THE_CUT, str(tmp_path)],
            env={**os.environ, **armed},
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"written\n"
            process.send_signal(signal.SIGUSR1)
            assert process.wait() == -signal.SIGKILL
        left.add((tmp_path / "block").read_bytes())
    assert b"o" * workloads.BLOCK in left


def test_a_wrong_variable_is_refused_by_name(shim: Path, tmp_path: Path) -> None:
    armed = {**environment(shim, tmp_path, 1), "POWERCUT_AT": "soon"}
    ended = subprocess.run([sys.executable, "-c", ""], env=armed, capture_output=True, text=True, check=False)
    assert ended.returncode == 97
    assert "POWERCUT_AT" in ended.stderr
