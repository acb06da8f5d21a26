from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.validate import validator

import grace_sdk
import pytest
from grace_sdk.wsgi import CaptureMiddleware

from tests.sdk.sink import Document, Sink

_Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the standard library
        return


@contextmanager
def _served(app: _Application) -> Generator[int]:
    server = make_server("127.0.0.1", 0, app, handler_class=_Quiet)  # type: ignore[arg-type]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _get(app: _Application, path: str, headers: dict[str, str] | None = None) -> tuple[int, str | None, bytes]:
    with _served(app) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        try:
            connection.request("GET", path, headers=headers or {})
            response = connection.getresponse()
            return response.status, response.headers["X-Correlation-Id"], response.read()
        finally:
            connection.close()


def _arrived(sink: Sink) -> list[Document]:
    assert grace_sdk.flush(20.0)
    return sorted(sink.signals.values(), key=lambda signal: int(signal["sequence"]))


class _Parts:
    """A body that is made while it is read, and wants to be closed."""

    def __init__(self, closed: list[bool], *, fails: bool = False) -> None:
        self._closed = closed
        self._fails = fails

    def __iter__(self) -> Iterator[bytes]:
        yield b"one "
        grace_sdk.capture(message="while reading")
        if self._fails:
            message = "half way"
            raise LookupError(message)
        yield b"two"

    def close(self) -> None:
        self._closed.append(True)


def _failing(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    message = "database is locked"
    raise TimeoutError(message)


def _answering(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    try:
        int("x")
    except ValueError:
        start_response("500 Internal Server Error", [("Content-Type", "text/plain")])
    return [b"sorry"]


def _unavailable(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("503 Service Unavailable", [("Content-Type", "text/plain")])
    return [b"not now"]


def _fine(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok"]


def test_an_exception_is_captured_with_method_and_route_and_goes_on_to_the_server(
    sink: Sink, capfd: pytest.CaptureFixture[str]
) -> None:
    grace_sdk.init(sink.dsn())
    status, _, _ = _get(CaptureMiddleware(_failing), "/orders/17?token=x")
    (signal,) = _arrived(sink)
    assert status == 500
    assert (signal["title"], signal["message"]) == ("TimeoutError", "database is locked")
    assert signal["labels"] == {"method": "GET", "route": "/orders/{}"}
    assert "TimeoutError: database is locked" in capfd.readouterr().err


def test_a_5xx_answer_carries_the_id_of_what_was_being_handled(sink: Sink) -> None:
    grace_sdk.init(sink.dsn())
    status, shown, body = _get(validator(CaptureMiddleware(_answering)), "/orders")  # type: ignore[arg-type]
    (signal,) = _arrived(sink)
    assert (status, body, signal["title"]) == (500, b"sorry", "ValueError")
    assert shown == signal["correlation_id"]


def test_a_5xx_answer_without_an_exception_is_a_message(sink: Sink) -> None:
    grace_sdk.init(sink.dsn())
    _, shown, _ = _get(CaptureMiddleware(_unavailable), "/orders")
    (signal,) = _arrived(sink)
    assert (signal["kind"], signal["severity"]) == ("message", "error")
    assert signal["title"] == "GET /orders answered 503"
    assert signal["labels"]["status"] == "503"
    assert shown == signal["correlation_id"]


def test_a_good_answer_is_left_alone(sink: Sink) -> None:
    grace_sdk.init(sink.dsn())
    assert _get(validator(CaptureMiddleware(_fine)), "/") == (200, None, b"ok")  # type: ignore[arg-type]
    assert _arrived(sink) == []


def test_an_id_that_a_request_brings_is_kept_and_rubbish_is_not(sink: Sink) -> None:
    grace_sdk.init(sink.dsn())
    assert _get(CaptureMiddleware(_unavailable), "/", {"X-Correlation-Id": "web-17"})[1] == "web-17"
    assert _get(CaptureMiddleware(_unavailable), "/", {"X-Correlation-Id": "x" * 500})[1] not in {None, "x" * 500}
    assert _arrived(sink)[0]["correlation_id"] == "web-17"


@pytest.mark.parametrize("fails", [False, True])
def test_what_happens_while_the_answer_is_read_belongs_to_the_request_and_the_answer_is_closed(
    sink: Sink, capfd: pytest.CaptureFixture[str], fails: bool
) -> None:
    closed: list[bool] = []

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return _Parts(closed, fails=fails)

    grace_sdk.init(sink.dsn())
    assert _get(CaptureMiddleware(app), "/report")[2] == (b"one " if fails else b"one two")
    signals = _arrived(sink)
    assert [signal["title"] for signal in signals] == ["while reading", "LookupError"][: 1 + fails]
    assert {signal["labels"]["route"] for signal in signals} == {"/report"}
    assert len({signal["correlation_id"] for signal in signals}) == 1
    assert closed == [True]


def test_a_file_is_left_to_the_server_to_send(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 10_000)
    handed: list[object] = []

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "10000")])
        handed.append(environ["wsgi.file_wrapper"]((tmp_path / "file").open("rb")))
        return handed[0]  # type: ignore[return-value]

    def outer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = CaptureMiddleware(app)(environ, start_response)
        assert body is handed[0]
        return body

    assert _get(outer, "/")[2] == b"x" * 10_000


def test_whatever_the_application_says_nothing_new_is_raised(sink: Sink) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("nonsense", [])
        return [b"x"]

    grace_sdk.init(sink.dsn())
    seen: list[tuple[Any, ...]] = []
    assert CaptureMiddleware(app)({}, lambda *said: seen.append(said)) == [b"x"]  # type: ignore[func-returns-value,arg-type,return-value]
    assert seen == [("nonsense", [])]
