from __future__ import annotations

import asyncio
import socket
from typing import Any

import grace_sdk
import httpx
import pytest
import uvicorn
from grace_sdk.asgi import CaptureMiddleware
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tests.sdk.sink import Document, Sink

pytestmark = pytest.mark.anyio


async def _order(request: Request) -> Response:
    message = "database is locked"
    raise TimeoutError(message)


async def _handled(request: Request) -> Response:
    raise LookupError


async def _unavailable(request: Request) -> Response:
    return PlainTextResponse("not now", status_code=503)


async def _captured(request: Request) -> Response:
    try:
        int("x")
    except ValueError as exc:
        return JSONResponse({"id": grace_sdk.capture(exc)}, status_code=500)
    return Response()


async def _fine(request: Request) -> Response:
    return PlainTextResponse("ok")


async def _to_503(request: Request, exc: Exception) -> Response:
    return PlainTextResponse("handled", status_code=503)


_ROUTES = [
    Route("/orders/{id}", _order),
    Route("/handled", _handled),
    Route("/unavailable", _unavailable),
    Route("/captured", _captured),
    Route("/fine", _fine),
]


async def _get(app: Any, path: str) -> httpx.Response:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        return await client.get(path)


def _outermost() -> CaptureMiddleware:
    return CaptureMiddleware(Starlette(routes=_ROUTES, exception_handlers={LookupError: _to_503}))


def _only(sink: Sink) -> Document:
    assert grace_sdk.flush(20.0)
    (signal,) = sink.signals.values()
    return signal


async def test_an_exception_is_captured_once_and_the_answer_carries_its_id(sink: Sink) -> None:
    grace_sdk.init(sink.dsn())
    answer = await _get(_outermost(), "/orders/17")
    signal = _only(sink)
    assert answer.status_code == 500
    assert answer.headers["x-correlation-id"] == signal["correlation_id"]
    assert (signal["kind"], signal["title"]) == ("exception", "TimeoutError")
    assert signal["labels"] == {"method": "GET", "route": "/orders/{id}"}


async def test_the_exception_goes_on_to_the_server(sink: Sink) -> None:
    grace_sdk.init(sink.dsn())
    transport = httpx.ASGITransport(app=_outermost(), raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        with pytest.raises(TimeoutError, match="database is locked"):
            await client.get("/orders/17")
    assert _only(sink)["title"] == "TimeoutError"


async def test_an_exception_that_a_handler_turned_into_a_5xx_is_captured(sink: Sink) -> None:
    grace_sdk.init(sink.dsn())
    answer = await _get(_outermost(), "/handled")
    signal = _only(sink)
    assert answer.status_code == 503
    assert signal["title"] == "LookupError"
    assert answer.headers["x-correlation-id"] == signal["correlation_id"]


async def test_a_5xx_without_an_exception_is_captured_as_a_message(sink: Sink) -> None:
    grace_sdk.init(sink.dsn())
    answer = await _get(_outermost(), "/unavailable")
    signal = _only(sink)
    assert (signal["kind"], signal["title"]) == ("message", "GET /unavailable answered 503")
    assert signal["severity"] == "error"
    assert answer.headers["x-correlation-id"] == signal["correlation_id"]


async def test_what_the_application_captured_itself_is_what_the_answer_names(sink: Sink) -> None:
    grace_sdk.init(sink.dsn())
    answer = await _get(_outermost(), "/captured")
    signal = _only(sink)
    assert answer.headers["x-correlation-id"] == answer.json()["id"] == signal["correlation_id"]
    assert signal["labels"] == {"method": "GET", "route": "/captured"}


async def test_a_good_answer_is_left_alone(sink: Sink) -> None:
    grace_sdk.init(sink.dsn())
    answer = await _get(_outermost(), "/fine")
    assert answer.status_code == 200
    assert "x-correlation-id" not in answer.headers
    assert grace_sdk.flush(20.0)
    assert sink.signals == {}


async def test_an_inner_middleware_captures_too(sink: Sink) -> None:
    grace_sdk.init(sink.dsn())
    app = Starlette(routes=_ROUTES, middleware=[Middleware(CaptureMiddleware)])
    answer = await _get(app, "/orders/17")
    assert answer.status_code == 500
    assert _only(sink)["title"] == "TimeoutError"


async def test_all_signals_of_a_request_have_one_correlation_id_and_of_others_another(sink: Sink) -> None:
    async def twice(request: Request) -> Response:
        grace_sdk.capture(message="first")
        grace_sdk.capture(message="second")
        return Response()

    grace_sdk.init(sink.dsn())
    app = CaptureMiddleware(Starlette(routes=[Route("/", twice)]))
    await _get(app, "/")
    await _get(app, "/")
    assert grace_sdk.flush(20.0)
    signals = sink.wait_for(4)
    assert len({signal["id"] for signal in signals}) == 4
    assert len({signal["correlation_id"] for signal in signals}) == 2
    assert signals[0]["correlation_id"] == signals[1]["correlation_id"]


async def test_a_lifespan_passes_untouched(sink: Sink) -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    await CaptureMiddleware(app)({"type": "lifespan"}, None, None)  # type: ignore[arg-type]
    assert seen == ["lifespan"]


async def test_a_route_that_the_framework_names_is_taken_as_named(sink: Sink) -> None:
    class Matched:
        path = "/orders/{order_id}"

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["route"] = Matched()
        raise LookupError

    grace_sdk.init(sink.dsn())
    with pytest.raises(LookupError):
        await CaptureMiddleware(app)({"type": "http", "method": "PUT", "path": "/orders/1"}, None, None)  # type: ignore[arg-type]
    assert _only(sink)["labels"] == {"method": "PUT", "route": "/orders/{order_id}"}


async def test_a_route_that_nobody_names_is_the_path_without_what_looks_like_an_id(sink: Sink) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise LookupError

    grace_sdk.init(sink.dsn())
    path = "/shops/17/orders/0b44b1a6/lines"
    with pytest.raises(LookupError):
        await CaptureMiddleware(app)({"type": "http", "method": "PUT", "path": path}, None, None)  # type: ignore[arg-type]
    assert _only(sink)["labels"]["route"] == "/shops/{}/orders/{}/lines"


async def test_a_websocket_that_fails_is_captured(sink: Sink) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise LookupError

    grace_sdk.init(sink.dsn())
    with pytest.raises(LookupError):
        await CaptureMiddleware(app)({"type": "websocket", "path": "/live"}, None, None)  # type: ignore[arg-type]
    assert _only(sink)["labels"] == {"method": "WEBSOCKET", "route": "/live"}


async def test_an_id_that_a_request_brings_is_kept(sink: Sink) -> None:
    grace_sdk.init(sink.dsn())
    transport = httpx.ASGITransport(app=_outermost(), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        answer = await client.get("/unavailable", headers={"X-Correlation-Id": "web-17"})
    assert answer.headers["x-correlation-id"] == _only(sink)["correlation_id"] == "web-17"


async def test_under_a_real_server_the_answer_carries_the_id_and_the_failure_is_one_signal(sink: Sink) -> None:
    grace_sdk.init(sink.dsn())
    server = uvicorn.Server(uvicorn.Config(_outermost(), port=0, log_level="critical", lifespan="off"))
    with _listening() as listener:
        serving = asyncio.create_task(server.serve([listener]))
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}") as client:
            answer = await client.get("/orders/17")
        server.should_exit = True
        await serving
    assert answer.status_code == 500
    assert answer.headers["x-correlation-id"] == _only(sink)["correlation_id"]


def _listening() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener
