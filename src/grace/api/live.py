"""The websocket `/api/events/live`: events as they are committed, from an index on.

The token comes in the `Authorization` header or in the first message, never in the address: addresses are logged by
every proxy. Nothing is buffered for a follower but what the connection itself holds: who reads slowly is read to from
the log, and who does not read at all is dropped with the index to resume from.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from grace.api.access import identify, secret_of
from grace.api.house import House
from grace.api.problems import ProblemError
from grace.api.roles import Identity, Role
from grace.kit.canonical import JsonObject, canonical
from grace.kit.clock import to_rfc3339
from grace.kit.wording import in_words
from grace.model.events import EventType
from grace.model.ledger_entry import LedgerEntry
from grace.record.mesh.delivery import Narrowing, Passed
from grace.record.mesh.patterns import PatternUnknownError, matching_types

PATH: Final = "/api/events/live"
LARGEST_MESSAGE_BYTES: Final = 64 * 1024
GOING_AWAY: Final = 1001
NOT_ALLOWED: Final = 1008
TRY_LATER: Final = 1013
_LONGEST_REASON_BYTES: Final = 123
"""What fits into a close frame (RFC 6455, 5.5)."""


class Subscribe(BaseModel):
    """The first message, from the follower."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["subscribe"]
    patterns: list[str] = Field(default=["*"], min_length=1, max_length=50)
    after: int | None = Field(default=None, ge=-1, le=2**53)
    """Begin behind this index: the last one that was seen. None: with what comes."""
    run_id: str | None = Field(default=None, max_length=200)
    incident_id: str | None = Field(default=None, max_length=200)
    token: str | None = Field(default=None, max_length=256)


@dataclass(frozen=True, slots=True)
class LiveLimits:
    """How patient the server is with followers."""

    most_followers: int = 200
    first_message_s: float = 10.0
    heartbeat_s: float = 15.0
    slow_s: float = 10.0
    """How long one message may wait for a follower that does not read."""
    farewell_s: float = 5.0


class _Ended(Exception):
    """The connection ends here: with which code, and why."""

    def __init__(self, code: int, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True, eq=False)
class _Follower:
    """One connection that may follow."""

    socket: WebSocket
    secret: str
    asked: Subscribe


@dataclass(slots=True)
class Live:
    """Everyone who follows this server."""

    house: House
    limits: LiveLimits = field(default_factory=LiveLimits)
    dropped: int = 0
    """How many were dropped because they did not read."""
    _connected: set[object] = field(default_factory=set[object])
    _closing: asyncio.Event = field(default_factory=asyncio.Event)
    _left: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def route(self) -> WebSocketRoute:
        """Return the route to add to an application."""
        return WebSocketRoute(PATH, self.serve)

    @property
    def followers(self) -> int:
        """Return how many are connected."""
        return len(self._connected)

    async def serve(self, socket: WebSocket) -> None:
        """Serve one connection to its end."""
        await socket.accept()
        self._connected.add(connection := object())
        try:
            await self._converse(socket)
        except WebSocketDisconnect:
            return  # They left; there is nobody to say goodbye to.
        except _Ended as ended:
            await self._say_goodbye(socket, ended)
        finally:
            self._connected.discard(connection)
            self._left.set()

    async def close(self) -> None:
        """Say goodbye to everyone: the server goes away."""
        self._closing.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(self.limits.farewell_s):
                while self._connected:
                    self._left.clear()
                    await self._left.wait()

    async def _converse(self, socket: WebSocket) -> None:
        if len(self._connected) > self.limits.most_followers:
            raise _Ended(TRY_LATER, "too many follow this server; try again later")
        follower = await self._greet(socket)
        told = asyncio.create_task(self._tell(follower))
        others = (asyncio.create_task(self._wait_for_the_end(socket)), asyncio.create_task(self._closing.wait()))
        try:
            done, _ = await asyncio.wait((told, *others), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (told, *others):
                task.cancel()
            await asyncio.gather(told, *others, return_exceptions=True)
        for task in (told, *others):
            if task in done and (error := task.exception()) is not None:
                raise error
        raise _Ended(GOING_AWAY, "the server goes away; resume with the last index")

    async def _greet(self, socket: WebSocket) -> _Follower:
        """Take the first message and see who that is; raise _Ended where they may not follow."""
        try:
            async with asyncio.timeout(self.limits.first_message_s):
                asked = _understood(await _text_from(socket))
        except TimeoutError:
            raise _Ended(NOT_ALLOWED, "no subscribe message came in time") from None
        shown = socket.headers.get("authorization")
        secret = asked.token or (secret_of(shown) if shown else None)
        if secret is None:
            raise _Ended(NOT_ALLOWED, "no token: send one in the Authorization header or as `token` of this message")
        follower = _Follower(socket, secret, asked)
        await self._require_viewer(follower)
        return follower

    async def _require_viewer(self, follower: _Follower) -> Identity:
        try:
            identity = await identify(self.house, follower.secret, Role.VIEWER)
        except ProblemError as problem:
            raise _Ended(NOT_ALLOWED, str(problem)) from None
        if not identity.role.may(Role.VIEWER):
            raise _Ended(NOT_ALLOWED, f"{identity.name} is {identity.role}; this needs {Role.VIEWER}")
        return identity

    async def _tell(self, follower: _Follower) -> None:
        """Tell everything that was asked for, as long as the token is good and the follower reads."""
        asked, mesh = follower.asked, self.house.mesh
        head = await asyncio.to_thread(self.house.record.reader.size) - 1
        if asked.after is not None and asked.after > head:
            raise _Ended(NOT_ALLOWED, f"there is no index {asked.after}, the last one is {head}: is this another log?")
        position = head if asked.after is None else asked.after
        beat_s = self.limits.heartbeat_s
        narrowing = Narrowing(asked.run_id, asked.incident_id)
        _require_known(asked.patterns)
        await self._send(follower, position, {"type": "subscribed", **self._where(position, head)})
        async with aclosing(mesh.watch(asked.patterns, position, narrowing, beat_s)) as seen:
            await self._pass_on(follower, position, seen)

    async def _pass_on(self, follower: _Follower, position: int, seen: AsyncGenerator[LedgerEntry | Passed]) -> None:
        async for each in seen:
            await self._require_viewer(follower)
            match each:
                case LedgerEntry():
                    position = each.index
                    await self._send(follower, position - 1, {"type": "event", "event": each.to_json()})
                case Passed(index):
                    position = index
                    at = to_rfc3339(self.house.clock.now())
                    await self._send(follower, position, {"type": "heartbeat", "index": position, "at": at})

    async def _send(self, follower: _Follower, position: int, message: JsonObject) -> None:
        """Send one message; raise _Ended with the index to resume from where the follower does not read."""
        try:
            async with asyncio.timeout(self.limits.slow_s):
                await follower.socket.send_text(canonical(message).decode())
        except TimeoutError:
            self.dropped += 1
            raise _Ended(TRY_LATER, f"too slow; resume with after={position}") from None

    def _where(self, position: int, head: int) -> JsonObject:
        """Say of which log, from where on, and how often to expect a sign of life."""
        origin = self.house.record.origin
        return {"origin": origin, "after": position, "head": head, "heartbeat_s": self.limits.heartbeat_s}

    async def _wait_for_the_end(self, socket: WebSocket) -> None:
        """Read until the follower leaves: one connection has one subscription, and nothing else is to be said."""
        await _text_from(socket)
        raise _Ended(NOT_ALLOWED, "one connection has one subscription; open another")

    async def _say_goodbye(self, socket: WebSocket, ended: _Ended) -> None:
        if WebSocketState.DISCONNECTED in {socket.client_state, socket.application_state}:
            return
        reason = ended.reason.encode()[:_LONGEST_REASON_BYTES].decode(errors="ignore")
        try:
            async with asyncio.timeout(self.limits.farewell_s):
                await socket.close(ended.code, reason)
        except (TimeoutError, WebSocketDisconnect):
            return  # They do not listen any more: what they saw last is what they resume from.


def _require_known(patterns: list[str]) -> None:
    """Raise _Ended for a pattern that means no type: before it is said that anything is subscribed."""
    try:
        matching_types(patterns, EventType)
    except PatternUnknownError as error:
        raise _Ended(NOT_ALLOWED, f"unknown event type. {error.hint}") from None


async def _text_from(socket: WebSocket) -> str:
    """Return the next message, an empty one for binary; raise WebSocketDisconnect when they left."""
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", GOING_AWAY))
    return message.get("text") or ""


def _understood(written: str) -> Subscribe:
    if len(written) > LARGEST_MESSAGE_BYTES:
        raise _Ended(NOT_ALLOWED, "the message is too long")
    try:
        return Subscribe.model_validate_json(written)
    except ValidationError as error:
        raise _Ended(NOT_ALLOWED, f"not a subscribe message: {in_words(error)}") from None
