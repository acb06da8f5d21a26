from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from grace.doctor.clocks import LARGEST_DRIFT_S, Clocks, TimeService, ask_kernel, time_service
from grace.kit.clock import SystemClock, VirtualClock
from grace.model.examination import Health


class Off(SystemClock):
    """A clock that is so many seconds from the machine's."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.seconds)


class Jumping(VirtualClock):
    """A wall clock that is set by so many seconds during every sleep; the monotonic one goes on."""

    def __init__(self, jump_s: float) -> None:
        super().__init__()
        self.jump_s = jump_s
        self.set_by_s = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.set_by_s)

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self.set_by_s += self.jump_s


def kept() -> TimeService:
    return TimeService(is_synced=True, largest_error_s=0.01)


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0, LARGEST_DRIFT_S * 2])
def test_a_clock_that_jumps_is_warned_of_with_the_number(tmp_path: Path, jump_s: float) -> None:
    one = Clocks(Jumping(jump_s), tmp_path, kept).steadiness()
    assert one.health is Health.WARNING
    assert one.value == pytest.approx(jump_s)


def test_a_clock_that_goes_on_is_well(tmp_path: Path) -> None:
    assert Clocks(VirtualClock(), tmp_path, kept).steadiness().health is Health.OK


@pytest.mark.parametrize("off_s", [-3600.0, 3600.0])
def test_a_clock_that_is_not_the_file_systems_is_warned_of(tmp_path: Path, off_s: float) -> None:
    one = Clocks(Off(off_s), tmp_path, kept).against_files()
    assert one.health is Health.WARNING
    assert one.value == pytest.approx(-off_s, abs=30)
    assert list(tmp_path.iterdir()) == []


def test_the_machines_own_clock_dates_files(tmp_path: Path) -> None:
    assert Clocks(SystemClock(), tmp_path, kept).against_files().health is Health.OK


def test_files_dated_ahead_tell_that_the_clock_was_set_back(tmp_path: Path) -> None:
    file = tmp_path / "grace.db"
    file.write_text("")
    clocks = Clocks(SystemClock(), tmp_path, kept)
    assert clocks.dated_ahead().health is Health.OK
    ahead = datetime.now(UTC).timestamp() + 7200
    os.utime(file, (ahead, ahead))
    one = clocks.dated_ahead()
    assert one.health is Health.WARNING
    assert one.value == pytest.approx(7200, abs=60)
    assert "grace.db" in one.found


@pytest.mark.parametrize(
    ("told", "health"),
    [
        (TimeService(is_synced=True, largest_error_s=0.02), Health.OK),
        (TimeService(is_synced=True, largest_error_s=3.0), Health.WARNING),
        (TimeService(is_synced=False, largest_error_s=16.0), Health.WARNING),
        ("adjtimex refuses: Operation not permitted", Health.UNKNOWN),
    ],
)
def test_a_time_service_that_is_not_known_to_work_is_never_well(told: TimeService | str, health: Health) -> None:
    assert time_service(told).health is health


def test_the_kernel_answers() -> None:
    match ask_kernel():
        case TimeService(largest_error_s=error_s):
            assert error_s >= 0
        case str() as why:
            assert why


def test_every_clock_is_looked_at_once(tmp_path: Path) -> None:
    found = [one.check for one in Clocks(SystemClock(), tmp_path, ask_kernel).checks()]
    assert found == ["clock.steady", "clock.files", "clock.ahead", "clock.synced"]
