"""Followers of a served application: websocket clients that speak the protocol of docs/events.md."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

PATIENCE_S = 30


@dataclass(frozen=True, slots=True)
class Follower:
    """One connection."""

    socket: ClientConnection

    def say(self, **message: object) -> None:
        self.socket.send(json.dumps(message))

    def hear(self) -> dict[str, Any]:
        return json.loads(self.socket.recv(PATIENCE_S))

    def hear_events(self, count: int) -> list[dict[str, Any]]:
        """Return the next events, whatever heartbeats come between."""
        events: list[dict[str, Any]] = []
        while len(events) < count:
            heard = self.hear()
            if heard["type"] == "event":
                events.append(heard["event"])
        return events

    def hear_out(self) -> tuple[list[dict[str, Any]], int, str]:
        """Read on to the close frame; return the events that came before it, its code and its reason."""
        events: list[dict[str, Any]] = []
        while True:
            try:
                heard = self.hear()
            except ConnectionClosed as closed:
                frame = closed.rcvd
                return (events, frame.code, frame.reason) if frame else (events, 1006, "")
            if heard["type"] == "event":
                events.append(heard["event"])

    def hear_the_end(self) -> tuple[int, str]:
        """Read on to the close frame and return its code and reason."""
        _, code, reason = self.hear_out()
        return code, reason


@contextmanager
def follow(address: str, token: str | None = None, **subscribe: object) -> Generator[Follower]:
    """Connect, and subscribe where something is asked for."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    url = address.replace("http://", "ws://") + "/api/events/live"
    with connect(url, additional_headers=headers, proxy=None, compression=None, close_timeout=1) as socket:
        follower = Follower(socket)
        if subscribe:
            with suppress(ConnectionClosed):  # Who is shown out at once hears it instead of an answer.
                follower.say(type="subscribe", **subscribe)
        yield follower
