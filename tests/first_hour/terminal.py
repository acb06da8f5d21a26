"""A terminal: one shell in one folder, whose commands share variables and background jobs, as on a real afternoon."""

from __future__ import annotations

import itertools
import os
import queue
import signal
import subprocess
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

PATIENCE_S = 90.0


class Terminal:
    """Types commands into bash and reads what appears."""

    def __init__(self, shell: subprocess.Popen[str]) -> None:
        self._shell = shell
        self._lines: queue.Queue[str] = queue.Queue()
        self._numbers = itertools.count()
        self.transcript: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def run(self, line: str) -> tuple[int, str]:
        """Run one command line to its end and return its exit code and what was printed meanwhile."""
        mark = f"end-of-{next(self._numbers)}"
        self._type(f'{line}\nprintf "\\n%s %s\\n" {mark} "$?"')
        printed = self.until(mark)
        *before, last = printed
        return int(last.split()[-1]), "\n".join(before)

    def start(self, line: str, until: str) -> str:
        """Start a command in the background and return what was printed up to a line that begins so."""
        self._type(line)
        return "\n".join(self.until(until))

    def until(self, beginning: str) -> list[str]:
        """Return lines up to the one that begins so, with it."""
        found: list[str] = []
        while not found or not found[-1].startswith(beginning):
            try:
                found.append(self._lines.get(timeout=PATIENCE_S))
            except queue.Empty:
                message = f"no line begins with {beginning!r}; so far:\n" + "\n".join(self.transcript)
                raise AssertionError(message) from None
        return found

    def close(self) -> None:
        """End the shell and all that it started, and read to the end what they said."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(self._shell.pid, number)
            self._reader.join(PATIENCE_S / 10)
        self._shell.wait()

    def _type(self, text: str) -> None:
        assert self._shell.stdin is not None
        self._shell.stdin.write(f"{text}\n")
        self._shell.stdin.flush()

    def _read(self) -> None:
        assert self._shell.stdout is not None
        with self._shell.stdout as stream:
            for line in stream:
                self.transcript.append(line.rstrip("\n"))
                self._lines.put(line.rstrip("\n"))


@contextmanager
def open_terminal(folder: Path, variables: Mapping[str, str]) -> Generator[Terminal]:
    """Open a shell in a folder; whatever was started in it is ended with it."""
    with subprocess.Popen(
        ["bash", "--norc", "--noprofile"],
        cwd=folder,
        env=dict(variables),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as shell:
        terminal = Terminal(shell)
        try:
            yield terminal
        finally:
            terminal.close()
