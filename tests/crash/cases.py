"""Run many cases on a few fork servers, and tell which were not survived."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from tests.crash.server import Answer, Case

ROOT: Final = Path(__file__).resolve().parents[2]
SHOWN_FAILURES: Final = 3


@dataclass(frozen=True, slots=True)
class Matrix:
    """Some fork servers that share the cases."""

    _free: SimpleQueue[_Server]
    _pool: ThreadPoolExecutor

    def run(self, cases: Sequence[Case]) -> list[Answer]:
        """Run the cases; raise AssertionError naming each that was not survived."""
        answers = list(self._pool.map(self._ask, cases))
        failures = [(case, answer.failure) for case, answer in zip(cases, answers, strict=True) if answer.failure]
        told = "\n".join(f"{case}:\n{failure}" for case, failure in failures[:SHOWN_FAILURES])
        named = "\n".join(f"  {case!r}" for case, _ in failures)
        assert not failures, f"{len(failures)} of {len(cases)} cuts were not survived:\n{named}\n{told}"
        return answers

    def passes(self, scenario: str) -> tuple[str, ...]:
        """Return the cuts that an undisturbed life passes, in order, with repeats."""
        return tuple(self.run([Case(scenario)])[0].passed)

    def _ask(self, case: Case) -> Answer:
        server = self._free.get()
        try:
            return server.ask(case)
        finally:
            self._free.put(server)


class _Server:
    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.server", str(folder)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, case: Case) -> Answer:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asdict(case)) + "\n")
        self._process.stdin.flush()
        return Answer(**json.loads(self._hear(f"at {case}")))

    def require_ready(self) -> None:
        assert self._hear("before its first case") == "ready\n"

    def _hear(self, when: str) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the fork server ended {when} with {self._process.wait()}; its stderr says why"
        return line

    def close(self) -> None:
        self._process.communicate()


@contextmanager
def open_matrix(folder: Path) -> Generator[Matrix]:
    """Start a server for each core, four at most; they end with the block."""
    count = min(4, len(os.sched_getaffinity(0)))
    with ExitStack() as ending:
        free: SimpleQueue[_Server] = SimpleQueue()
        servers = [_Server(folder / f"server-{number}") for number in range(count)]
        for server in servers:
            ending.callback(server.close)
        for server in servers:
            server.require_ready()
            free.put(server)
        yield Matrix(free, ending.enter_context(ThreadPoolExecutor(count)))
