"""The fork server behind `assert_survived`: one process per cut and one per check, from a warmed-up interpreter."""

import ctypes
import json
import os
import select
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from pkgutil import resolve_name

from tests.powercut import SHIM_FAILED
from tests.powercut.cases import Acked, Answer, Case, Check, Prepare, Request, Workload


class Shim:
    """The preloaded library, called in the process that is to lose power."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None)
        self._library.powercut_operations.restype = ctypes.c_uint64

    def arm(self, folder: Path, case: Case, directories: int) -> None:
        self._library.powercut_directories(directories)
        self._library.powercut_arm(str(folder).encode(), ctypes.c_uint64(case.seed), ctypes.c_uint64(case.cut_at))

    def operations(self) -> int:
        return self._library.powercut_operations()

    def cut(self) -> None:
        self._library.powercut_now()


class Run:
    """Everything about the cases that does not change between them."""

    def __init__(self, request: Request) -> None:
        self.folder = Path(request.folder)
        self.workload: Workload = resolve_name(request.workload)
        self.check: Check = resolve_name(request.check)
        self.prepare: Prepare | None = resolve_name(request.prepare) if request.prepare else None
        self.directories = request.directories
        self.timeout_s = request.timeout_s
        self.shim = Shim()

    def answer(self, case: Case) -> Answer:
        folder = self.folder / f"case-{case.seed}-{case.cut_at}"
        folder.mkdir(parents=True)
        cut = self._in_a_child(lambda pipe: self._lose_power(folder, case, pipe))
        acked = [line["acked"] for line in cut.lines if "acked" in line]
        failure = cut.failure(expected=-signal.SIGKILL)
        if failure is None and case.cut_at:
            failure = self._in_a_child(lambda _: self.check(folder, acked)).failure(expected=0)
        if failure is None:
            shutil.rmtree(folder)
        operations = next((line["operations"] for line in cut.lines if "operations" in line), 0)
        return Answer(acked=acked, operations=int(operations), failure=failure)

    def _lose_power(self, folder: Path, case: Case, pipe: int) -> None:
        if self.prepare:
            self.prepare(folder)
        self.shim.arm(folder, case, self.directories)
        self.workload(folder, lambda acked: _tell(pipe, acked=acked))
        _tell(pipe, operations=self.shim.operations())
        self.shim.cut()

    def _in_a_child(self, work: Callable[[int], None]) -> "Ended":
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            _work_and_exit(work, writing)
        os.close(writing)
        told, in_time = _read_until(reading, time.monotonic() + self.timeout_s)
        os.close(reading)
        if not in_time:
            os.killpg(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        return Ended(told, os.waitstatus_to_exitcode(status), None if in_time else self.timeout_s)


class Ended:
    """How a child ended, and the lines that it had told until then."""

    def __init__(self, told: bytes, exit_code: int, timed_out_after_s: float | None) -> None:
        whole_lines = told[: told.rfind(b"\n") + 1]
        self.lines: list[dict[str, Acked]] = [json.loads(line) for line in whole_lines.splitlines()]
        self._exit_code = exit_code
        self._timed_out_after_s = timed_out_after_s

    def failure(self, expected: int) -> str | None:
        if self._timed_out_after_s is not None:
            return f"no end after {self._timed_out_after_s} s"
        for line in self.lines:
            if "failure" in line:
                return str(line["failure"])
        if self._exit_code == SHIM_FAILED:
            return "the library met a fault of its own; stderr says which"
        return None if self._exit_code == expected else f"ended with {self._exit_code}, not {expected}"


def _tell(pipe: int, **line: Acked) -> None:
    os.write(pipe, json.dumps(line).encode() + b"\n")


def _work_and_exit(work: Callable[[int], None], pipe: int) -> None:
    os.setpgid(0, 0)
    try:
        work(pipe)
        os._exit(0)
    except BaseException:  # noqa: BLE001 - the traceback is the result of a failed case
        _tell(pipe, failure=traceback.format_exc())
        os._exit(1)


def _read_until(pipe: int, deadline: float) -> tuple[bytes, bool]:
    told = b""
    while select.select([pipe], [], [], max(0, deadline - time.monotonic()))[0]:
        block = os.read(pipe, 1 << 16)
        if not block:
            return told, True
        told += block
    return told, False


def _warm_up(once: Prepare, folder: Path) -> None:
    folder.mkdir(parents=True)
    once(folder)
    shutil.rmtree(folder)


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a workload prints must not look like an answer
    request = Request(**json.loads(sys.argv[1]))
    run = Run(request)
    if request.warm_up:
        _warm_up(resolve_name(request.warm_up), run.folder / "warm-up")
    for line in sys.stdin:
        answers.write(json.dumps(asdict(run.answer(Case(**json.loads(line))))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
