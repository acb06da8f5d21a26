"""Who else is using a file: what is written through an open file is lost when another file takes its name."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_SET_SIGNAL: Final = 10  # F_SETSIG, which the fcntl module does not name


@dataclass(frozen=True, slots=True)
class Use:
    """A process that has a file open for writing, or holds a lock on it."""

    pid: int
    path: str
    is_locked: bool

    def __str__(self) -> str:
        return f"process {self.pid} {'holds a lock on' if self.is_locked else 'has open for writing'} {self.path}"


def is_written_elsewhere(path: Path) -> bool:
    """Tell whether anybody has the file open for writing now; the kernel answers, for every process.

    A read lease is granted only where nobody writes. Where the file system gives no leases, the processes are searched.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        # Should somebody open it in this very moment, the kernel sends a notice, and SIGURG is one that is ignored.
        fcntl.fcntl(descriptor, _SET_SIGNAL, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        if error.errno not in {errno.EAGAIN, errno.EACCES, errno.EINVAL, errno.ENOTSUP}:
            raise
        status = os.fstat(descriptor)
        return any(not use.is_locked for use in uses_of({(status.st_dev, status.st_ino)}))
    finally:
        os.close(descriptor)
    return False


def uses_of(inodes: set[tuple[int, int]]) -> Iterator[Use]:
    """Yield each open-for-writing and each lock of other processes on these devices and inodes.

    Processes of other users that may not be looked into are passed over; for writers, the lease above sees them too.
    """
    for pid in _other_pids():
        for descriptor, path in _open_files(pid, inodes):
            flags, is_locked = _flags_and_lock(pid, descriptor)
            if is_locked or flags & os.O_ACCMODE != os.O_RDONLY:
                yield Use(pid, path, is_locked)


def _other_pids() -> Iterator[int]:
    own = os.getpid()
    return (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit() and int(entry.name) != own)


def _open_files(pid: int, inodes: set[tuple[int, int]]) -> Iterator[tuple[str, str]]:
    folder = _PROC / str(pid) / "fd"
    try:
        descriptors = list(folder.iterdir())
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return
    for descriptor in descriptors:
        try:
            status = descriptor.stat()
            if (status.st_dev, status.st_ino) in inodes:
                yield descriptor.name, str(descriptor.readlink())
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue


def _flags_and_lock(pid: int, descriptor: str) -> tuple[int, bool]:
    try:
        lines = (_PROC / str(pid) / "fdinfo" / descriptor).read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return os.O_RDONLY, False
    flags = next((int(line.split()[1], 8) for line in lines if line.startswith("flags:")), os.O_RDONLY)
    return flags, any(line.startswith("lock:") for line in lines)
