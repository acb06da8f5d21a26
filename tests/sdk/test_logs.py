from __future__ import annotations

import logging
from collections.abc import Iterator

import grace_sdk
import pytest
from grace_sdk.logs import CaptureHandler

from tests.sdk.scripts import run
from tests.sdk.sink import Document, Sink


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """Give a logger whose records, and those of all below it, are captured from WARNING up."""
    handler = CaptureHandler(logging.WARNING)
    root = logging.getLogger()
    root.addHandler(handler)
    yield logging.getLogger("orders.stock")
    root.removeHandler(handler)


def _signals(sink: Sink) -> list[Document]:
    assert grace_sdk.flush(20.0)
    return sorted(sink.signals.values(), key=lambda signal: int(signal["sequence"]))


def test_a_record_becomes_a_log_signal_with_its_template_as_title(sink: Sink, logger: logging.Logger) -> None:
    grace_sdk.init(sink.dsn())
    logger.error("order %d is stuck", 17)
    (signal,) = _signals(sink)
    assert (signal["kind"], signal["severity"]) == ("log", "error")
    assert (signal["title"], signal["message"]) == ("order %d is stuck", "order 17 is stuck")
    assert signal["labels"]["logger"] == "orders.stock"
    assert signal["exception"] is None


def test_levels_become_severities_and_the_handler_has_a_level(sink: Sink, logger: logging.Logger) -> None:
    grace_sdk.init(sink.dsn())
    for level in (logging.DEBUG, logging.INFO, logging.WARNING, 35, logging.ERROR, logging.CRITICAL, 99):
        logger.log(level, "x")
    assert [signal["severity"] for signal in _signals(sink)] == ["warning", "warning", "error", "critical", "critical"]


def test_a_record_with_an_exception_becomes_an_exception_signal(sink: Sink, logger: logging.Logger) -> None:
    grace_sdk.init(sink.dsn())
    try:
        int("x")
    except ValueError:
        logger.exception("cannot read order %s", "17")
    (signal,) = _signals(sink)
    assert (signal["kind"], signal["title"]) == ("exception", "ValueError")
    assert signal["context"]["log"] == "cannot read order 17"


def test_logging_what_was_captured_makes_no_second_signal(sink: Sink, logger: logging.Logger) -> None:
    grace_sdk.init(sink.dsn())
    try:
        int("x")
    except ValueError as exc:
        grace_sdk.capture(exc)
        logger.exception("cannot read")
    assert len(_signals(sink)) == 1


def test_a_record_that_cannot_be_formatted_is_captured_by_its_template(
    sink: Sink, logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    grace_sdk.init(sink.dsn())
    handler = CaptureHandler()
    handler.handle(logging.LogRecord("x", logging.ERROR, __file__, 1, "%d %d", ("one",), None))
    (signal,) = _signals(sink)
    assert signal["message"] == "%d %d"


def test_the_sdk_does_not_capture_its_own_log(sink: Sink, logger: logging.Logger) -> None:
    sink.status = 503
    grace_sdk.init(sink.dsn())
    logger.error("x")
    grace_sdk.flush(0.3)
    logging.getLogger("grace_sdk").error("about itself")
    logging.getLogger("grace_sdk.delivery").error("about itself")
    sink.status = 202
    assert [signal["title"] for signal in _signals(sink)] == ["x"]


def test_before_init_the_handler_does_nothing(logger: logging.Logger) -> None:
    logger.error("x")
    assert grace_sdk.progress() is None


def test_errors_are_captured_without_a_handler_of_ours_and_logging_stays_as_it_was(sink: Sink) -> None:
    code = (
        "import logging, sys, grace_sdk\n"
        "grace_sdk.init(sys.argv[1])\n"
        "logging.getLogger('orders').error('order %d is stuck', 17)\n"
        "logging.getLogger('orders').warning('shown without any handler')\n"
        "logging.basicConfig(format='configured %(message)s')\n"
        "logging.getLogger('orders').warning('later')"
    )
    result = run(code, sink.dsn())
    assert [signal["title"] for signal in sink.wait_for(1)] == ["order %d is stuck"]
    assert result.stderr.splitlines() == ["order 17 is stuck", "shown without any handler", "configured later"]


def test_a_record_that_a_handler_and_the_hook_both_meet_is_one_signal(sink: Sink, logger: logging.Logger) -> None:
    grace_sdk.init(sink.dsn())
    logger.error("order is stuck")
    assert len(_signals(sink)) == 1
