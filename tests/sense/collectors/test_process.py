"""Processes, locks and listeners, found through the operating system."""

import os
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest

from grace.kit import procfs
from grace.kit.clock import VirtualClock
from grace.kit.procfs import ProcessStat, process_stat
from grace.model.reading import Known, Unknown
from grace.sense.collectors.process import Locked, ProcessCollector
from grace.sense.collectors.viewpoint import Viewpoint
from tests.sense.collectors.conftest import Look, Spawn, holding, make_database


def stat_of(pid: int) -> ProcessStat:
    found = process_stat(pid)
    assert found is not None
    return found


def known(found: Known | Unknown) -> dict[str, Any]:
    assert isinstance(found, Known), found
    return cast("dict[str, Any]", found.value)


def why(found: Known | Unknown) -> str:
    assert isinstance(found, Unknown), found
    return found.why


@pytest.mark.parametrize("mode", ["wal", "delete"])
@pytest.mark.parametrize("begin", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
def test_the_writer_of_a_database_is_found(look: Look, spawn: Spawn, tmp_path: Path, mode: str, begin: str) -> None:
    path = make_database(tmp_path / "orders.db", mode)
    holder = spawn(holding(path, begin))
    told = known(look("process.lock_holder", path=str(path), watch="0s"))
    assert told["pid"] == holder.pid
    assert told["started_at"] == stat_of(holder.pid).started_at
    assert told["uid"] == os.geteuid()
    assert told["host"] == socket.gethostname()
    assert told["held_s"] < 5
    assert sys.executable in told["command"]


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_readers_of_a_database_hold_nothing(look: Look, spawn: Spawn, tmp_path: Path, mode: str) -> None:
    path = make_database(tmp_path / "orders.db", mode)
    for _ in range(3):
        spawn(holding(path, "BEGIN"))
    assert why(look("process.lock_holder", path=str(path), watch="0s")).startswith(
        "no process was found that holds the write lock"
    )


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_the_writer_is_found_among_readers(look: Look, spawn: Spawn, tmp_path: Path, mode: str) -> None:
    path = make_database(tmp_path / "orders.db", mode)
    readers = [spawn(holding(path, "BEGIN")) for _ in range(2)]
    writer = spawn(holding(path))
    readers.append(spawn(holding(path, "BEGIN")))
    assert known(look("process.lock_holder", path=str(path), watch="0s"))["pid"] == writer.pid


def test_a_link_to_the_database_leads_to_the_same_holder(look: Look, spawn: Spawn, tmp_path: Path) -> None:
    path = make_database(tmp_path / "orders.db", "delete")
    link = tmp_path / "link.db"
    link.symlink_to(path)
    assert known_pid(look, link, spawn(holding(path)).pid)


def known_pid(look: Look, path: Path, pid: int) -> bool:
    return known(look("process.lock_holder", path=str(path), watch="0s"))["pid"] == pid


@pytest.mark.parametrize("lock", ["fcntl.flock(f, fcntl.LOCK_EX)", "fcntl.lockf(f, fcntl.LOCK_EX)"])
def test_the_holder_of_a_plain_lock_file_is_found(look: Look, spawn: Spawn, tmp_path: Path, lock: str) -> None:
    path = tmp_path / "service.lock"
    path.touch()
    program = f"import fcntl, sys; f = open({str(path)!r}, 'r+'); {lock}; print('ready', flush=True); sys.stdin.read()"
    assert known_pid(look, path, spawn(program).pid)


def test_a_shared_lock_on_a_plain_file_makes_no_holder(look: Look, spawn: Spawn, tmp_path: Path) -> None:
    path = tmp_path / "service.lock"
    path.touch()
    program = (
        f"import fcntl, sys; f = open({str(path)!r}); fcntl.flock(f, fcntl.LOCK_SH);"
        "print('ready', flush=True); sys.stdin.read()"
    )
    spawn(program)
    assert "no process was found" in why(look("process.lock_holder", path=str(path), watch="0s"))


def test_two_holders_are_no_answer(look: Look, spawn: Spawn, tmp_path: Path) -> None:
    path = tmp_path / "service.lock"
    path.touch()
    for first, length in ((0, 10), (100, 10)):
        spawn(
            f"import fcntl, sys; f = open({str(path)!r}, 'r+'); fcntl.lockf(f, fcntl.LOCK_EX, {length}, {first});"
            "print('ready', flush=True); sys.stdin.read()"
        )
    assert why(look("process.lock_holder", path=str(path), watch="0s")).startswith("2 processes hold")


def test_a_missing_file_has_no_holder(look: Look, tmp_path: Path) -> None:
    assert "no process was found" in why(look("process.lock_holder", path=str(tmp_path / "absent.db"), watch="0s"))


class Nudged(VirtualClock):
    """A clock on which something happens at each wait."""

    def __init__(self, *happenings: Any) -> None:
        super().__init__()
        self._happenings = list(happenings)

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if self._happenings:
            self._happenings.pop(0)()


def held(clock: VirtualClock, path: Path, watch: float) -> Known | Unknown:
    probe = ProcessCollector(Viewpoint(clock)).probes["process.lock_holder"]
    return probe.aim(Locked(path=str(path), watch=watch)).read()


def test_a_holder_that_does_nothing_is_seen_for_the_whole_watch(spawn: Spawn, tmp_path: Path) -> None:
    path = make_database(tmp_path / "orders.db")
    spawn(holding(path))
    clock = VirtualClock()
    assert known(held(clock, path, 6))["held_s"] == 6
    assert clock.waited_s == pytest.approx(6)


def test_a_holder_that_writes_is_not_stuck(spawn: Spawn, tmp_path: Path) -> None:
    path = make_database(tmp_path / "orders.db")
    spawn(holding(path))
    wal = Path(f"{path}-wal")
    clock = Nudged(lambda: None, lambda: os.utime(wal, ns=(1, 1)))
    told = known(held(clock, path, 5))
    assert told["held_s"] == 4


def test_a_holder_that_lets_go_while_watched_is_no_answer(spawn: Spawn, tmp_path: Path) -> None:
    path = make_database(tmp_path / "orders.db")
    holder = spawn(holding(path))

    def end() -> None:
        holder.kill()
        holder.wait()

    assert "let go of the write lock" in why(held(Nudged(lambda: None, end), path, 5))


def test_secrets_on_the_command_line_are_not_told(look: Look, tmp_path: Path) -> None:
    path = make_database(tmp_path / "orders.db")
    command = [sys.executable, "-c", holding(path), "--password=hunter2hunter2"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            told = known(look("process.lock_holder", path=str(path), watch="0s"))
        finally:
            process.kill()
    assert told["pid"] == process.pid
    assert "hunter2" not in told["command"]


def test_a_command_line_is_written_as_a_shell_would_read_it(look: Look, tmp_path: Path) -> None:
    folder = tmp_path / "my shop"
    folder.mkdir()
    path = make_database(folder / "the orders.db")
    command = [sys.executable, "-c", holding(path), str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            told = known(look("process.lock_holder", path=str(path), watch="0s"))
        finally:
            process.kill()
    written = told["command"]
    assert shlex.split(written) == command if len(written) < 500 else shlex.join(command).startswith(written)


def test_a_zombie_is_not_alive(look: Look) -> None:
    process = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    started_at = stat_of(process.pid).started_at
    assert look("process.alive", pid=process.pid, started_at=started_at) == Known(value=True)
    process.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert stat_of(process.pid).state == "Z"
    assert look("process.alive", pid=process.pid, started_at=started_at) == Known(value=False)
    process.communicate()
    assert look("process.alive", pid=process.pid, started_at=started_at) == Known(value=False)


def test_a_pid_with_another_start_time_is_another_process(look: Look) -> None:
    me = stat_of(os.getpid())
    assert look("process.alive", pid=me.pid, started_at=me.started_at) == Known(value=True)
    assert look("process.alive", pid=me.pid, started_at=me.started_at + 1) == Known(value=False)
    assert "start time" in why(look("process.rss_bytes", pid=me.pid, started_at=me.started_at + 1))


def test_a_name_with_brackets_and_spaces_does_not_confuse(spawn: Spawn) -> None:
    program = (
        "import ctypes, sys; ctypes.CDLL(None).prctl(15, b'a) (b 1 2', 0, 0, 0);"
        "print('ready', flush=True); sys.stdin.read()"
    )
    told = stat_of(spawn(program).pid)
    assert (told.name, told.parent) == ("a) (b 1 2", os.getpid())


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_listener_is_found_by_port_and_address(look: Look, address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as server:
        port = server.getsockname()[1]
        assert known(look("process.listener", port=port))["pid"] == os.getpid()
        assert known(look("process.listener", port=port, address=address))["pid"] == os.getpid()
        assert "no process" in why(look("process.listener", port=port, address="127.0.0.9"))
    assert "no process" in why(look("process.listener", port=port))


def test_a_pid_file_leads_to_its_process(look: Look, spawn: Spawn, tmp_path: Path) -> None:
    process = spawn("import sys; print('ready', flush=True); sys.stdin.read()")
    path = tmp_path / "service.pid"
    path.write_text(f"{process.pid}\n")
    assert known(look("process.from_pid_file", path=str(path)))["pid"] == process.pid
    os.utime(path, (1, 1))
    assert "is older than process" in why(look("process.from_pid_file", path=str(path)))
    path.write_text("none")
    assert "does not hold a pid" in why(look("process.from_pid_file", path=str(path)))
    path.unlink()
    assert "cannot be read" in why(look("process.from_pid_file", path=str(path)))


def test_a_pid_file_of_a_dead_process_leads_nowhere(look: Look, tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    path = tmp_path / "service.pid"
    path.write_text(str(process.pid))
    assert "does not run" in why(look("process.from_pid_file", path=str(path)))


def test_memory_and_processor_are_measured(look: Look, spawn: Spawn) -> None:
    busy = stat_of(spawn("print('ready', flush=True)\nwhile True: pass").pid)
    rss = look("process.rss_bytes", pid=busy.pid, started_at=busy.started_at)
    assert isinstance(rss, Known)
    assert 1_000_000 < cast("int", rss.value) < 1_000_000_000
    share = look("process.cpu_share", pid=busy.pid, started_at=busy.started_at, watch="200ms")
    assert isinstance(share, Known)
    assert 0 < cast("float", share.value) < 1.5


def test_what_the_system_does_not_show_is_named() -> None:
    holders = procfs.write_lock_holders("/nonexistent")
    assert holders.pids == ()
    assert os.getpid() not in holders.hidden
