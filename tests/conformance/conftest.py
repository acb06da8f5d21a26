"""Where the worlds of the suite lie: in memory where that can hold all that a disk can, since nothing is cut off here.

Thousands of small worlds are made durable again and again; on a disk most of the time would be waiting for it. What a
power cut leaves is the affair of `tests/powercut`, which has a disk of its own.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

_IN_MEMORY: Final = Path("/dev/shm")
_ROOM_BYTES: Final = 256 * 1024 * 1024


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return an empty folder; it goes with the module."""
    folder = Path(tempfile.mkdtemp(dir=_IN_MEMORY)) if _holds_everything() else tmp_path_factory.mktemp("ground")
    yield folder.resolve()
    shutil.rmtree(folder)


def _holds_everything() -> bool:
    """Tell whether memory may be written like a disk, extended attributes included, and has room."""
    if not os.access(_IN_MEMORY, os.W_OK) or shutil.disk_usage(_IN_MEMORY).free < _ROOM_BYTES:
        return False
    with tempfile.NamedTemporaryFile(dir=_IN_MEMORY) as file:
        try:
            os.setxattr(file.name, "user.note", b"kept")
        except OSError:
            return False
    return True
