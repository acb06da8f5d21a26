"""Programs that look, and the machine itself."""

import os
import select
import sys
from pathlib import Path

import psutil
import pytest

from grace.kit.procfs import process_stat
from grace.model.reading import Known, Unknown
from tests.sense.collectors.conftest import Look


def why(found: Known | Unknown) -> str:
    assert isinstance(found, Unknown), found
    return found.why


def python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


def test_a_program_answers_by_its_exit_code_or_its_output(look: Look) -> None:
    assert look("command.exit_code", argv=python("raise SystemExit(3)")) == Known(value=3)
    assert look("command.output", argv=python("print('all'); print('well')")) == Known(value="all\nwell")
    assert why(look("command.output", argv=python("raise SystemExit(3)"))).endswith("ended with 3, expected 0")
    assert look("command.output", argv=python("print(1); raise SystemExit(3)"), expect_exit=3) == Known(value="1")


def test_there_is_no_shell_no_input_and_little_environment(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_PASSWORD", "hunter2hunter2")
    assert look("command.output", argv=["/bin/echo", "$HOME;", "`id`"]) == Known(value="$HOME; `id`")
    shown = look("command.output", argv=python("import os, sys; print(sorted(os.environ), sys.stdin.read())"))
    assert shown == Known(value="['HOME', 'LANG', 'PATH'] ") or shown == Known(
        value="['HOME', 'LANG', 'LC_CTYPE', 'PATH'] "
    )


def test_a_program_that_is_late_is_ended_with_all_it_started(look: Look, tmp_path: Path) -> None:
    note = tmp_path / "pids"
    argv = ["/bin/sh", "-c", f"sleep 60 & echo $$ $! > {note}; wait"]
    assert why(look("command.exit_code", argv=argv, timeout="2s")).endswith("did not end within 2 s")
    parent, child = (int(pid) for pid in note.read_text().split())
    assert process_stat(parent) is None
    await_end(child)


def await_end(pid: int) -> None:
    """Wait until the kernel says that a process has ended; fail when it does not."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([descriptor], [], [], 20)[0], f"process {pid} still runs"
    finally:
        os.close(descriptor)


def test_a_program_that_closes_its_output_and_stays_is_late_too(look: Look) -> None:
    program = "import os, time; os.close(1); time.sleep(60)"
    assert why(look("command.output", argv=python(program), timeout="500ms")).endswith("did not end within 0.5 s")


def test_a_program_that_writes_without_end_is_ended(look: Look) -> None:
    assert "wrote more than" in why(look("command.output", argv=["/usr/bin/yes"]))


def test_a_signal_is_no_exit_code(look: Look) -> None:
    assert "was ended by signal 9" in why(look("command.exit_code", argv=python("import os; os.kill(os.getpid(), 9)")))


@pytest.mark.parametrize("argv", [["/nonexistent/program"], ["/"], ["a\0b"]])
def test_a_program_that_cannot_be_started_is_unknown(look: Look, argv: list[str]) -> None:
    assert "cannot be started" in why(look("command.exit_code", argv=argv))


def test_no_arguments_at_all_are_refused(look: Look) -> None:
    assert "cannot be aimed" in why(look("command.exit_code", argv=[]))


def test_the_machine_is_measured_as_others_measure_it(look: Look) -> None:
    status = os.statvfs("/")
    free = look("host.disk_free_share", path="/")
    assert isinstance(free, Known)
    assert free.value == pytest.approx(status.f_bavail / status.f_blocks, abs=0.05)
    memory = look("host.memory_available_share")
    assert isinstance(memory, Known)
    assert memory.value == pytest.approx(psutil.virtual_memory().available / psutil.virtual_memory().total, abs=0.1)
    inodes, load = look("host.inodes_free_share", path="/tmp"), look("host.load_per_core")
    assert isinstance(load, Known)
    assert isinstance(load.value, float)
    assert load.value >= 0
    assert isinstance(inodes, Known | Unknown)


def test_a_file_system_without_inodes_does_not_count_them(look: Look) -> None:
    assert why(look("host.disk_free_share", path="/proc")) == "the file system does not say how large it is"
    assert why(look("host.inodes_free_share", path="/proc")) == "the file system does not count inodes"
    assert "No such file" in why(look("host.disk_free_share", path="/nonexistent"))
