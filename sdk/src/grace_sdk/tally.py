"""Tally: how many sequence numbers a process has given out, in memory that outlives a kill -9.

Eight bytes in the system's shared memory, not on a disk: a full or failing disk would end the process that writes to a
mapped file. What lies between the tally of a killed process and what arrived from it was lost, and is counted.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from grace_sdk.recorder import Tally

_SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - files there are made with a name nobody knows before, and private
_SIZE: Final = 8
_PRIVATE_FILE: Final = 0o600
_UNSIGNED_64: Final = "Q"


def make_tally(session: str) -> Tally:
    """Return the place of one number that begins at 0; raise OSError where there is no shared memory."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    descriptor = os.open(_path(session), flags, _PRIVATE_FILE)
    try:
        # Written, not only sized: a page that could not be had later would be a SIGBUS.
        os.write(descriptor, bytes(_SIZE))
        return memoryview(mmap.mmap(descriptor, _SIZE)).cast(_UNSIGNED_64)
    finally:
        os.close(descriptor)


def read_tally(session: str) -> int:
    """Return what a process has given out, or 0 when nobody knows: another machine, or it was started anew."""
    try:
        content = _path(session).read_bytes()
    except OSError:
        return 0
    return memoryview(content).cast(_UNSIGNED_64)[0] if len(content) == _SIZE else 0


def forget_tally(session: str) -> None:
    try:
        _path(session).unlink(missing_ok=True)
    except OSError:
        # Eight bytes stay until the machine restarts.
        return


def _path(session: str) -> Path:
    return _SHARED_MEMORY / f"grace-sdk-{session}"
