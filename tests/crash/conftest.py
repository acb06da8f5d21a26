from __future__ import annotations

import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

_MEMORY = Path("/dev/shm")


@pytest.fixture(scope="module")
def ground() -> Generator[Path]:
    """A folder in memory where there is one: a killed process loses nothing on either, and hundreds of cases cost."""
    folder = Path(tempfile.mkdtemp(prefix="grace-crash-", dir=_MEMORY if _MEMORY.is_dir() else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
