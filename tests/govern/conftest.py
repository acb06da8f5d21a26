from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from grace.record.opening import Record, RecordPlaces, open_record


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    with open_record(RecordPlaces.within(tmp_path / "record")) as opened:
        yield opened
