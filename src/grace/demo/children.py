"""The processes of the demo: each in a group of its own, on record with its start time, ended with the demo."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from grace.demo import janitor
from grace.kit.procfs import process_stat
from grace.settings import command_environment

_PATIENCE_S: Final = 10.0
_CLEANING_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Child:
    """One process that the demo started."""

    name: str
    process: subprocess.Popen[bytes]
    started_at: int
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def send(self, number: signal.Signals) -> None:
        """Send a signal to this process alone."""
        self.process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it and return its exit code, negative for a signal."""
        self.process.send_signal(number)
        return self.process.wait(_PATIENCE_S)


@dataclass(slots=True)
class Children:
    """Starts processes, and sees to it that none is left, even when this process is killed."""

    folder: Path
    _janitor: subprocess.Popen[str]
    _started: list[Child] = field(default_factory=list[Child])

    @classmethod
    def take_on(cls) -> Children:
        """Start the janitor, who makes the folder and cleans up once this process is gone."""
        command = [sys.executable, "-I", "-S", janitor.__file__]
        kept = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert kept.stdout is not None  # noqa: S101 - it is a pipe
        folder = Path(kept.stdout.readline().rstrip("\n"))
        (folder / "logs").mkdir()
        return cls(folder, kept)

    @property
    def janitor_pid(self) -> int:
        return self._janitor.pid

    def start(
        self, name: str, arguments: Sequence[str | Path], *, cwd: Path, variables: Mapping[str, str] | None = None
    ) -> Child:
        """Start a Python program in a process group of its own and record it."""
        log = self.folder / "logs" / f"{name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=cwd,
                env=self._environment(variables or {}),
                start_new_session=True,
            )
        stat = process_stat(process.pid)
        child = Child(name, process, stat.started_at if stat else 0, log)
        self._started.append(child)
        self._write_book()
        return child

    def close(self, wish: str = "") -> None:
        """Let the janitor end everything, or leave it in charge; return when that is done."""
        assert self._janitor.stdin is not None  # noqa: S101 - it is a pipe
        self._janitor.stdin.write(wish)
        self._janitor.stdin.close()
        if wish == janitor.GUARD:
            return
        self._janitor.wait(_CLEANING_S)
        for child in self._started:
            child.process.wait(_PATIENCE_S)

    def _environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of this process without GRACE's own settings, which the demo makes itself."""
        common = {janitor.MARK: str(self.folder), "PYTHONUNBUFFERED": "1"}
        return {**command_environment(), **common, **variables}

    def _write_book(self) -> None:
        """Replace the record as a whole: whoever reads it when this process is gone finds all of it."""
        book = [{"name": one.name, "pid": one.pid, "started_at": one.started_at} for one in self._started]
        draft = self.folder / f".{janitor.BOOK}.{os.getpid()}"
        draft.write_text(json.dumps(book, indent=1) + "\n", encoding="utf-8")
        draft.replace(self.folder / janitor.BOOK)
