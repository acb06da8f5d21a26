"""One place, worked on through the open folder that holds it."""

from __future__ import annotations

import os
import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from grace.kit.filesystem.entries import Entry, Kind
from grace.kit.filesystem.paths import opened_folder


@contextmanager
def opened_place(place: Path) -> Generator[tuple[int, str]]:
    """Open the folder that holds a place; what was renamed in it is durable when the block ends."""
    with opened_folder(place.parent) as folder:
        yield folder, place.name
        os.fsync(folder)


def is_taken(folder: int, name: str) -> bool:
    """Tell whether anything stands there."""
    return _status(folder, name) is not None


def stands_as_found(folder: int, name: str, found: Entry) -> bool:
    """Tell, without reading it, whether what was found still stands: by mode, owner, size and, but of folders, time."""
    status = _status(folder, name)
    return (
        status is not None
        and (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (found.mode, found.uid, found.gid)
        and (found.kind is Kind.FOLDER or status.st_mtime_ns == found.mtime_ns)
        and (found.kind is not Kind.FILE or status.st_size == found.size)
    )


def _status(folder: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
