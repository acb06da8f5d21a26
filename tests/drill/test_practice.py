"""Drills with real processes, a real database and the whole house."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from grace import wiring
from grace.api.house import House
from grace.kit.clock import SystemClock
from grace.kit.procfs import is_alive, process_stat
from grace.model.drill import Drill, DrillEnding, DrillKind
from grace.model.events import EventType
from grace.model.plan import Plan
from grace.model.settlement import SettlementKind
from grace.model.warrant import Refusal
from grace.settings import load_settings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

KILLED_IN_A_DRILL = """
import os, signal, sys
from pathlib import Path
from grace import wiring
from grace.model.drill import DrillKind
from grace.settings import load_settings

folder = Path(sys.argv[1])
running = wiring.open_house(load_settings(data_folder=folder / "data", services_file=folder / "none.yaml"))
drills = running.house.drills
drill = drills.wait_for_run(drills.start(DrillKind.DATABASE_LOCKED, "olga"), 60)
print(drill.run_id, *sorted(drills.made_pids()), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def house(tmp_path: Path) -> Generator[House]:
    with _opened(tmp_path) as running:
        yield running.house


def test_a_drill_locks_a_scratch_database_and_its_heal_is_committed_and_the_next_one_can_begin(
    house: House, tmp_path: Path
) -> None:
    theirs = tmp_path / "data-drills" / "photos"
    theirs.mkdir(parents=True)
    drill = _started(house)
    refused = house.drills.start(DrillKind.DATABASE_LOCKED, "ann")
    assert isinstance(refused, Refusal)
    assert refused.rule == "drill-running"

    ended = _ended(house, drill)

    assert (ended.settlement, ended.ending) == (SettlementKind.COMMITTED, DrillEnding.SETTLED)
    plan = next(
        Plan.from_json(entry.payload or {})
        for entry in house.record.entries(run_id=ended.run_id, types={EventType.PLAN_MADE})
    )
    found = plan.finds[0].result
    assert isinstance(found, dict)
    assert "hold_lock.py" in str(found["command"])
    assert not is_alive(int(str(found["pid"])), int(str(found["started_at"])))
    assert list((tmp_path / "data-drills").iterdir()) == [theirs], "only what GRACE made is removed"
    told = house.record.entries(types={EventType.DRILL_STARTED, EventType.DRILL_ENDED})
    assert [(entry.type, entry.actor) for entry in told] == [
        (EventType.DRILL_STARTED, "olga"),
        (EventType.DRILL_ENDED, "grace"),
    ]

    again = _ended(house, _started(house))
    assert again.id != ended.id
    assert again.settlement == SettlementKind.COMMITTED


def test_a_ground_that_cannot_be_made_is_a_refusal(tmp_path: Path) -> None:
    (tmp_path / "data-drills").write_text("somebody's file")
    with _opened(tmp_path) as running:
        refused = running.house.drills.start(DrillKind.DATABASE_LOCKED, "olga")
    assert isinstance(refused, Refusal)
    assert "GRACE_DRILL_FOLDER" in refused.next
    assert (tmp_path / "data-drills").read_text() == "somebody's file"


def test_after_a_kill_in_a_drill_no_program_is_left_and_the_run_is_settled_once(tmp_path: Path) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_IN_A_DRILL, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    run_id, *pids = killed.stdout.split()
    assert len(pids) == 2
    clock = SystemClock()
    while any((stat := process_stat(int(pid))) is not None and stat.is_alive for pid in pids):
        clock.sleep(0.02)

    with _opened(tmp_path) as running:
        record = running.house.record
        while not (settled := [e for e in record.entries(run_id=run_id) if e.type is EventType.RUN_SETTLED]):
            clock.sleep(0.02)

    assert len(settled) == 1


def _opened(folder: Path) -> wiring.Running:
    return wiring.open_house(load_settings(data_folder=folder / "data", services_file=folder / "none.yaml"))


def _started(house: House) -> Drill:
    drill = house.drills.start(DrillKind.DATABASE_LOCKED, "olga")
    assert isinstance(drill, Drill), drill
    return drill


def _ended(house: House, drill: Drill) -> Drill:
    clock = SystemClock()
    while True:
        latest = house.drills.latest
        assert latest is not None
        assert latest.id == drill.id
        if latest.ending is not None:
            return latest
        clock.sleep(0.05)
