"""What is mounted at a place, or below it: that no look at devices tells of a bind mount."""

from __future__ import annotations

import ctypes
import os
import re
import struct
from pathlib import Path
from typing import Final

from grace.kit.filesystem.paths import lies_within

_MOUNTS: Final = Path("/proc/self/mountinfo")
_OCTAL: Final = re.compile(r"\\([0-7]{3})")
_ESCAPED: Final = re.compile(r"[ \t\n\\#]")
"""What the kernel writes in octal digits where it tells of a mount point."""
_STATX: Final = getattr(ctypes.CDLL(None), "statx", None)
"""Which some C libraries lack."""
_Told: Final = ctypes.c_char * 256
_ATTRIBUTES: Final = struct.Struct("=8xQ40xQ")
"""Where statx tells the attributes of an object, and which of them its kernel and file system know."""
_MOUNT_ROOT: Final = 0x2000
_NO_FOLLOW: Final = 0x100


def mount_points(under: Path) -> tuple[Path, ...]:
    """Return every mount point at or below a real path."""
    place = str(under)
    mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    # Asked before each read of a folder, and nearly always of one that no mount comes near: no line is taken apart.
    if not _ESCAPED.search(place) and f" {place}" not in mounts:
        return ()
    found = [_unescaped(line.split(" ", 5)[4]) for line in mounts.split("\n") if line]
    return tuple(Path(point) for point in found if lies_within(point, place))


def is_mount_point(folder: int, name: str) -> bool | None:
    """Tell whether something is mounted at a name in an open folder; None where the kernel does not say."""
    told = _Told()
    if _STATX is None or _STATX(folder, os.fsencode(name), _NO_FOLLOW, 0, told) != 0:
        return None
    attributes, known = _ATTRIBUTES.unpack_from(told)
    return bool(attributes & _MOUNT_ROOT) if known & _MOUNT_ROOT else None


def _unescaped(field: str) -> str:
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), field) if "\\" in field else field
