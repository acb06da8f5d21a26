"""The programs of a drill: started by GRACE, known by pid and start time, ended with it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from grace.drill.ground import Ground, programs
from grace.kit.procfs import process_stat

_PERIOD_S: Final = 0.05
_PATIENCE_S: Final = 5.0


class PlayerFailedError(RuntimeError):
    """A program of the drill ended before it could play."""

    def __init__(self, name: str, log: Path) -> None:
        said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        super().__init__(f"{name} ended at once: {said[-1] if said else 'it said nothing'}")


@dataclass(frozen=True, slots=True)
class Player:
    """One program; it ends when its standard input closes, so none outlives GRACE."""

    name: str
    process: subprocess.Popen[str]
    started_at: int
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def says(self) -> str:
        """Wait for its next line; empty when it has ended."""
        assert self.process.stdout is not None  # noqa: S101 - it is a pipe
        return self.process.stdout.readline().rstrip("\n")

    def end(self) -> None:
        """Close its input, and end it the hard way when it does not listen."""
        assert self.process.stdin is not None  # noqa: S101 - it is a pipe
        self.process.stdin.close()
        try:
            self.process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(_PATIENCE_S)
        assert self.process.stdout is not None  # noqa: S101 - it is a pipe
        self.process.stdout.close()


def start_clerk(ground: Ground) -> tuple[Player, str]:
    """Start the clerk; return it with the address of its pages. Raise PlayerFailedError."""
    clerk = _start("clerk", ground.clerk_log, ground, str(ground.database), str(_PERIOD_S))
    line = clerk.says()
    if not line:
        clerk.end()
        raise PlayerFailedError(clerk.name, clerk.log)
    told: dict[str, JsonValue] = json.loads(line)
    return clerk, f"http://127.0.0.1:{told['port']}"


def start_holder(ground: Ground) -> Player:
    """Have the write lock taken; return once it is held. Raise PlayerFailedError."""
    holder = _start("hold_lock", ground.holder_log, ground, str(ground.database))
    if not holder.says():
        holder.end()
        raise PlayerFailedError(holder.name, holder.log)
    return holder


def _start(name: str, log: Path, ground: Ground, *arguments: str) -> Player:
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(programs() / f"{name}.py"), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
            cwd=ground.folder,
            env={},
            start_new_session=True,
        )
    stat = process_stat(process.pid)
    return Player(name, process, stat.started_at if stat else 0, log)
