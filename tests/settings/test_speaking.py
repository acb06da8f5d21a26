"""What the server says of an accident: where it happened, never what the variables held."""

from __future__ import annotations

import logging
from collections.abc import Generator

import pytest

from grace.settings import LogFormat, load_settings
from grace.wiring.speaking import speak

_MOST_LINES = 15


@pytest.fixture(autouse=True)
def log_as_before() -> Generator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def fall_over() -> None:
    password = "hunter-" + "2" * 3  # a variable whose value stands nowhere in the code
    bulk = list(range(10_000))
    message = f"{len(bulk)} of {len(password)}"
    raise LookupError(message)


@pytest.mark.parametrize("log_format", list(LogFormat))
def test_a_traceback_in_the_log_shows_no_values_of_variables(
    log_format: LogFormat, capsys: pytest.CaptureFixture[str]
) -> None:
    speak(load_settings(log_format=log_format))
    try:
        fall_over()
    except LookupError:
        logging.getLogger("grace.tests").exception("run_1 fell over")
    said = capsys.readouterr().err
    assert "run_1 fell over" in said
    assert "LookupError: 10000 of 10" in said
    assert "test_speaking.py" in said
    assert "hunter-222" not in said
    assert "<traceback object" not in said
    assert said.count("\n") < _MOST_LINES
