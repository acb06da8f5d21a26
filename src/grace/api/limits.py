"""Limits: a body that is too large is refused before it is read to its end."""

from __future__ import annotations

from contextlib import suppress
from http import HTTPStatus
from typing import Final

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from grace.api.problems import ProblemError, respond

_LENGTH: Final = b"content-length"


class BodyTooLargeError(ProblemError):
    """The body is larger than this server takes."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "body-too-large",
            f"The body is larger than {limit_bytes} bytes.",
            "Send less at once, or raise GRACE_BODY_LIMIT_BYTES",
        )


class BodyLimit:
    """ASGI middleware: counts what arrives, whatever Content-Length claims."""

    def __init__(self, app: ASGIApp, limit_bytes: int) -> None:
        self.app = app
        self.limit_bytes = limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if self._claims_too_much(scope):
            await respond(BodyTooLargeError(self.limit_bytes))(scope, receive, send)
            return
        counting = _Counting(receive, send, self.limit_bytes)
        # Either we cut the body off, or the caller went away and nobody is left to answer.
        with suppress(ClientDisconnect):
            await self.app(scope, counting.receive, counting.send)
        if counting.is_over:
            await respond(BodyTooLargeError(self.limit_bytes))(scope, receive, send)

    def _claims_too_much(self, scope: Scope) -> bool:
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        claimed = next((value for name, value in headers if name == _LENGTH), b"0")
        return claimed.isdigit() and int(claimed) > self.limit_bytes


class _Counting:
    """One request: cuts it off at the limit, and then holds back whatever the application makes of the stump."""

    def __init__(self, receive: Receive, send: Send, limit_bytes: int) -> None:
        self._receive = receive
        self._send = send
        self._left = limit_bytes
        self.is_over = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            self.is_over = True
            return {"type": "http.disconnect"}
        return message

    async def send(self, message: Message) -> None:
        if not self.is_over:
            await self._send(message)
