"""Limits: a body that is too large is refused before it is read to its end."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

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
        await self.app(scope, self._counted(receive), send)

    def _claims_too_much(self, scope: Scope) -> bool:
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        claimed = next((value for name, value in headers if name == _LENGTH), b"0")
        return claimed.isdigit() and int(claimed) > self.limit_bytes

    def _counted(self, receive: Receive) -> Receive:
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self.limit_bytes:
                raise BodyTooLargeError(self.limit_bytes)
            return message

        return counted
