from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from grace.doctor.ground import (
    LEAST_ROOM_BYTES,
    SLOW_SYNC_MS,
    Ground,
    file_system,
    kind_of,
    of_kind,
    ownership,
    private_files,
    room,
)
from grace.kit.clock import SystemClock, VirtualClock
from grace.model.examination import CheckResult, Health

CLOCK = SystemClock()
MOUNTS = """\
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 21 0:26 / /srv rw - xfs /dev/sdb1 rw
31 30 0:27 / /srv/my\\040data rw - nfs4 host:/x rw
32 30 0:28 / /srv/data rw - tmpfs tmpfs rw
"""
AS_NOBODY = """
import os, sys
from pathlib import Path
from grace.doctor.ground import Ground
from grace.kit.clock import SystemClock
list(Ground(Path(sys.argv[1]), SystemClock()).checks())  # Nobody else may read here what this imports.
os.setgroups([]), os.setgid(65534), os.setuid(65534)
for one in Ground(Path(sys.argv[1]), SystemClock()).checks():
    print(one.check, one.health.value, one.next)
"""
HOLD = """
import sys, time
from pathlib import Path
from grace.doctor.ground import nameless
with nameless(Path(sys.argv[1])):
    print("open", flush=True)
    time.sleep(60)
"""


class SlowDisk(VirtualClock):
    """A clock on which every look takes 0.1 s."""

    def monotonic(self) -> float:
        self.advance(0.1)
        return super().monotonic()


def by_check(results: list[CheckResult]) -> dict[str, CheckResult]:
    return {one.check: one for one in results}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    made.mkdir(mode=0o700)
    return made


def test_a_good_folder_is_measured_and_left_exactly_as_it_was(folder: Path) -> None:
    before = folder.stat()
    found = by_check(list(Ground(folder, CLOCK).checks()))
    assert {one.health for name, one in found.items() if name not in {"folder.filesystem", "folder.room"}} == {
        Health.OK
    }
    synced = found["folder.fsync"]
    assert synced.value is not None
    assert synced.value > 0
    assert synced.unit == "ms"
    assert list(folder.iterdir()) == []
    assert folder.stat().st_mtime_ns == before.st_mtime_ns


def test_a_killed_doctor_leaves_nothing_behind(folder: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "open\n"
        child.send_signal(signal.SIGKILL)
    assert list(folder.iterdir()) == []


def test_a_folder_that_is_not_there_yet_is_well_where_it_can_be_made(tmp_path: Path) -> None:
    (one,) = Ground(tmp_path / "a" / "b", CLOCK).checks()
    assert one.health is Health.OK
    assert not (tmp_path / "a").exists()


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path: Path) -> None:
    place = tmp_path / "data"
    place.write_text("a file")
    (one,) = Ground(place, CLOCK).checks()
    assert one.health is Health.FAILED


def test_a_folder_that_nobody_can_write_fails_also_for_root() -> None:
    one = Ground(Path("/proc/self/task"), CLOCK).writing()
    assert one.health is Health.FAILED
    assert "GRACE_DATA_FOLDER" in one.next


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_a_folder_of_another_user_fails_for_who_may_not_write_it() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        child = [sys.executable, "-c", AS_NOBODY, folder]
        said = subprocess.run(child, capture_output=True, text=True, check=True, timeout=60).stdout
    assert "folder.owner failed run this as user 0" in said
    assert "folder.fsync failed chown 65534" in said


def test_a_folder_that_others_may_look_into_is_warned_of(folder: Path) -> None:
    folder.chmod(0o755)
    one = ownership(folder)
    assert (one.health, one.next) == (Health.WARNING, f"chmod 700 {folder}")


def test_a_key_that_others_may_read_fails(folder: Path) -> None:
    for name, mode in (("ledger.key", 0o600), ("vault.key", 0o640)):
        (folder / name).write_text("key")
        (folder / name).chmod(mode)
    good, bad = private_files(folder)
    assert good.health is Health.OK
    assert (bad.health, bad.next) == (Health.FAILED, f"chmod 600 {folder}/vault.key")


def test_a_slow_disk_is_warned_of_with_its_number(folder: Path) -> None:
    one = Ground(folder, SlowDisk()).writing()
    assert one.health is Health.WARNING
    assert one.value is not None
    assert one.value > SLOW_SYNC_MS


@pytest.mark.parametrize(
    ("place", "kind"),
    [("/srv/my data/grace", "nfs4"), ("/srv/data", "tmpfs"), ("/srv/data2", "xfs"), ("/home", "ext4")],
)
def test_the_file_system_is_that_of_the_innermost_mount(place: str, kind: str) -> None:
    assert kind_of(Path(place), MOUNTS) == kind


@pytest.mark.parametrize(
    ("kind", "health"),
    [
        ("ext4", Health.OK),
        ("nfs4", Health.WARNING),
        ("tmpfs", Health.WARNING),
        ("overlay", Health.WARNING),
        (None, Health.UNKNOWN),
    ],
)
def test_a_file_system_that_forgets_or_is_far_away_is_warned_of(kind: str | None, health: Health) -> None:
    assert of_kind(Path("/srv"), kind).health is health


def test_a_real_file_system_has_a_kind() -> None:
    assert "proc" in file_system(Path("/proc")).found


def test_a_disk_without_room_fails() -> None:
    one = room(Path("/proc"))  # it has none
    assert one.health is Health.FAILED
    assert one.value is not None
    assert one.value < LEAST_ROOM_BYTES
