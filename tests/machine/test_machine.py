"""A machine of its own leaves nothing behind, however its end comes."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from tests.machine.machine import Machine, PartFailedError, open_machine
from tests.machine.parts import start_docker

pytestmark = [pytest.mark.root, pytest.mark.docker, pytest.mark.slow]

ROOT: Final = Path(__file__).parents[2]
ASKS: Final = """
import os, pathlib, sys, time
sys.path.insert(0, sys.argv[1])
from tests.machine.machine import open_machine
from tests.machine.parts import start_docker
with open_machine(pathlib.Path(sys.argv[2])) as machine:
    docker = start_docker(machine)
    docker.run("store", ["/bin/busybox", "sleep", "1000"])
    docker.ask("POST", "/containers/store/pause")
    print(machine.name, machine.first, flush=True)
    time.sleep(1000)
"""


def _everybody_in(name: str, first: int) -> Sequence[int]:
    """Return descriptors of all processes of a machine, by its own numbering, and of those in its control groups."""
    namespace = Path(f"/proc/{first}/ns/pid").readlink()
    found: list[int] = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                is_inside = (process / "ns" / "pid").readlink() == namespace
                if is_inside or name in (process / "cgroup").read_text():
                    found.append(os.pidfd_open(int(process.name)))
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue  # it ended meanwhile, or is not even root's
    return found


def _wait_for_the_end_of(everybody: Sequence[int]) -> None:
    for descriptor in everybody:
        select.select([descriptor], [], [])
        os.close(descriptor)


def _remains_of(name: str) -> list[str]:
    return [str(one) for one in Path("/sys/fs/cgroup").rglob(f"{name}*")]


def _make_some_work(machine: Machine) -> Sequence[int]:
    docker = start_docker(machine)
    docker.run("store", ["/bin/busybox", "sleep", "1000"])
    assert _remains_of(machine.name)
    found = _everybody_in(machine.name, machine.first)
    assert len(found) >= 5, "first process, containerd, dockerd, shim, container"
    return found


def test_nothing_remains_of_a_machine(tmp_path: Path) -> None:
    mounts = Path("/proc/self/mounts").read_text()
    with open_machine(tmp_path) as machine:
        everybody = _make_some_work(machine)
        assert Path("/proc/self/mounts").read_text() == mounts
    _wait_for_the_end_of(everybody)
    assert _remains_of(machine.name) == []
    assert sorted(one.name for one in tmp_path.iterdir()) == ["containerd.log", "dockerd.log"]


def test_nothing_remains_when_whoever_asked_for_it_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", ASKS, str(ROOT), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as asking:
        assert asking.stdout is not None
        try:
            name, first = asking.stdout.readline().split()
            (keeper,) = _keepers_of(name)
            everybody = [*_everybody_in(name, int(first)), os.pidfd_open(keeper)]
        finally:
            asking.kill()
    _wait_for_the_end_of(everybody)
    assert _remains_of(name) == []


def _keepers_of(name: str) -> list[int]:
    found: list[int] = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if name.encode() in words and any(word.endswith(b"keeper.py") for word in words):
            found.append(int(file.parent.name))
    return found


def test_a_part_that_does_not_start_fails_with_what_it_said(tmp_path: Path) -> None:
    with open_machine(tmp_path) as machine:
        part = machine.start("dockerd", ["dockerd", "--no-such-flag"])
        with pytest.raises(PartFailedError, match="unknown flag: --no-such-flag"):
            machine.wait_for(part, lambda: None)
