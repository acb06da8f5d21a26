"""This side of the launcher: have a command made ready, let it go once it is on the record, hear how it ended."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Final, Self, cast

from pydantic import JsonValue, ValidationError

from grace.act.executors import launcher
from grace.act.executors.launcher import End, Order, Report
from grace.kit.clock import Clock
from grace.kit.procfs import all_pids, is_alive, process_stat
from grace.model.noun import Noun

MARGIN_S: Final = 10.0
"""What starting, writing to disk and noticing may take on a busy machine, beside what the order allows."""
_BEAT_S: Final = 0.02
_RUNNING_FILE: Final = "running.json"
_FAULTS_FILE: Final = "launcher.log"
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_OURS: Final = "command_"
"""How the folders of commands begin."""


class LaunchFailedError(Exception):
    """The command could not be made ready; nothing has run."""


class Launched(Noun):
    """The handle of a command: who it is, who watches it, and the folder where its end will be written."""

    folder: str
    pid: int
    started_at: int
    """Clock ticks from boot: with the pid, the only lasting name of a process."""
    launcher_pid: int
    launcher_started_at: int
    boot: str

    @property
    def is_watched(self) -> bool:
        """Tell whether the launcher that will write the end still lives."""
        return self.boot == _boot() and is_alive(self.launcher_pid, self.launcher_started_at)


class Launch:
    """One command behind its gate. Leaving the `with` block ends what still runs."""

    def __init__(self, order: Order) -> None:
        """Have the command made ready; raise LaunchFailedError when that is not possible."""
        folder = Path(order["folder"])
        self._ending_s = 2 * order["patience_s"] + MARGIN_S
        self._running_s = order["timeout_s"] + self._ending_s
        try:
            with (folder / _FAULTS_FILE).open("wb") as faults:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", launcher.__file__],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=faults,
                    start_new_session=True,
                )
        except OSError as error:
            message = f"the launcher cannot start: {error.strerror}"
            raise LaunchFailedError(message) from error
        try:
            self.launched = self._hear(order, folder)
            (folder / _RUNNING_FILE).write_text(self.launched.model_dump_json())
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def let_go(self) -> None:
        """Let the waiting process become the command."""
        with suppress(BrokenPipeError):  # It could not get ready; its end says why.
            os.write(self._control.fileno(), launcher.GO)

    def wait(self) -> None:
        """Return when the end is written, or when the launcher has used up all the time it may take."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(self._running_s)

    def close(self) -> None:
        """Hang up: a command that was not let go never starts, one that runs is ended."""
        with suppress(BrokenPipeError):
            self._control.close()
        try:
            self._process.wait(self._ending_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        cast("IO[bytes]", self._process.stdout).close()

    @property
    def _control(self) -> IO[bytes]:
        return cast("IO[bytes]", self._process.stdin)

    def _hear(self, order: Order, folder: Path) -> Launched:
        line = b""
        with suppress(BrokenPipeError):
            self._control.write(json.dumps(order).encode() + b"\n")
            self._control.flush()
            said = cast("IO[bytes]", self._process.stdout)
            if select.select([said], [], [], MARGIN_S)[0]:
                line = said.readline()
        if not line:
            faults = (folder / _FAULTS_FILE).read_text(errors="replace").strip().splitlines()
            message = f"the launcher did not make it ready: {faults[-1] if faults else 'it said nothing'}"
            raise LaunchFailedError(message)
        report = cast("Report", json.loads(line))
        return Launched(
            folder=folder.name,
            pid=report["pid"],
            started_at=report["started_at"],
            launcher_pid=self._process.pid,
            launcher_started_at=report["launcher_started_at"],
            boot=_boot(),
        )


def read_end(folder: Path) -> End | None:
    """Return how a command ended, None while nothing is written."""
    try:
        return cast("End", json.loads((folder / launcher.STATUS_FILE).read_bytes()))
    except FileNotFoundError:
        return None


def awaited_end(folder: Path, launched: Launched, patience_s: float, clock: Clock) -> End | None:
    """Return how a command ended; where its launcher is still about to end it, wait for that."""
    until = clock.monotonic() + 2 * patience_s + MARGIN_S
    while True:
        # In this order: a launcher that is gone by now has written what it ever will.
        is_watched = launched.is_watched
        end = read_end(folder)
        if end is not None or not is_watched or clock.monotonic() >= until:
            return end
        clock.sleep(_BEAT_S)


def end_unwatched(launched: Launched) -> tuple[int, ...]:
    """Make everything in the session of a command end whose launcher was killed; return whom that concerned."""
    if launched.is_watched or launched.boot != _boot():
        return ()
    found = tuple(_session(launched))
    for pid in found:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    return found


def tidy(handles: Path, under_way: Callable[[], Sequence[Mapping[str, JsonValue]]] | None) -> None:
    """End what a killed launcher left running in an earlier life of GRACE, and remove what no open run asks for.

    A run that is not settled will ask how its command ended: the folders that its handles name stay.
    """
    folders = [folder for folder in handles.glob(f"{_OURS}*") if folder.is_dir()] if handles.is_dir() else []
    needed = {str(handle.get("folder")) for handle in under_way()} if folders and under_way is not None else None
    for folder in folders:
        launched = _running_in(folder)
        if launched is not None and read_end(folder) is None:
            end_unwatched(launched)
        is_over = launched is None or not launched.is_watched or read_end(folder) is not None
        if is_over and needed is not None and folder.name not in needed:
            remove(folder)


def remove(folder: Path) -> None:
    """Remove the files of a command, first what it wrote; what cannot be removed now is at the next start."""
    with suppress(OSError):  # A launcher that is just ending may still write; and no start fails for leftovers.
        for output in (launcher.STDOUT_FILE, launcher.STDERR_FILE):
            (folder / output).unlink(missing_ok=True)
        shutil.rmtree(folder)


def _running_in(folder: Path) -> Launched | None:
    try:
        return Launched.model_validate_json((folder / _RUNNING_FILE).read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValidationError):  # Not ours, or cut off before it was noted.
        return None


def _session(launched: Launched) -> list[int]:
    """Return the living members of the command's session; none when its number belongs to somebody else by now."""
    leader = process_stat(launched.pid)
    if leader is not None and leader.started_at != launched.started_at:
        return []
    return [pid for pid in all_pids() if _session_of(pid) == launched.pid and _lives(pid)]


def _session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def _lives(pid: int) -> bool:
    stat = process_stat(pid)
    return stat is not None and stat.is_alive


def _boot() -> str:
    return _BOOT_ID.read_text().strip()
