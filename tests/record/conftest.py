from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path

import pytest

from grace.kit.clock import VirtualClock
from grace.record.opening import Record, RecordPlaces, open_record


@pytest.fixture
def places(tmp_path: Path) -> RecordPlaces:
    return RecordPlaces.within(tmp_path / "grace")


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def open_here(places: RecordPlaces, clock: VirtualClock) -> Generator[Callable[[], Record]]:
    """Open the record of this test; what is still open at the end is closed."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(open_record(places, clock=clock))


@pytest.fixture
def record(open_here: Callable[[], Record]) -> Record:
    return open_here()
