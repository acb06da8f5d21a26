"""A machine of its own for tests that need real parts: processes, network, mounts and `/run` that nobody else sees.

It is made of Linux namespaces and shares only the files of this machine. Ports may therefore be the usual ones, a
daemon may listen at its usual socket, and `grace init` sees what was started here and nothing else.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from grace.kit.clock import SystemClock

_KEEPER: Final = Path(__file__).with_name("keeper.py")
_ENDS_WITH_US: Final = ("setpriv", "--pdeathsig", "KILL")
_START: Final = 'cd "$0" && echo $$ && exec "$@" >>"$LOG" 2>&1'
_LONGEST_S: Final = 60

T = TypeVar("T")


class PartFailedError(AssertionError):
    """A real part did not start; the text is what it said."""


@dataclass(frozen=True, slots=True)
class Part:
    """A real program that runs in the machine; `pid` is what the machine itself calls it."""

    name: str
    pid: int
    log: Path
    process: subprocess.Popen[str]

    def wake(self) -> None:
        """Let who waits for it here go on: `nsenter` stops itself with a part that is stopped, and buries nobody."""
        self.process.send_signal(signal.SIGCONT)

    def said(self) -> str:
        return self.log.read_text(errors="replace")[-3000:] if self.log.exists() else ""


@dataclass(frozen=True, slots=True)
class Machine:
    """A running machine. `first` is its first process, as this machine calls it."""

    name: str
    first: int
    folder: Path
    parts: dict[str, Part] = field(default_factory=dict[str, Part])

    def inside(self, path: str) -> Path:
        """Return where a path of the machine, such as one in its `/run`, is for us."""
        return Path(f"/proc/{self.first}/root{path}")

    def call(
        self, argv: Sequence[str], *, cwd: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in the machine to its end."""
        command = [*self._into, "env", f"--chdir={cwd or self.folder}", *argv]
        return subprocess.run(
            command, env=_environment(environment), capture_output=True, text=True, timeout=_LONGEST_S, check=False
        )

    def start(self, name: str, argv: Sequence[str], *, cwd: Path | str = "/", user: str = "") -> Part:
        """Start a program in the machine; what it writes goes to the end of a log in the machine's folder."""
        log = self.folder / f"{name}.log"
        become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"] if user else []
        command = [*self._into, "sh", "-c", _START, str(cwd), *become, *argv]
        process = subprocess.Popen(
            command,
            env=_environment({"LOG": str(log)}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert process.stdout is not None
        told = process.stdout.readline()
        if not told:
            message = f"{name} could not be started: {process.communicate()[1]}"
            raise PartFailedError(message)
        part = self.parts[name] = Part(name, int(told), log, process)
        return part

    def grace(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run GRACE's command line in the machine, in its folder."""
        return self.call([sys.executable, "-m", "grace", *arguments])

    def signal(self, part: Part, signal_name: str) -> None:
        self.call(["sh", "-c", f"kill -{signal_name} {part.pid}"])
        if signal_name != "STOP":
            part.wake()

    def stop(self, part: Part, signal_name: str = "TERM") -> None:
        """End a part and wait until it is gone."""
        self.signal(part, signal_name)
        self._gone(self.parts.pop(part.name))

    def wait_for(self, part: Part, look: Callable[[], T | None]) -> T:
        """Look until something is there; a part that ended, or takes far too long, fails with what it said."""
        clock = SystemClock()
        deadline_s = clock.monotonic() + _LONGEST_S
        while (found := look()) is None:
            if part.process.poll() is not None or clock.monotonic() > deadline_s:
                message = f"{part.name} is not at work. What it said:\n{part.said()}"
                raise PartFailedError(message)
            clock.sleep(0.02)
        return found

    def close(self) -> None:
        """Wait for what was started, once the machine has ended."""
        for part in self.parts.values():
            self._gone(part)

    @property
    def _into(self) -> Sequence[str]:
        return (*_ENDS_WITH_US, "nsenter", f"--target={self.first}", "--mount", "--pid", "--net", "--")

    def _gone(self, part: Part) -> None:
        part.process.communicate(timeout=_LONGEST_S)


@contextmanager
def open_machine(folder: Path) -> Generator[Machine]:
    """Start a machine, and end it with everything in it; needs root."""
    name = f"grace-machine-{os.getpid()}-{folder.name}"
    keeper = subprocess.Popen(
        [sys.executable, "-I", str(_KEEPER), name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert keeper.stdout is not None
    first = keeper.stdout.readline()
    if not first:
        message = f"no machine of its own can be had here: {keeper.communicate()[1]}"
        raise PartFailedError(message)
    machine = Machine(name, int(first), folder)
    try:
        yield machine
    finally:
        for part in machine.parts.values():
            part.wake()
        _, said = keeper.communicate(timeout=_LONGEST_S)
        machine.close()
    assert keeper.returncode == 0, said


def _environment(more: Mapping[str, str] | None) -> dict[str, str]:
    """Return our own environment without GRACE's settings, and with more."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GRACE_")} | dict(more or {})
