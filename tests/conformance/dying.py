"""How tests speak to the process in which deeds, snapshots and undos die at a chosen cut."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).resolve().parents[2]


@contextmanager
def started_crash_server() -> Generator[subprocess.Popen[str]]:
    """Start it; it ends with the block."""
    command = [sys.executable, "-m", "tests.conformance.crash_server"]
    with subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        yield server
        assert server.stdin is not None
        server.stdin.close()


def asked(server: subprocess.Popen[str], folder: Path, cut: str | None, nth: int, what: Mapping[str, object]) -> int:
    """Have the crash server do something; return how the process ended."""
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(json.dumps({**what, "folder": str(folder), "cut": cut, "nth": nth}) + "\n")
    server.stdin.flush()
    return int(server.stdout.readline())


def passes(folder: Path) -> list[tuple[str, int]]:
    """Read what the crash server wrote of a run without a crash: each pass as name and how often until then."""
    names: list[str] = json.loads((folder / "cuts.json").read_text())
    return [(cut, names[: index + 1].count(cut)) for index, cut in enumerate(names)]
