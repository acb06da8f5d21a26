"""The keeper of a machine: starts it, and ends it whole as soon as whoever asked for it is gone, however that went.

It tells the machine's first process on its output and waits for the end of its input, which also comes when the asking
process is killed. Should the keeper itself be killed, the system kills the machine.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_FIRST: Final = Path(__file__).with_name("first_process.py")
_ENDS_WITH_ITS_PARENT: Final = ("setpriv", "--pdeathsig", "KILL")
_OF_ITS_OWN: Final = ("unshare", "--mount", "--pid", "--net", "--fork", "--kill-child", "--mount-proc")
_LONGEST_S: Final = 20.0
_LOOK_AGAIN_S: Final = 0.02
_THAWS: Final = {"freezer.state": "THAWED", "cgroup.freeze": "0"}
"""What lets the paused go on, in either version of control groups: nobody dies while frozen."""


def main(name: str) -> None:
    command = [*_ENDS_WITH_ITS_PARENT, *_OF_ITS_OWN, sys.executable, "-I", str(_FIRST)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as machine:
        assert machine.stdout is not None
        if machine.stdout.readline() != "ready\n":
            sys.exit("this system gives no machine of its own: unshare or mount failed")
        (first,) = Path(f"/proc/{machine.pid}/task/{machine.pid}/children").read_text().split()
        sys.stdout.write(f"{first}\n")
        sys.stdout.flush()
        sys.stdin.read()
        os.kill(int(first), signal.SIGKILL)
        groups = _control_groups(name)
        _thaw(groups)
        machine.wait()  # it ends when everything in the machine has
    for folder in groups:
        _remove(folder)


def _remove(folder: Path) -> None:
    """Remove a control group; the kernel calls it busy for a moment after the last process of it has ended."""
    until = time.monotonic() + _LONGEST_S
    while True:
        try:
            return folder.rmdir()
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() >= until:
                raise
        time.sleep(_LOOK_AGAIN_S)


def _control_groups(name: str) -> Sequence[Path]:
    """Return what the machine made below `/sys/fs/cgroup`, the innermost first: only the kernel's files are in it."""
    found: list[Path] = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        words = line.split()
        if words[words.index("-") + 1] in {"cgroup", "cgroup2"}:
            found += [Path(folder) for folder, _, _ in os.walk(Path(words[4]) / name, topdown=False)]
    return found


def _thaw(groups: Sequence[Path]) -> None:
    for file, state in _THAWS.items():
        for folder in groups:
            if (folder / file).exists():
                (folder / file).write_text(state)


if __name__ == "__main__":
    main(sys.argv[1])
