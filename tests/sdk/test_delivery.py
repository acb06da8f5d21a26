from __future__ import annotations

import threading
from pathlib import Path

import grace_sdk
import pytest
from grace_sdk.reporter import Progress

from tests.sdk.sink import Sink


def _progress() -> Progress:
    progress = grace_sdk.progress()
    assert progress is not None
    return progress


def test_many_signals_arrive_in_few_requests(sink: Sink) -> None:
    grace_sdk.init(sink.dsn())
    for number in range(300):
        grace_sdk.capture(message=f"note {number}")
    assert grace_sdk.flush(20.0)
    assert len(sink.signals) == 300
    assert len(sink.requests) < 30
    assert _progress() == Progress(300, 300, 0, 0, 0, 0, 0, "")


def test_signals_arrive_without_a_flush(sink: Sink) -> None:
    grace_sdk.init(sink.dsn())
    grace_sdk.capture(message="x")
    assert sink.wait_for(1)[0]["title"] == "x"


def test_what_was_captured_while_the_server_was_down_arrives_when_it_is_back() -> None:
    first = Sink()
    port = first.port
    try:
        grace_sdk.init(first.dsn())
        grace_sdk.capture(message="before")
        assert grace_sdk.flush(20.0)
    finally:
        first.stop()
    for number in range(20):
        grace_sdk.capture(message=f"during {number}")
    assert not grace_sdk.flush(0.3)
    assert "refused" in _progress().problem or "Error" in _progress().problem
    second = Sink(port)
    try:
        assert len(second.wait_for(20)) == 20
        assert grace_sdk.flush(20.0)
        assert _progress().problem == ""
    finally:
        grace_sdk.close(0.0)
        second.stop()


@pytest.mark.parametrize("status", [200, 301, 401, 403, 404, 429, 500, 503])
def test_an_answer_that_is_no_acceptance_keeps_the_signals(sink: Sink, status: int) -> None:
    sink.status = status
    grace_sdk.init(sink.dsn())
    grace_sdk.capture(message="x")
    sink.wait_for_request()
    assert not grace_sdk.flush(0.2)
    assert str(status) in _progress().problem
    sink.status = 202
    assert grace_sdk.flush(20.0)
    assert len(sink.signals) == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"accepted": 1}',
        b'{"accepted": 0, "duplicates": 0}',
        b'{"accepted": "1", "duplicates": 0}',
    ],
)
def test_a_202_that_is_not_from_grace_is_not_believed(sink: Sink, answer: bytes) -> None:
    sink.answer = answer
    grace_sdk.init(sink.dsn())
    grace_sdk.capture(message="x")
    sink.wait_for_request()
    assert not grace_sdk.flush(0.2)
    sink.answer = None
    assert grace_sdk.flush(20.0)
    assert len(sink.signals) == 1


def test_one_signal_that_is_refused_for_good_does_not_hold_up_the_others(
    sink: Sink, caplog: pytest.LogCaptureFixture
) -> None:
    sink.refused_titles = {"note 37"}
    grace_sdk.init(sink.dsn())
    for number in range(100):
        grace_sdk.capture(message=f"note {number}")
    assert grace_sdk.flush(20.0)
    assert len(sink.signals) == 99
    assert _progress().refused == 1
    assert "a title that is refused" in caplog.text


def test_delivery_says_once_that_it_stopped_and_once_that_it_goes_on(
    sink: Sink, caplog: pytest.LogCaptureFixture
) -> None:
    sink.status = 503
    grace_sdk.init(sink.dsn())
    for _ in range(3):
        grace_sdk.capture(message="x")
        grace_sdk.flush(0.2)
    sink.status = 202
    assert grace_sdk.flush(20.0)
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "503" in caplog.messages[0]
    assert (
        "they wait in memory alone and are sent later; what is not sent when this process ends is lost" in caplog.text
    )


def test_what_is_on_disk_is_said_to_be_kept(sink: Sink, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    sink.status = 503
    grace_sdk.init(sink.dsn(), spool=tmp_path / "spool")
    grace_sdk.capture(message="x")
    grace_sdk.flush(0.2)
    assert "they are kept in the spool and sent later" in caplog.text
    sink.status = 202
    assert grace_sdk.flush(20.0)


def test_captures_of_many_threads_all_arrive(sink: Sink) -> None:
    grace_sdk.init(sink.dsn(), buffer_size=10_000)

    def work() -> None:
        for number in range(100):
            grace_sdk.capture(message=f"note {number}")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert grace_sdk.flush(30.0)
    assert sorted(signal["sequence"] for signal in sink.signals.values()) == list(range(1, 801))


def test_capturing_from_a_finalizer_in_the_middle_of_a_capture_does_not_deadlock(sink: Sink) -> None:
    class Finalized:
        def __del__(self) -> None:
            grace_sdk.capture(message="finalized")

        def __str__(self) -> str:
            return "captured"

    grace_sdk.init(sink.dsn())
    for _ in range(50):
        grace_sdk.capture(message=Finalized())  # pyright: ignore[reportArgumentType]
    assert grace_sdk.flush(20.0)
    assert len(sink.signals) == 100


def test_closing_ends_the_background_threads(sink: Sink) -> None:
    grace_sdk.init(sink.dsn())
    grace_sdk.capture(message="x")
    grace_sdk.close(20.0)
    assert len(sink.signals) == 1
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("grace-sdk")]


def test_a_second_init_replaces_the_first(sink: Sink) -> None:
    grace_sdk.init(sink.dsn("one"))
    grace_sdk.init(sink.dsn("two"))
    grace_sdk.capture(message="x")
    assert grace_sdk.flush(20.0)
    assert [signal["service"] for signal in sink.signals.values()] == ["two"]
    assert len([thread for thread in threading.enumerate() if thread.name.startswith("grace-sdk")]) == 2
