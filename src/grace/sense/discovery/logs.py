"""Logs: files that a process writes at their end, never reads, and writes text into.

A write-ahead log of a store is no log: it is told apart by its first bytes, or by being the file of a database server
without a name like a log's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final

from grace.sense.discovery.databases import database_server, first_bytes
from grace.sense.discovery.findings import Traced
from grace.sense.discovery.processes import OpenFile, SeenProcess

_SUFFIXES: Final = frozenset({".log", ".out", ".err"})
_LOOKED_AT_BYTES: Final = 16
_IN_TEXT: Final = frozenset(b"\t\n\r\x1b")
"""Control bytes that text has; the last begins a colour."""


def logs_of(family: Iterable[SeenProcess], databases: Collection[str]) -> tuple[Traced, ...]:
    """Return the logs of a family of processes: open for append, or open for writing and named like a log."""
    found: dict[str, Traced] = {}
    for one in family:
        for file in one.files:
            if file.path in databases or file.path in found or not _is_log(file, one):
                continue
            if file.is_here and _may_be_text(file.path):
                how = "open for append" if file.is_appended else "open for writing"
                found[file.path] = Traced(file.path, f"{how} in process {one.pid} (descriptor {file.descriptor})")
    return tuple(found[path] for path in sorted(found))


def _is_log(file: OpenFile, process: SeenProcess) -> bool:
    if Path(file.path).suffix in _SUFFIXES:
        return file.is_written
    return file.is_appended and not database_server(process.argv)


def _may_be_text(path: str) -> bool:
    """Tell whether a file begins as text does; one that is empty or may not be read gets the benefit of the doubt."""
    try:
        begins = first_bytes(path, _LOOKED_AT_BYTES)
    except OSError:
        return True
    return all(byte >= ord(" ") or byte in _IN_TEXT for byte in begins or b"")
