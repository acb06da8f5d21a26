"""What a power cut leaves: everything acknowledged, a ledger that its witness knows, and one settlement."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash import power
from tests.powercut import Directories, build_shim
from tests.powercut.cases import ROOT, assert_survived, observe_cases

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory, require_tool: Callable[[str], Path]) -> Path:
    return build_shim(tmp_path_factory.mktemp("powercut"), require_tool("gcc"))


@pytest.mark.parametrize("directories", [Directories.JOURNALED, Directories.STRICT])
def test_what_was_accepted_survives_a_power_cut(shim: Path, ground: Path, directories: Directories) -> None:
    outcomes = assert_survived(
        shim,
        ground / f"kept-{directories}",
        power.take_in,
        power.nothing_acknowledged_is_lost,
        prepare=power.make_record,
        cases=100,
        seed=1,
        directories=directories,
    )
    assert len({len(outcome.acked) for outcome in outcomes}) > power.ROUNDS, "the cuts fell between all rounds"


@pytest.mark.parametrize("directories", [Directories.JOURNALED, Directories.STRICT])
def test_a_first_start_may_lose_its_power_anywhere(shim: Path, ground: Path, directories: Directories) -> None:
    assert_survived(
        shim,
        ground / f"first-{directories}",
        power.take_in,
        power.nothing_acknowledged_is_lost,
        cases=50,
        seed=2,
        directories=directories,
    )


def test_without_full_sync_the_same_work_loses_what_it_acknowledged(shim: Path, ground: Path) -> None:
    outcomes = observe_cases(
        shim,
        ground / "control",
        power.take_in_with_normal_sync,
        power.nothing_acknowledged_is_lost,
        prepare=power.make_record,
        cases=60,
        seed=3,
    )
    failures = [outcome.failure for outcome in outcomes if outcome.failure is not None]
    assert len(failures) > 20, "the cuts can be felt"
    found_out = [failure for failure in failures if "entries were cut off" in failure or "were changed" in failure]
    lost = [failure for failure in failures if "AssertionError: lost [" in failure]
    assert len(found_out) + len(lost) == len(failures), "a loss is seen by the witness or by who was promised"
    assert found_out, "the witness sees a log that fell behind it"


@pytest.fixture(scope="module")
def healing(ground: Path) -> Path:
    folder = ground / "healing"
    folder.mkdir()
    make = (
        "import sys; from pathlib import Path; from tests.crash.power import make_template as m; m(Path(sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", make, str(folder)], cwd=ROOT, check=True)
    return folder


def test_a_heal_that_loses_its_power_ends_once_and_well(shim: Path, healing: Path) -> None:
    assert_survived(
        shim,
        healing,
        power.heal_well,
        power.heal_ends_well,
        prepare=power.put_template,
        warm_up=power.live_once,
        cases=25,
        seed=4,
        timeout_s=180,
    )


def test_an_undo_that_loses_its_power_ends_once_and_exactly(shim: Path, healing: Path) -> None:
    assert_survived(
        shim,
        healing,
        power.heal_harmfully,
        power.harm_is_taken_back,
        prepare=power.put_template,
        warm_up=power.live_once,
        cases=25,
        seed=5,
        timeout_s=180,
        directories=Directories.STRICT,
    )
