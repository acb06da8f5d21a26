"""Clocks: the wall clock beside the monotonic one, the file system's, the time service's, and what is dated ahead."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from grace.doctor.ground import nameless
from grace.doctor.saying import doubtful, not_known, well
from grace.kit.clock import Clock, Jump, to_rfc3339
from grace.model.examination import CheckResult

WATCHED_S: Final = 0.25
LARGEST_DRIFT_S: Final = 0.02
"""Between two clocks of one machine, over a quarter of a second."""
LARGEST_SKEW_S: Final = 0.5
_SET_THE_CLOCK: Final = "see `timedatectl`, and let a time service set the clock: systemd-timesyncd, chrony or ntpd"


@dataclass(frozen=True, slots=True)
class TimeService:
    """What the kernel knows of how well its clock is kept."""

    is_synced: bool
    largest_error_s: float


@dataclass(frozen=True, slots=True)
class Clocks:
    """The clock that GRACE dates by, the folder whose file system dates too, and who asks the kernel."""

    clock: Clock
    folder: Path
    ask_kernel: Callable[[], TimeService | str]

    def checks(self) -> Iterator[CheckResult]:
        """Hold the clock against every other one that can be asked here."""
        yield self.steadiness()
        if os.path.isdir(self.folder):  # noqa: PTH112 - Path.is_dir raises where one may not look
            yield self.against_files()
            yield self.dated_ahead()
        yield time_service(self.ask_kernel())

    def steadiness(self) -> CheckResult:
        """Watch the wall clock beside the monotonic one for a moment: it must not jump or run at another pace."""
        wall, steady = self.clock.now(), self.clock.monotonic()
        self.clock.sleep(WATCHED_S)
        elapsed_s = self.clock.monotonic() - steady
        drift_s = (self.clock.now() - wall).total_seconds() - elapsed_s
        found = f"{drift_s * 1000.0:+.1f} ms against the monotonic clock in {elapsed_s:.2f} s"
        return _judged("clock.steady", "wall clock", found, drift_s, LARGEST_DRIFT_S)

    def against_files(self) -> CheckResult:
        """Date a file that has no name, and hold the date against the clock."""
        check, about = "clock.files", str(self.folder)
        try:
            with nameless(self.folder) as descriptor:
                before = self.clock.now().timestamp()
                os.pwrite(descriptor, b"now", 0)
                dated = os.fstat(descriptor).st_mtime
                after = self.clock.now().timestamp()
        except OSError as error:
            return not_known(check, about, f"no file can be dated there: {error.strerror}", f"ls -ld {self.folder}")
        skew_s = dated - after if dated > after else min(0.0, dated - before)
        return _judged(check, about, f"files are dated {skew_s:+.3f} s from the clock", skew_s, LARGEST_SKEW_S)

    def dated_ahead(self) -> CheckResult:
        """Look for files that are dated ahead of the clock: then it was set back since."""
        check, about = "clock.ahead", str(self.folder)
        try:
            newest = max((entry.stat().st_mtime, entry.name) for entry in os.scandir(self.folder))
        except ValueError:
            return well(check, about, "holds nothing that is dated")
        except OSError as error:
            return not_known(check, about, str(error.strerror), f"ls -l {self.folder}")
        ahead_s = newest[0] - self.clock.now().timestamp()
        if ahead_s > LARGEST_SKEW_S:
            found = f"{newest[1]} is dated {ahead_s:.1f} s ahead of now: the clock was set back"
            return doubtful(check, about, found, _SET_THE_CLOCK, ahead_s, "s")
        return well(check, about, "nothing is dated ahead of now", min(ahead_s, 0.0), "s")


def set_back(behind_s: float, jumps: Sequence[Jump]) -> CheckResult:
    """Say how far the machine's clock is behind the time that GRACE goes on with, and how it was set meanwhile."""
    check, about = "clock.set_back", "GRACE's time"
    told = "; ".join(f"{to_rfc3339(one.at)}: {one.by_s:+.0f} s" for one in jumps)
    since = f"; the machine's clock was set {told}" if told else ""
    if behind_s:
        found = f"the machine's clock went back; GRACE goes on from where it was, {behind_s:.0f} s ahead of it{since}"
        return doubtful(check, about, found, _SET_THE_CLOCK, behind_s, "s")
    return well(check, about, f"goes with the machine's clock{since}", 0.0, "s")


def time_service(told: TimeService | str) -> CheckResult:
    """Judge what the kernel says of its clock; a text is why it says nothing."""
    check, about = "clock.synced", "time service"
    match told:
        case str() as why:
            return not_known(check, about, why, "ask the host, if this is a container: timedatectl")
        case TimeService(is_synced=False):
            return doubtful(check, about, "the kernel's clock is not kept by any time service", _SET_THE_CLOCK)
        case TimeService(largest_error_s=error_s):
            found = f"the kernel's clock is kept, within {error_s:.3f} s"
            return _judged(check, about, found, error_s, LARGEST_SKEW_S)


def _judged(check: str, about: str, found: str, off_s: float, limit_s: float) -> CheckResult:
    off_s = round(off_s, 6)
    if abs(off_s) > limit_s:
        return doubtful(check, about, f"{found}; at most {limit_s:g} s is well", _SET_THE_CLOCK, off_s, "s")
    return well(check, about, found, off_s, "s")


class _Timeval(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("fraction", ctypes.c_long))


class _Timex(ctypes.Structure):
    """`struct timex` of adjtimex(2); asked with `modes` 0 it only tells."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("frequency", ctypes.c_long),
        ("largest_error_us", ctypes.c_long),
        ("estimated_error_us", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time", _Timeval),
        ("tick", ctypes.c_long),
        ("more", ctypes.c_byte * 256),
    )


_UNSYNCED: Final = 0x40
_ERROR: Final = 5


def ask_kernel() -> TimeService | str:
    """Ask adjtimex(2), which answers at once and changes nothing; a text says why there is no answer."""
    told = _Timex()
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(told))
    except (OSError, AttributeError) as error:
        return f"this system has no adjtimex: {error}"
    if state < 0:
        return f"adjtimex refuses: {os.strerror(ctypes.get_errno())}"
    is_synced = state != _ERROR and not told.status & _UNSYNCED
    return TimeService(is_synced, told.largest_error_us / 1_000_000)
