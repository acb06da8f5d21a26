"""Spool: a folder of journal files in which rendered signals outlive the process and an outage of the server.

Each process writes in a folder of its own and holds its lock for life. A folder whose lock is free belongs to a dead
process: whoever starts next moves its files into an own folder, with a report of how many signals it had numbered.
Taking over twice would do no harm, for the server knows a signal by its id and the highest number stands.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from grace_sdk.tally import forget_tally, make_tally, read_tally

if TYPE_CHECKING:
    from grace_sdk.recorder import Tally

_LOCK: Final = "lock"
_SUFFIX: Final = ".jsonl"
_REPORT_SUFFIX: Final = ".report"
_FRESH: Final = ".new-"
_PRIVATE_FOLDER: Final = 0o700
_PRIVATE_FILE: Final = 0o600


class JournalFile(NamedTuple):
    """Rendered signals on disk, one a line."""

    path: Path
    signals: int
    size: int


class SessionReport(NamedTuple):
    """How many sequence numbers a dead process had given out, and the file that remembers it."""

    session: str
    issued: int
    path: Path


class Legacy(NamedTuple):
    """What dead processes left."""

    files: list[JournalFile]
    reports: list[SessionReport]


class Spool:
    """The journal files of one process, and those that it took over from dead ones."""

    def __init__(self, folder: Path, session: str) -> None:
        """Make and lock the folder of this process; raise OSError where that cannot be done."""
        self._session = session
        # Held while what others left is moved here, so that nothing of it goes with a folder that is being removed.
        self._moving = threading.Lock()
        self._is_closed = False
        self._own = folder / f"{time.time_ns():020d}-{session}"
        self._files = 0
        folder.mkdir(parents=True, exist_ok=True, mode=_PRIVATE_FOLDER)
        # Locked before it has its name, so that nobody can mistake it for the folder of a dead process.
        fresh = folder / f"{_FRESH}{self._own.name}"
        fresh.mkdir(mode=_PRIVATE_FOLDER)
        self._own_lock = os.open(fresh / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, _PRIVATE_FILE)
        fcntl.flock(self._own_lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fresh.rename(self._own)

    def tally(self) -> Tally:
        """Return a place for the newest sequence number that outlives this process; raise OSError without one."""
        return make_tally(self._session)

    def write(self, lines: list[bytes]) -> JournalFile:
        """Write a new journal file; raise OSError, leaving nothing behind, when the disk refuses."""
        path = self._next_path()
        size = _append(path, lines, create=True)
        return JournalFile(path, len(lines), size)

    def extend(self, file: JournalFile, lines: list[bytes]) -> JournalFile:
        """Append to a journal file; raise OSError, leaving it as it was, when the disk refuses."""
        size = _append(file.path, lines, create=False)
        return JournalFile(file.path, file.signals + len(lines), size)

    def read(self, file: JournalFile) -> list[bytes]:
        """Return the whole signals of a journal file: what a crash tore is left out, a file that is gone is empty."""
        whole, _, _torn = _content(file.path).rpartition(b"\n")
        return [line for line in whole.split(b"\n") if _is_json_object(line)]

    def remove(self, path: Path) -> None:
        """Forget a journal file or a report."""
        try:
            path.unlink(missing_ok=True)
        except OSError:
            # It stays and is sent again some day; the server will know its signals.
            return

    def take_over(self) -> Legacy:
        """Move what dead processes left into the own folder, oldest first; what cannot be moved stays where it is."""
        legacy = Legacy([], [])
        with self._moving:
            for folder in () if self._is_closed else sorted(self._own.parent.iterdir()):
                if folder == self._own or folder.name.startswith(_FRESH):
                    continue
                lock = _locked(folder)
                if lock is None:
                    continue
                try:
                    self._inherit(folder, legacy)
                finally:
                    os.close(lock)
        return legacy

    def close(self) -> None:
        """Leave undelivered files to the next process; remove the folder when there are none."""
        with self._moving:
            self._is_closed = True
            if not any(file for file in self._own.glob("*") if file.name != _LOCK):
                forget_tally(self._session)
                shutil.rmtree(self._own, ignore_errors=True)
            self.abandon()

    def abandon(self) -> None:
        """Let go of the folder without touching it: in a forked child it is the parent's."""
        os.close(self._own_lock)

    def _next_path(self) -> Path:
        self._files += 1
        return self._own / f"{self._files:08d}{_SUFFIX}"

    def _inherit(self, folder: Path, legacy: Legacy) -> None:
        for file in sorted(folder.glob(f"*{_SUFFIX}")):
            moved = self._next_path()
            file.rename(moved)
            legacy.files.append(_described(moved))
        for file in sorted(folder.glob(f"*{_REPORT_SUFFIX}")):
            moved = self._own / file.name
            file.rename(moved)
            legacy.reports.append(SessionReport(file.stem, _number_in(moved), moved))
        session = folder.name.rpartition("-")[2]
        issued = read_tally(session)
        if issued:
            path = self._own / f"{session}{_REPORT_SUFFIX}"
            path.write_bytes(b"%d" % issued)
            legacy.reports.append(SessionReport(session, issued, path))
            forget_tally(session)
        shutil.rmtree(folder, ignore_errors=True)


def _number_in(path: Path) -> int:
    content = _content(path)
    return int(content) if content.isdigit() else 0


def _locked(folder: Path) -> int | None:
    """Lock the folder of a dead process; a living one holds its lock."""
    try:
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock


def _append(path: Path, lines: list[bytes], *, create: bool) -> int:
    """Append all lines or none; return the size of the file."""
    content = b"".join(line + b"\n" for line in lines)
    flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | (os.O_CREAT | os.O_EXCL if create else 0)
    descriptor = os.open(path, flags, _PRIVATE_FILE)
    try:
        before = os.fstat(descriptor).st_size
        written = os.write(descriptor, content)
        if written < len(content):
            os.ftruncate(descriptor, before)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return before + written
    finally:
        os.close(descriptor)


def _described(path: Path) -> JournalFile:
    content = _content(path)
    return JournalFile(path, content.count(b"\n"), len(content))


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _is_json_object(line: bytes) -> bool:
    try:
        return line.startswith(b"{") and isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
