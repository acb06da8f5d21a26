from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from grace.doctor.record import RecordOnDisk
from grace.kit.clock import SystemClock, VirtualClock
from grace.model.events import EventType, ServerStarted
from grace.model.examination import CheckResult, Health
from grace.model.ledger_entry import Draft
from grace.record.opening import Record, RecordPlaces, open_record
from grace.record.store.engine import open_engine
from grace.record.store.migrating import downgrade

CLOCK = SystemClock()


def fill(record: Record) -> None:
    for number in range(5):
        started = ServerStarted(version=str(number), policy_digest="", recovered=(), adopted=False)
        record.append(Draft(key=f"s{number}", type=EventType.SERVER_STARTED, actor="tests", payload=started.to_json()))


@pytest.fixture
def places(tmp_path: Path) -> RecordPlaces:
    made = RecordPlaces.within(tmp_path)
    with open_record(made) as record:
        fill(record)
    return made


def look(places: RecordPlaces) -> dict[str, CheckResult]:
    return {one.check: one for one in RecordOnDisk(places, CLOCK).checks()}


def everything(folder: Path) -> dict[str, tuple[int, str]]:
    return {file.name: (file.stat().st_mtime_ns, sha256(file.read_bytes()).hexdigest()) for file in folder.iterdir()}


def run(database: Path, statement: str) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute(statement)


def test_a_whole_record_is_well_and_is_left_byte_for_byte_as_it_was(places: RecordPlaces, tmp_path: Path) -> None:
    before = everything(tmp_path)
    found = look(places)
    assert {one.health for one in found.values()} == {Health.OK}
    assert found["record.ledger"].value == 5
    assert everything(tmp_path) == before


def test_a_record_is_read_while_its_server_runs_and_after_it_was_killed(tmp_path: Path) -> None:
    places, copy = RecordPlaces.within(tmp_path / "live"), tmp_path / "killed"
    with open_record(places) as record:
        fill(record)
        assert look(places)["record.ledger"].value == 5
        shutil.copytree(places.database.parent, copy)  # with the log that was never folded in
        fill(record)
    assert (copy / "grace.db-wal").exists()
    assert look(RecordPlaces.within(copy))["record.ledger"].value == 5


def test_a_folder_without_a_record_waits_for_its_first_start(tmp_path: Path) -> None:
    assert look(RecordPlaces.within(tmp_path))["record.schema"].health is Health.OK
    assert list(tmp_path.iterdir()) == []


def _lose_database(places: RecordPlaces) -> None:
    places.database.unlink()


def _lose_witness(places: RecordPlaces) -> None:
    places.witness.unlink()


def _cut(places: RecordPlaces) -> None:
    run(places.database, 'DELETE FROM ledger_entries WHERE "index" = 4')


def _cut_witness(places: RecordPlaces) -> None:
    places.witness.write_bytes(places.witness.read_bytes()[:300])


def _drop_entries(places: RecordPlaces) -> None:
    run(places.database, "DROP TABLE ledger_entries")


def _drop_tree(places: RecordPlaces) -> None:
    run(places.database, "DROP TABLE ledger_tiles")


def _show_key(places: RecordPlaces) -> None:
    places.key.chmod(0o644)


def _lose_key(places: RecordPlaces) -> None:
    places.key.unlink()


def _fall_behind(places: RecordPlaces) -> None:
    engine = open_engine(places.database)
    downgrade(engine, "0001")
    engine.dispose()


def _run_ahead(places: RecordPlaces) -> None:
    run(places.database, "UPDATE alembic_version SET version_num = '9999'")


def _damage(places: RecordPlaces) -> None:
    places.database.write_bytes(b"no database" * 1000)


def _damage_engine(places: RecordPlaces) -> None:
    places.database.with_name("engine.db").write_bytes(b"no database" * 1000)


@pytest.mark.parametrize(
    ("break_it", "check", "advice"),
    [
        (_lose_database, "record.ledger", "put the database back"),
        (_lose_witness, "record.ledger", "--adopt-ledger"),
        (_cut, "record.ledger", "docs/ledger.md"),
        (_cut_witness, "record.ledger", "docs/ledger.md"),
        (_drop_entries, "record.ledger", "docs/ledger.md"),
        (_drop_tree, "record.ledger", "docs/ledger.md"),
        (_show_key, "record.ledger", "mode 600"),
        (_lose_key, "record.ledger", "put the key file back"),
        (_fall_behind, "record.schema", "grace store upgrade"),
        (_run_ahead, "record.schema", "install that version"),
        (_damage, "record.schema", "newest copy"),
        (_damage_engine, "record.engine", "no fact is in it"),
    ],
)
def test_what_is_broken_fails_with_what_to_do(
    places: RecordPlaces, break_it: Callable[[RecordPlaces], None], check: str, advice: str
) -> None:
    break_it(places)
    one = look(places)[check]
    assert one.health is Health.FAILED
    assert advice in one.next


def test_entries_of_the_future_tell_that_the_clock_was_set_back(places: RecordPlaces) -> None:
    found = {one.check: one for one in RecordOnDisk(places, VirtualClock()).checks()}  # it is January there
    assert found["record.ledger"].health is Health.WARNING
    assert "ahead of now" in found["record.ledger"].found


def test_tokens_of_a_record_are_counted_without_opening_it(places: RecordPlaces, tmp_path: Path) -> None:
    assert RecordOnDisk(places, CLOCK).usable_tokens() == 0
    assert RecordOnDisk(RecordPlaces.within(tmp_path / "none"), CLOCK).usable_tokens() is None


AS_NOBODY = """
import os, sys
from pathlib import Path
from grace.doctor import examine
from grace.doctor.clocks import Clocks, ask_kernel
from grace.doctor.ground import Ground
from grace.doctor.record import RecordOnDisk
from grace.kit.clock import SystemClock
from grace.record.opening import RecordPlaces
folder, clock = Path(sys.argv[1]), SystemClock()
record = RecordOnDisk(RecordPlaces.within(folder), clock)
list(record.checks())
os.setgroups([]), os.setgid(65534), os.setuid(65534)
print(record.usable_tokens())
for one in examine([Ground(folder, clock).checks, Clocks(clock, folder, ask_kernel).checks, record.checks]):
    print(one.check, one.health.value)
"""


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
@pytest.mark.parametrize("depth", [0, 1])
def test_who_may_not_look_is_told_so_and_is_never_told_that_all_is_well(depth: int) -> None:
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        closed = Path(made) / "closed"
        folder = closed / "data" if depth else closed
        open_record(RecordPlaces.within(folder)).close()
        closed.chmod(0o700)
        asked = [sys.executable, "-c", AS_NOBODY, str(folder)]
        said = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=60).stdout
    count, *results = said.splitlines()
    assert count == "None"
    assert "record.schema unknown" in results
    assert ("folder.there unknown" if depth else "folder.fsync failed") in results
