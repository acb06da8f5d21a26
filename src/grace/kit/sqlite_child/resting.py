"""Look at a WAL database that nobody has open as it lies there: SQLite would make files beside it for a moment."""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

import apsw
from pydantic import JsonValue

from grace.kit.procfs import PROC, write_lock_holders
from grace.kit.sqlite_child.connections import (
    READER_PATIENCE_S,
    Database,
    has_content,
    opened,
    reading,
    require_file,
)
from grace.kit.sqlite_child.conversation import Operation, Request
from grace.kit.sqlite_child.protocol import FaultKind, SqliteFault

_AT_VERSIONS: Final = 18
_OF_WAL: Final = b"\x02\x02"
"""Where the file says with which journal it is written and read, and what it says of a WAL."""
_TICK_S: Final = 0.02
_PARTS_OF_STAMP: Final = ("st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns")
_BEAT_S: Final = 0.005
_ROOM_BYTES: Final = 64 * 1024
"""What SQLite needs at first for the files that it makes beside a WAL database."""


class MovedError(Exception):
    """What was read as it lay there was written meanwhile: what was found may be of two states."""


def again_where_moved(operation: Operation) -> Operation:
    """Let an operation that changes nothing look again where somebody wrote while it looked."""

    def ask(request: Request) -> JsonValue:
        while True:
            try:
                return operation(request)
            except MovedError as moved:
                if request.is_late:
                    raise SqliteFault(FaultKind.BUSY, "Somebody wrote each time that it was read.") from moved

    return ask


@contextmanager
def looking(path: str, request: Request, patience_s: float = READER_PATIENCE_S) -> Generator[Database]:
    """Open for questions alone, and make no file beside the database, not even for a moment.

    Whoever has a WAL database open has its `-wal` or `-shm` there. Where there is none, the file holds everything and
    is read as it lies, without a lock. Raise MovedError at the end where it was written meanwhile.
    """
    require_file(path)
    lies = not _has_company(path) and _is_of_wal(path, request)
    with _lying(path, request) if lies else reading(path, request, patience_s) as database:
        yield database


def _is_of_wal(path: str, request: Request) -> bool:
    """Read which journal the file names, through SQLite: to close a file oneself drops locks of the whole process."""
    with _as_it_lies(path, request) as database:
        return database.connection.read("main", 0, _AT_VERSIONS, 2) == (True, _OF_WAL)


def _as_it_lies(path: str, request: Request) -> AbstractContextManager[Database]:
    return opened(f"file:{quote(path)}?immutable=1", (apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI,), request, 0.0)


@contextmanager
def _lying(path: str, request: Request) -> Generator[Database]:
    before = _stamp(path)
    # A later write shows in the time of the file, unless it comes within the same tick of the kernel's clock.
    time.sleep(max(0.0, min(_TICK_S, before.st_mtime + _TICK_S - time.time())))
    try:
        with _as_it_lies(path, request) as database:
            yield Database(database.connection, lies=True)
    except (SqliteFault, apsw.Error) as error:
        if _has_moved(path, before):
            raise MovedError from error
        raise
    if _has_moved(path, before):
        raise MovedError


def can_be_locked(path: str, patience_s: float) -> bool:
    """Tell whether the write lock of a database that lies there could be had within `patience_s`; raise a fault if not.

    No connection holds it, or its files would be there; others may hold a lock on the file, or it may be protected.
    """
    folder = Path(path).absolute().parent
    if not os.access(path, os.R_OK | os.W_OK) or not os.access(folder, os.W_OK | os.X_OK):
        raise SqliteFault(FaultKind.READ_ONLY, "The database or its folder is write protected.")
    free = os.statvfs(folder)
    if free.f_bavail * free.f_frsize < _ROOM_BYTES:
        raise SqliteFault(FaultKind.OTHER, "The disk has no room for the files that SQLite needs beside the database.")
    until = time.monotonic() + patience_s
    while _is_locked(path):
        if time.monotonic() >= until:
            return False
        time.sleep(_BEAT_S)
    return True


def _is_locked(path: str) -> bool:
    inode = f":{Path(path).stat().st_ino}"
    lines = (PROC / "locks").read_text().splitlines()
    if not any(" WRITE " in line and line.split()[5].endswith(inode) for line in lines if "->" not in line):
        return False
    # The file of another file system may have the same number.
    holders = write_lock_holders(path)
    return bool(holders.pids or holders.hidden)


def _has_company(path: str) -> bool:
    return any(Path(path + suffix).exists() for suffix in ("-wal", "-shm")) or has_content(Path(path + "-journal"))


def _stamp(path: str) -> os.stat_result:
    try:
        return Path(path).stat()
    except FileNotFoundError as error:
        raise MovedError from error


def _has_moved(path: str, before: os.stat_result) -> bool:
    now = _stamp(path)
    return any(getattr(now, part) != getattr(before, part) for part in _PARTS_OF_STAMP)
