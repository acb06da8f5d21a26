"""ASGI: a middleware that captures what a web application lets through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from grace_sdk.requests import CORRELATION_HEADER, RequestScope, without_ids
from grace_sdk.safety import attempt

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    # ASGI's own words; its messages are open dictionaries by specification.
    Message: TypeAlias = MutableMapping[str, Any]
    Receive: TypeAlias = Callable[[], Awaitable[Message]]
    Send: TypeAlias = Callable[[Message], Awaitable[None]]
    Application: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]

_HEADER: Final = CORRELATION_HEADER.encode()


class CaptureMiddleware:
    """Capture exceptions and 5xx answers of an ASGI application; exceptions go on to whoever handles them.

    Wrap the whole application, `app = CaptureMiddleware(app)`: then a 5xx answer carries the correlation id in its
    `x-correlation-id` header, also one made by the framework's own error handling. As an inner middleware it captures
    just the same, but an answer that is made outside of it cannot carry the id. A request that brings such a header
    keeps its id.
    """

    def __init__(self, app: Application) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return

        request = RequestScope(str(scope.get("method", "WEBSOCKET")), lambda: _route(scope), _brought_id(scope))

        def look_at(message: Message) -> None:
            identity = request.id_for_answer(message["status"]) if message["type"] == "http.response.start" else ""
            if identity:
                message["headers"] = [*message.get("headers", ()), (_HEADER, identity.encode())]

        async def look_and_send(message: Message) -> None:
            attempt(look_at, message)
            await send(message)

        with request:
            await self._app(scope, receive, look_and_send)


def _route(scope: Message) -> str:
    """Return the route as the framework matched it, `/orders/{id}`, else the path without what looks like an id."""
    matched = getattr(scope.get("route"), "path", None)
    return matched if isinstance(matched, str) else without_ids(str(scope.get("path", "")))


def _brought_id(scope: Message) -> str:
    brought = attempt(_header_of, scope)
    return brought if isinstance(brought, str) else ""


def _header_of(scope: Message) -> str:
    return next((bytes(value).decode("ascii") for name, value in scope.get("headers", ()) if name == _HEADER), "")
