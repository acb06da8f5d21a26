"""Run one command for GRACE and never without it: a program of its own, started as `python -I -S launcher.py`.

It reads an order from its standard input, makes the process that is to become the command, says its pid, and waits.
The word `GO` lets it become the command. When the input ends before that word, the command never starts; when it ends
later, GRACE is gone and the command is ended with all that it started. How it ended stands on disk before this program
ends. The standard library alone, and little of it: this is started for each command.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import sys
from contextlib import suppress
from typing import Final, NoReturn, TypedDict, cast

GO: Final = b"g"
STATUS_FILE: Final = "status.json"
STDOUT_FILE: Final = "stdout"
STDERR_FILE: Final = "stderr"

NOT_STARTED: Final = "not_started"
CANNOT_START: Final = "cannot_start"
EXITED: Final = "exited"
TIMED_OUT: Final = "timed_out"
ABANDONED: Final = "abandoned"

_CONTROL: Final = 0
_REPORT: Final = 1
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36
_CHUNK_BYTES: Final = 65536
_UMASK: Final = 0o022
_NOT_RUN: Final = 127
_SHORTEST_S: Final = 0.001
_ASKS_TO_STOP: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Order(TypedDict):
    """What is to be run, and how far it may go."""

    program: str
    argv: list[str]
    cwd: str
    environment: dict[str, str]
    folder: str
    timeout_s: float
    patience_s: float
    most_bytes: int
    leaves_running: bool


class Report(TypedDict):
    """Who waits to become the command; start times in clock ticks since boot."""

    pid: int
    started_at: int
    launcher_started_at: int


class End(TypedDict):
    """How it ended: what the status file holds."""

    how: str
    exit_code: int | None
    signal: int | None
    fault: str
    left: list[int]
    stdout_bytes: int
    stderr_bytes: int
    output_lost: bool


def main() -> None:
    line = sys.stdin.buffer.readline()
    if not line.endswith(b"\n"):
        return
    order = cast("Order", json.loads(line))
    # Whatever the command starts and leaves behind becomes ours, however it detaches itself.
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    child = _Child(order)
    report: Report = {
        "pid": child.pid,
        "started_at": _start_ticks(child.pid),
        "launcher_started_at": _start_ticks(os.getpid()),
    }
    with suppress(BrokenPipeError):  # GRACE is gone; the control pipe says so too.
        os.write(_REPORT, json.dumps(report).encode() + b"\n")
    _write_durably(order["folder"], _Watch(order, child).run())


class _Child:
    """The process that waits at its gate to become the command."""

    def __init__(self, order: Order) -> None:
        launcher = os.getpid()
        gate, self.gate = os.pipe()
        self.fault, fault = os.pipe()
        self.stdout, stdout = os.pipe()
        self.stderr, stderr = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.gate)
            _become(order, launcher, gate, fault, (stdout, stderr))
        for descriptor in (gate, fault, stdout, stderr):
            os.close(descriptor)

    def let_go(self) -> None:
        with suppress(BrokenPipeError):  # It could not even get ready, and has said why.
            os.write(self.gate, GO)
        os.close(self.gate)

    def turn_away(self) -> None:
        os.close(self.gate)


def _become(order: Order, launcher: int, gate: int, fault: int, output: tuple[int, int]) -> NoReturn:
    """Get ready, wait for the word, and become the command; without the word, end."""
    try:
        os.setsid()
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        nothing = os.open("/dev/null", os.O_RDONLY)
        for number, descriptor in enumerate((nothing, *output)):
            os.dup2(descriptor, number)
        _forget_signals()
        os.umask(_UMASK)
        os.chdir(order["cwd"])
        if os.read(gate, 1) == GO and os.getppid() == launcher:
            os.execve(order["program"], order["argv"], order["environment"])  # noqa: S606 - no shell is the point
    except OSError as error:
        os.write(fault, (error.strerror or type(error).__name__).encode())
    finally:
        os._exit(_NOT_RUN)


class _Watch:
    """Sees one command to its end."""

    def __init__(self, order: Order, child: _Child) -> None:
        self._order = order
        self._child = child
        self._how = ""
        self._code: int | None = None
        self._fault = ""
        self._released = False
        self._force = 0
        """0: it runs; 1: it was asked to end; 2: it was made to; 3: even that did not help."""
        self._signals = _signals_as_bytes()
        self._sinks = {
            child.stdout: _Sink(order, child.stdout, STDOUT_FILE),
            child.stderr: _Sink(order, child.stderr, STDERR_FILE),
        }
        self._poll = select.poll()
        for descriptor in (_CONTROL, self._signals, *self._sinks):
            self._poll.register(descriptor, select.POLLIN)

    def run(self) -> End:
        self._reap()
        while not self._is_over():
            for descriptor, _ in self._poll.poll():
                self._handle(descriptor)
        for sink in self._sinks.values():
            sink.drain()
        stdout, stderr = self._sinks.values()
        code = self._code if self._how not in {NOT_STARTED, CANNOT_START} else None
        return {
            "how": self._how,
            "exit_code": code if code is not None and code >= 0 else None,
            "signal": -code if code is not None and code < 0 else None,
            "fault": self._fault,
            "left": _descendants(),
            "stdout_bytes": stdout.total,
            "stderr_bytes": stderr.total,
            "output_lost": stdout.lost or stderr.lost,
        }

    def _handle(self, descriptor: int) -> None:
        # What has ended by itself was not ended by us, even if GRACE is gone now.
        self._reap()
        if descriptor == _CONTROL:
            self._hear()
        elif descriptor == self._signals:
            for number in os.read(self._signals, _CHUNK_BYTES):
                self._notice(number)
        elif not self._sinks[descriptor].pump():
            self._poll.unregister(descriptor)

    def _hear(self) -> None:
        if os.read(_CONTROL, 1) == GO:
            self._released = True
            self._child.let_go()
            signal.setitimer(signal.ITIMER_REAL, self._order["timeout_s"])
            return
        self._poll.unregister(_CONTROL)
        self._abandon()

    def _notice(self, number: int) -> None:
        if number == signal.SIGALRM:
            self._lose_patience()
        elif number in _ASKS_TO_STOP:
            self._abandon()

    def _abandon(self) -> None:
        if self._code is not None:
            return
        if self._released:
            self._end(ABANDONED)
        elif not self._how:
            self._how = NOT_STARTED
            self._child.turn_away()

    def _end(self, how: str) -> None:
        if self._force:
            return
        self._how = self._how or how
        self._force = 1
        _send(signal.SIGTERM)
        _send(signal.SIGCONT)
        self._wait_patiently()

    def _lose_patience(self) -> None:
        if self._force == 0:
            self._end(TIMED_OUT)
            return
        self._force += 1
        _send(signal.SIGKILL)
        self._wait_patiently()

    def _wait_patiently(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, max(self._order["patience_s"], _SHORTEST_S))

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._child.pid:
                self._code = os.waitstatus_to_exitcode(status)
                self._fault = os.read(self._child.fault, _CHUNK_BYTES).decode("utf-8", "replace")
                self._how = CANNOT_START if self._fault else self._how or EXITED

    def _is_over(self) -> bool:
        """Tell whether nothing is left to wait for; begin to end what the command left running."""
        self._reap()
        if self._force > 2:  # noqa: PLR2004 - the last of the four steps above
            return True
        if self._code is None:
            return False
        if self._order["leaves_running"] and not self._force:
            return True
        remaining = _descendants()
        if remaining and not self._force:
            self._end(self._how)
        elif remaining and self._force > 1:
            _send(signal.SIGKILL)
        return not remaining


class _Sink:
    """Takes what the command writes: the beginning goes to a file, the rest is counted."""

    def __init__(self, order: Order, source: int, name: str) -> None:
        os.set_blocking(source, False)
        self._source = source
        self._room = order["most_bytes"]
        self._file = os.open(os.path.join(order["folder"], name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)  # noqa: PTH118 - pathlib would double the start-up
        self.total = 0
        self.lost = False

    def pump(self) -> bool:
        """Take one chunk; return whether more may come."""
        try:
            chunk = os.read(self._source, _CHUNK_BYTES)
        except BlockingIOError:
            return True
        self.total += len(chunk)
        self._keep(chunk[: self._room])
        return bool(chunk)

    def drain(self) -> None:
        """Take what is there and wait for nothing."""
        before = -1
        while self.total > before:
            before = self.total
            self.pump()

    def _keep(self, chunk: bytes) -> None:
        self._room -= len(chunk)
        rest = memoryview(chunk)
        try:
            while rest and not self.lost:
                rest = rest[os.write(self._file, rest) :]
        except OSError:
            self.lost = True  # A full disk costs the output, not the command.


def _signals_as_bytes() -> int:
    """Let signals arrive as bytes in a pipe; return its end to read from."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGALRM, *_ASKS_TO_STOP):
        signal.signal(number, _go_on)
    return reading


def _go_on(_number: int, _frame: object) -> None:
    """Do nothing: the byte in the pipe is what counts."""


def _forget_signals() -> None:
    """Give the command the signals that a fresh process has."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        try:
            signal.signal(number, signal.SIG_DFL)
        except OSError:
            continue  # Some are the C library's own.
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def _send(number: signal.Signals) -> None:
    for pid in _descendants():
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue  # Gone meanwhile, or another user's by now: then it is reported as left.


def _descendants() -> list[int]:
    """Return everything that lives below this process, nearest first."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - pathlib would double the start-up
        fields = _stat(name) if name.isdigit() else None
        if fields is not None and fields[0] not in {"Z", "X"}:
            children.setdefault(int(fields[1]), []).append(int(name))
    found = [os.getpid()]
    for pid in found:
        found.extend(children.get(pid, ()))
    return found[1:]


def _start_ticks(pid: int) -> int:
    fields = _stat(str(pid))
    return 0 if fields is None else int(fields[19])


def _stat(pid: str) -> list[str] | None:
    """Return the fields of `/proc/PID/stat` from the state on."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            text = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text[text.rindex(")") + 2 :].split()


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _write_durably(folder: str, end: End) -> None:
    place = os.path.join(folder, STATUS_FILE)  # noqa: PTH118
    with open(f"{place}.tmp", "w", encoding="utf-8") as file:  # noqa: PTH123
        json.dump(end, file)
        file.flush()
        os.fsync(file.fileno())
    os.rename(f"{place}.tmp", place)  # noqa: PTH104
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(descriptor)
    os.close(descriptor)


if __name__ == "__main__":
    main()
