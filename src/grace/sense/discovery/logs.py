"""Logs: files that a process writes at their end and never reads."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final

from grace.sense.discovery.findings import Traced
from grace.sense.discovery.processes import SeenProcess

_SUFFIXES: Final = frozenset({".log", ".out", ".err"})


def logs_of(family: Iterable[SeenProcess], databases: Collection[str]) -> tuple[Traced, ...]:
    """Return the logs of a family of processes: open for append, or open for writing and named like a log."""
    found: dict[str, Traced] = {}
    for one in family:
        for file in one.files:
            is_log = file.is_appended or (file.is_written and Path(file.path).suffix in _SUFFIXES)
            if is_log and file.path not in databases and file.path not in found and file.is_here:
                how = "open for append" if file.is_appended else "open for writing"
                found[file.path] = Traced(file.path, f"{how} in process {one.pid} (descriptor {file.descriptor})")
    return tuple(found[path] for path in sorted(found))
