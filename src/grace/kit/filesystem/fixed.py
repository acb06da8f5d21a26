"""What the file system itself forbids to change or to take away: told before a deed, not found out half-way."""

from __future__ import annotations

import array
import errno
import fcntl
import os
import stat
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Final

from grace.kit.filesystem.paths import NotExactError, Rule, opened_folder, to_text
from grace.kit.filesystem.survey import Visit, walk

_GET_FLAGS: Final = (2 << 30) | (struct.calcsize("l") << 16) | (ord("f") << 8) | 1
"""FS_IOC_GETFLAGS, whose number holds the size of a C long."""
_FLAGS: Final = ((0x10, "immutable", "i"), (0x20, "append-only", "a"))
_NO_FLAGS_HERE: Final = frozenset({errno.ENOTTY, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS})
_LOOK: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def require_changeable(root: Path) -> None:
    """Raise NotExactError for the first file or folder at or below a real path that is marked as not to be changed."""
    _look_at_all(root, (_require_no_mark,))


def require_removable(root: Path) -> None:
    """Raise NotExactError also for a folder that this process may not take the entries out of."""
    _look_at_all(root, (_require_no_mark, _require_emptyable))


def _look_at_all(root: Path, requirements: tuple[Callable[[Path, Visit], None], ...]) -> None:
    try:
        with opened_folder(root.parent) as folder:
            for visit in walk(folder, root.name):
                for require in requirements:
                    require(root / to_text(visit.path), visit)
    except FileNotFoundError as error:
        why = f"{root} changed while it was looked at."
        raise NotExactError(Rule.CHANGING, why, "Wait until nobody writes it.") from error
    except OSError as error:
        why = f"{root} cannot be looked at: {error.strerror} ({error.filename})."
        raise NotExactError(Rule.UNREADABLE, why, "Give GRACE the right to read it.") from error


def _require_no_mark(place: Path, visit: Visit) -> None:
    if not (stat.S_ISREG(visit.status.st_mode) or stat.S_ISDIR(visit.status.st_mode)):
        return
    flags = _flags(visit)
    for bit, name, letter in _FLAGS:
        if flags & bit:
            why = f"{place} is marked {name}: nobody can change, remove or give it back as it is."
            raise NotExactError(Rule.MARKED, why, f"Take the mark away (`chattr -{letter}`), or name another target.")


def _flags(visit: Visit) -> int:
    """Return the marks of a file or folder; zero where the file system knows none."""
    descriptor = os.open(visit.name, _LOOK, dir_fd=visit.folder)
    found = array.array("l", [0])
    try:
        fcntl.ioctl(descriptor, _GET_FLAGS, found)
    except OSError as error:
        if error.errno not in _NO_FLAGS_HERE:
            raise
    finally:
        os.close(descriptor)
    return found[0]


def _require_emptyable(place: Path, visit: Visit) -> None:
    if not stat.S_ISDIR(visit.status.st_mode):
        return
    if not os.access(visit.name, os.W_OK | os.X_OK, dir_fd=visit.folder, effective_ids=True):
        why = f"{place} is a folder that GRACE may not take anything out of."
        raise NotExactError(Rule.OWNER, why, "Give GRACE the right to write in it, or name another target.")
