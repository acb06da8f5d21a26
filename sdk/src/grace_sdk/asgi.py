"""ASGI: a middleware that captures what a web application lets through."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

from grace_sdk.lifecycle import recorder
from grace_sdk.recorder import Scope, current_scope
from grace_sdk.safety import attempt

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    # ASGI's own words; its messages are open dictionaries by specification.
    Message: TypeAlias = MutableMapping[str, Any]
    Receive: TypeAlias = Callable[[], Awaitable[Message]]
    Send: TypeAlias = Callable[[Message], Awaitable[None]]
    Application: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]

CORRELATION_HEADER: Final = b"x-correlation-id"
_SERVER_ERROR: Final = 500
_LONGEST_NAME: Final = 32


class CaptureMiddleware:
    """Capture exceptions and 5xx answers of an ASGI application; exceptions go on to whoever handles them.

    Wrap the whole application, `app = CaptureMiddleware(app)`: then a 5xx answer carries the correlation id in its
    `x-correlation-id` header, also one made by the framework's own error handling. As an inner middleware it captures
    just the same, but an answer that is made outside of it cannot carry the id.
    """

    def __init__(self, app: Application) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        with _Request(scope, send) as request:
            await self._app(scope, receive, request.send)


class _Request:
    """One request on its way through."""

    def __init__(self, asgi: Message, send: Send) -> None:
        self._asgi = asgi
        self._send = send
        self._scope = Scope(self._labels)

    def __enter__(self) -> Self:
        self._token = current_scope.set(self._scope)
        return self

    def __exit__(self, kind: object, exc: BaseException | None, traceback: object) -> None:
        if isinstance(exc, Exception):
            attempt(recorder().record_once, exc)
        current_scope.reset(self._token)

    async def send(self, message: Message) -> None:
        attempt(self._look_at, message)
        await self._send(message)

    def _look_at(self, message: Message) -> None:
        if message["type"] != "http.response.start" or message["status"] < _SERVER_ERROR:
            return
        # Frameworks answer 5xx from inside an except block; what they are handling is what happened.
        exc = sys.exception()
        if isinstance(exc, Exception):
            recorder().record_once(exc)
        if not self._scope.correlation_id:
            self._record_answer(message["status"])
        message["headers"] = [*message.get("headers", ()), (CORRELATION_HEADER, self._scope.correlation_id.encode())]

    def _record_answer(self, status: int) -> None:
        title = f"{self._method()} {self._route()} answered {status}"
        recorder().record("message", title=title, message=title, labels={"status": status})

    def _labels(self) -> dict[str, str]:
        return {"method": self._method(), "route": self._route()}

    def _method(self) -> str:
        return str(self._asgi.get("method", "WEBSOCKET"))

    def _route(self) -> str:
        """Return the route as the framework matched it, `/orders/{id}`, else the path without what looks like an id."""
        matched = getattr(self._asgi.get("route"), "path", None)
        if isinstance(matched, str):
            return matched
        return "/".join(name if _is_name(name) else "{}" for name in str(self._asgi.get("path", "")).split("/"))


def _is_name(segment: str) -> bool:
    return len(segment) <= _LONGEST_NAME and not any(letter.isdigit() for letter in segment)
