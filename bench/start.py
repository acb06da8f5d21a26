"""How long a server takes from its first instruction to its first answered request.

On the data folder of an earlier start, as at every start but the first; and on an empty one, whose schema it makes.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Final

from bench.rows import Row, against_limit, at_most

_STARTS: Final = 5
_LIMIT_S: Final = 2.0
_LONGEST_STOP_S: Final = 20.0


def measure(starts: int = _STARTS) -> list[Row]:
    """Start servers one after the other; the first one only warms the disk and Python's caches."""
    with tempfile.TemporaryDirectory() as name:
        _start(Path(name) / "warm")
        first = [_start(Path(name) / str(number)) for number in range(starts)]
        later = [_start(Path(name) / str(number)) for number in range(starts)]
    return [_row("server start", later), _row("server start, the first one on an empty folder", first)]


def _row(what: str, times: list[float]) -> Row:
    note = f"median of {len(times)}, to an answered GET /api/healthz; fastest {min(times):.2f} s"
    return against_limit(what, statistics.median(times), at_most(1), _LIMIT_S, "s", note)


def _start(folder: Path) -> float:
    # As it runs where it is installed: the modules are compiled once, not at every start.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "grace", "serve", "--port", "0", "--data", str(folder), "--json"]
    began = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=folder, env=environment
    ) as process:
        try:
            line = process.stdout.readline() if process.stdout else b""
            with urllib.request.urlopen(json.loads(line)["address"] + "/api/healthz") as answer:  # noqa: S310 - ours
                answer.read()
            return time.perf_counter() - began
        finally:
            process.terminate()
            process.wait(_LONGEST_STOP_S)


if __name__ == "__main__":
    for row in measure():
        print(row)
