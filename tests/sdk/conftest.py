from __future__ import annotations

from collections.abc import Iterator

import grace_sdk
import pytest

from tests.sdk.sink import Sink


@pytest.fixture
def sink() -> Iterator[Sink]:
    server = Sink()
    yield server
    grace_sdk.close(timeout_s=0.0)
    server.stop()


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    yield
    grace_sdk.close(timeout_s=0.0)
