"""Spool: a folder of journal files in which rendered signals outlive the process and an outage of the server.

Each process writes in a folder of its own and holds its lock for life. A folder whose lock is free belongs to a dead
process: whoever starts next takes it over. Taking over twice would do no harm, for the server knows a signal by its id.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import time
from pathlib import Path
from typing import Final, NamedTuple

_LOCK: Final = "lock"
_SUFFIX: Final = ".jsonl"
_FRESH: Final = ".new-"
_PRIVATE_FOLDER: Final = 0o700
_PRIVATE_FILE: Final = 0o600


class JournalFile(NamedTuple):
    """Rendered signals on disk, one a line."""

    path: Path
    signals: int
    size: int


class Spool:
    """The journal files of one process, and those of its dead predecessors."""

    def __init__(self, folder: Path, session: str) -> None:
        """Make and lock the folder of this process; raise OSError where that cannot be done."""
        self._own = folder / f"{time.time_ns():020d}-{session}"
        self._files = 0
        folder.mkdir(parents=True, exist_ok=True, mode=_PRIVATE_FOLDER)
        # Locked before it has its name, so that nobody can mistake it for the folder of a dead process.
        fresh = folder / f"{_FRESH}{self._own.name}"
        fresh.mkdir(mode=_PRIVATE_FOLDER)
        self._locks = {self._own: os.open(fresh / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, _PRIVATE_FILE)}
        fcntl.flock(self._locks[self._own], fcntl.LOCK_EX | fcntl.LOCK_NB)
        fresh.rename(self._own)

    def write(self, lines: list[bytes]) -> JournalFile:
        """Write a new journal file; raise OSError, leaving nothing behind, when the disk refuses."""
        self._files += 1
        path = self._own / f"{self._files:08d}{_SUFFIX}"
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

    def remove(self, file: JournalFile) -> None:
        """Forget a journal file, and the folder of a dead process with its last one."""
        try:
            file.path.unlink(missing_ok=True)
        except OSError:
            # It stays and is sent again some day; the server will know its signals.
            return
        folder = file.path.parent
        if folder != self._own and not any(folder.glob(f"*{_SUFFIX}")):
            self._give_up(folder)

    def take_over(self) -> list[JournalFile]:
        """Lock the folders of dead processes and return their journal files, oldest first."""
        found: list[JournalFile] = []
        for folder in sorted(self._own.parent.iterdir()):
            if folder in self._locks or folder.name.startswith(_FRESH) or not (folder / _LOCK).exists():
                continue
            if not self._lock(folder):
                continue
            files = [_described(path) for path in sorted(folder.glob(f"*{_SUFFIX}"))]
            found.extend(files)
            if not files:
                self._give_up(folder)
        return found

    def close(self) -> None:
        """Leave undelivered files to the next process; remove the folder when there are none."""
        if not any(self._own.glob(f"*{_SUFFIX}")):
            self._give_up(self._own)
        for lock in self._locks.values():
            os.close(lock)
        self._locks.clear()

    def _lock(self, folder: Path) -> bool:
        try:
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            return False
        self._locks[folder] = lock
        return True

    def _give_up(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        lock = self._locks.pop(folder, None)
        if lock is not None:
            os.close(lock)


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
