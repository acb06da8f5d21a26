"""Files that a process was told of: its configuration, and where it keeps its pid."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from grace.kit.filesystem.plain import read_plain
from grace.sense.discovery.findings import Traced
from grace.sense.discovery.processes import SeenProcess

_CONFIGURATIONS: Final = frozenset({".yaml", ".yml", ".toml", ".json", ".ini", ".conf", ".cfg", ".properties"})
_MOST_BYTES: Final = 64
_RUN: Final = Path("/run")


def configurations_of(process: SeenProcess) -> tuple[Traced, ...]:
    """Return the files named on the command line that look like configuration."""
    found: dict[str, Traced] = {}
    for word in process.argv[1:] if process.cwd else ():
        written = word.partition("=")[2] if word.startswith("--") and "=" in word else word
        path = os.path.realpath(Path(process.cwd) / written) if Path(written).suffix in _CONFIGURATIONS else ""
        if path and Path(path).is_file():
            found[path] = Traced(path, f"named on the command line of process {process.pid}")
    return tuple(found[path] for path in sorted(found))


def pid_file_of(process: SeenProcess, name: str, told: str) -> Traced | None:
    """Return the file that holds this process's pid now: the unit's, else one beside it or in /run."""
    for path, source in _pid_files(process, name, told) if process.cwd else ():
        if _pid_in(path) == process.pid:
            return Traced(path, f"{source}; it holds {process.pid}")
    return None


def _pid_files(process: SeenProcess, name: str, told: str) -> Iterator[tuple[str, str]]:
    if told:
        yield told, "named by its unit"
    for path in (f"/run/{name}.pid", f"/run/{name}/{name}.pid", f"/run/{name}/pid"):
        yield path, "found in /run"
    for path in sorted(str(one) for pattern in ("*.pid", "*/*.pid") for one in _RUN.glob(pattern)):
        yield path, "found in /run"
    if process.cwd != "/":
        for path in _sorted_pid_files(process.cwd):
            yield path, "found in its working folder"


def _sorted_pid_files(folder: str) -> Iterable[str]:
    try:
        return sorted(str(one) for one in Path(folder).glob("*.pid"))
    except OSError:
        return ()


def _pid_in(path: str) -> int | None:
    try:
        written = read_plain(Path(path), _MOST_BYTES).strip()
    except OSError:
        return None
    return int(written) if written.isdigit() else None
