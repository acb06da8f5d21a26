"""Snapshots that are cut off anywhere, or find the disk full: nothing is touched, nothing half kept counts."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final, cast

import pytest

from grace.act.safehold import Provider
from grace.act.safehold.providers import Surroundings
from grace.act.safehold.providers.sqlite import SqliteProvider
from grace.act.safehold.vault import open_vault
from grace.kit.sqlite_child import Role, SqliteChild
from grace.model.execution import StepState
from grace.model.plan import PlannedStep
from grace.model.settlement import AbortReason, SettlementKind
from grace.model.snapshot import SnapshotObject
from grace.model.target import Target
from tests.act.healing.rig import HOST, Room, Script, expect, plan, step
from tests.act.workbench import Bench
from tests.conformance.dying import asked, passes, started_crash_server
from tests.conformance.hands import RULES
from tests.conformance.test_executors import BACK, Trial, exhaust, snapshot_of, trial

KEEPING: Final = ("file.write", "file.remove", "sqlite.execute")
SEEDS: Final = range(5, 9)


@pytest.fixture(scope="module")
def bench(ground: Path) -> Iterator[Bench]:
    made = Bench(ground, rules=RULES)
    yield made
    made.close()


@pytest.fixture(scope="module")
def server() -> Iterator[subprocess.Popen[str]]:
    with started_crash_server() as started:
        yield started


def kept_until(tried: Trial, server: subprocess.Popen[str], cut: str | None, nth: int) -> int:
    """Take the snapshot in a process that dies at the cut; return how it ended."""
    (target,) = tried.targets()
    return asked(server, tried.folder, cut, nth, {"keep": tried.action.spec.provider, "target": target.to_json()})


def files_in(world: Path) -> dict[str, object]:
    """Return every file, but not the time of the folder: SQLite's readers come and go beside their database."""
    return {path: found for path, found in snapshot_of(world).items() if path != str(world)}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", KEEPING)
def test_a_snapshot_that_dies_anywhere_touches_nothing_and_is_taken_by_the_next(
    bench: Bench, server: subprocess.Popen[str], name: str, seed: int
) -> None:
    with trial(name, bench, seed) as tried:
        assert kept_until(tried, server, None, 1) == 0
        cuts = passes(tried.folder)
    assert cuts, "keeping needs at least one fault point"
    for cut, nth in cuts:
        with trial(name, bench, seed) as tried:
            before, world = tried.state(), files_in(tried.world)
            assert kept_until(tried, server, cut, nth) == signal.SIGKILL, (cut, nth)
            assert files_in(tried.world) == world, (cut, nth)
            vault = open_vault(tried.folder / "grace" / "vault", tried.folder / "grace" / "vault.key")
            assert not list((tried.folder / "grace").rglob("*.staged")), (cut, nth)
            assert all(map(vault.holds, vault.addresses())), (cut, nth)
            (target,) = tried.targets()
            taken = tried.provider.take(target, vault)
            assert isinstance(taken, SnapshotObject), (cut, nth, taken)
            journal = bench.journal()
            assert tried.apply(journal).state is StepState.DONE
            changes = tuple(
                vault.put(bench.vault.get(one)) if one.startswith("vault:") else one for one in journal.changes
            )
            end = tried.provider.restore(taken, None, changes, vault)
            assert end.state in BACK, (cut, nth, end)
            assert tried.state() == before, (cut, nth)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    """Return a house whose vault lies on a small disk of its own."""
    vault = tmp_path / "state" / "vault"
    vault.mkdir(parents=True, mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=0700", "none", str(vault)], check=True)
    target = tmp_path / "a.txt"
    target.write_text("old")
    made = Room(tmp_path, Script(plan(step(target, "new"), clauses=(expect(target, "new"),))))
    yield made
    made.close()
    subprocess.run(["umount", str(vault)], check=True)


@pytest.mark.root
def test_a_run_whose_file_cannot_be_kept_for_want_of_room_is_aborted(room: Room) -> None:
    exhaust(room.folder / "state" / "vault")
    settlement = room.heal()
    assert (settlement.kind, settlement.reason) == (SettlementKind.ABORTED, AbortReason.SNAPSHOT_FAILED), settlement
    assert "no room" in settlement.sentence
    assert "nothing was touched" in settlement.sentence
    assert (room.folder / "a.txt").read_text() == "old"
    assert room.actions["note.write"].calls == []


@pytest.mark.root
def test_a_run_whose_database_cannot_be_kept_for_want_of_room_is_aborted(room: Room) -> None:
    database = room.folder / "orders.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE t (x)")
    child = SqliteChild(Role.WRITER)
    surroundings = Surroundings(forbidden=(room.folder / "state",), redact=str, sqlite=child)
    providers = cast("dict[str, Provider]", room.runs.walks.heal.guard.providers)
    providers["sqlite"] = SqliteProvider(surroundings)
    target = Target(kind="sqlite", host=HOST, id=str(database))
    written: PlannedStep = step(database, "new").model_copy(update={"provider": "sqlite", "targets": (target,)})
    room.script.plan = plan(written, clauses=(expect(room.folder / "a.txt", "new"),))
    before = database.read_bytes()
    exhaust(room.folder / "state" / "vault")
    settlement = room.heal()
    child.close()
    assert (settlement.kind, settlement.reason) == (SettlementKind.ABORTED, AbortReason.SNAPSHOT_FAILED), settlement
    assert "no room" in settlement.sentence
    assert database.read_bytes() == before
    assert room.actions["note.write"].calls == []
