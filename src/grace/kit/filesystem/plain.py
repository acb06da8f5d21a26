"""Read a file that a person wrote: a regular one, and no more of it than it may have."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Final

MOST_BYTES: Final = 4 * 1024 * 1024
"""More than any document that people write; each kind has a smaller limit of its own."""


def read_plain(path: Path, most_bytes: int = MOST_BYTES) -> bytes:
    """Return what a regular file holds; raise OSError for anything else: a pipe hangs, a device never ends."""
    # Opened without waiting: a pipe that nobody writes to would hold its reader for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        kind = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(kind):
            what = "it is a folder" if stat.S_ISDIR(kind) else "it is no regular file"
            raise OSError(errno.EINVAL, what, str(path))
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(most_bytes + 1)
    finally:
        os.close(descriptor)
    if len(content) > most_bytes:
        raise OSError(errno.EFBIG, f"it has more than {most_bytes:,} bytes", str(path))
    return content
