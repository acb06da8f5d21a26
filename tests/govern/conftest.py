from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from grace.record.opening import Record, RecordPlaces, open_record


@pytest.fixture(scope="session")
def blank_record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record without entries: its schema is made once, every test gets a copy."""
    folder = tmp_path_factory.mktemp("blank") / "record"
    open_record(RecordPlaces.within(folder)).close()
    return folder


@pytest.fixture
def record(tmp_path: Path, blank_record: Path) -> Iterator[Record]:
    folder = shutil.copytree(blank_record, tmp_path / "record")
    with open_record(RecordPlaces.within(folder)) as opened:
        yield opened
