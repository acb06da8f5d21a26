"""The front door: takes the usual signal in ahead of the application, and hands everything else on to it.

Usual is a request whose token was recognised a moment ago, may send, and whose small body came with its headers. It
costs a third of what it costs inside; the route in `routes/intake.py` is the one that is documented and answers all
others. Both call the same door and answer alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from grace.api.access import secret_of
from grace.api.house import House
from grace.api.problems import TROUBLES, refused, respond, unavailable
from grace.api.refusals import Refusals
from grace.api.roles import Identity, Role
from grace.api.turns import Turns
from grace.model.warrant import Refusal

PATH: Final = "/api/intake/native"
_AUTHORIZATION: Final = b"authorization"
_JSON: Final = (b"content-type", b"application/json")


class FrontDoor:
    """ASGI middleware for the one route that may be called thousands of times a second."""

    def __init__(self, app: ASGIApp, house: House, refusals: Refusals) -> None:
        self.app = app
        self._house = house
        self._turns = Turns(house.clock)
        self._refusals = refusals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH:
            await self.app(scope, receive, send)
            return
        sender = self._known_sender(scope)
        if sender is None or not sender.role.may(Role.SENDER):
            await self.app(scope, receive, self._listening(scope, send))
            return
        first = await receive()
        body: bytes = first.get("body", b"")
        if first["type"] != "http.request" or first.get("more_body") or len(body) > self._house.body_limit_bytes:
            await self.app(scope, _again(first, receive), self._listening(scope, send))
            return
        await self._take(body, sender, scope, receive, send)

    def _listening(self, scope: Scope, send: Send) -> Send:
        def name() -> str:
            sender = self._known_sender(scope)
            return sender.name if sender else ""

        return self._refusals.listening(send, name)

    def _known_sender(self, scope: Scope) -> Identity | None:
        """Return who sends, where that is known without looking anything up."""
        if scope["method"] != "POST" or scope["query_string"]:
            return None
        headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
        shown = [value for name, value in headers if name == _AUTHORIZATION]
        secret = secret_of(shown[0].decode("latin-1")) if len(shown) == 1 else None
        return None if secret is None else self._house.tokens.remembered(secret)

    async def _take(self, body: bytes, sender: Identity, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            received = await self._turns.take(lambda: self._house.door.accept(body), len(body))
        except TROUBLES as trouble:
            self._refusals.note(HTTPStatus.SERVICE_UNAVAILABLE.value, sender.name, str(trouble), "grace doctor")
            await unavailable(trouble)(scope, receive, send)
            return
        if isinstance(received, Refusal):
            problem = refused(received)
            self._refusals.note_problem(problem, sender.name)
            await respond(problem)(scope, receive, send)
            return
        answer = received.model_dump_json().encode()
        headers = [_JSON, (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": HTTPStatus.ACCEPTED.value, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


def _again(first: Message, receive: Receive) -> Receive:
    """Return a `receive` that tells the first message once more."""
    waiting = [first]

    async def told() -> Message:
        return waiting.pop() if waiting else await receive()

    return told
