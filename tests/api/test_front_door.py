"""The front door takes usual signals in by itself; whoever comes through it gets the answers of the route behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from grace.api.front_door import PATH, FrontDoor
from grace.api.house import House
from grace.api.refusals import Refusals
from grace.api.roles import Role
from grace.model.events import EventType
from tests.api.houses import BODY_LIMIT, signal

Headers = Iterable[tuple[bytes, bytes]]


class Inside:
    """The application behind: notes whether it was asked, and what it could read."""

    def __init__(self) -> None:
        self.read: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        self.read.append(body)


def asked_inside(
    house: House, secret: str, chunks: tuple[bytes, ...], method: str = "POST", path: str = PATH, query: bytes = b""
) -> bool:
    """Send one request to the front door; tell whether it was handed on, whole."""
    inside = Inside()
    headers = [(b"authorization", f"Bearer {secret}".encode())]
    waiting: list[Message] = [
        {"type": "http.request", "body": chunk, "more_body": number < len(chunks)}
        for number, chunk in enumerate(chunks, 1)
    ]

    async def receive() -> Message:
        return waiting.pop(0)

    async def send(message: Message) -> None:
        assert message["type"].startswith("http.response")

    scope = {"type": "http", "method": method, "path": path, "query_string": query, "headers": headers}
    asyncio.run(FrontDoor(inside, house, Refusals(house.clock))(scope, receive, send))
    assert inside.read in ([], [b"".join(chunks)])
    return bool(inside.read)


def test_only_the_usual_is_taken_in_ahead_of_the_application(house: House, tokens: dict[Role, str]) -> None:
    sender, viewer = tokens[Role.SENDER], tokens[Role.VIEWER]
    assert asked_inside(house, sender, (b"{}",))
    assert house.tokens.identify(sender)
    assert house.tokens.identify(viewer)
    assert not asked_inside(house, sender, (b"{}",))
    assert asked_inside(house, viewer, (b"{}",))
    assert asked_inside(house, "grace_unknown", (b"{}",))
    assert asked_inside(house, sender, (b"{", b"}"))
    assert asked_inside(house, sender, (b"x" * (BODY_LIMIT + 1),))
    assert asked_inside(house, sender, (b"{}",), method="PUT")
    assert asked_inside(house, sender, (b"{}",), path="/api/halt")
    assert asked_inside(house, sender, (b"{}",), query=b"service=orders")


@pytest.mark.parametrize("body", [b"", b"not json", b'{"signals": []}', b'{"format": 1}', b'{"id": 1, "id": 2}'])
def test_a_refusal_reads_the_same_at_the_front_door_and_inside(
    client: httpx.Client, house: House, tokens: dict[Role, str], body: bytes
) -> None:
    inside, ahead = (
        client.post(PATH, content=body, headers={"Authorization": f"Bearer {tokens[Role.OPERATOR]}"}) for _ in range(2)
    )
    assert (ahead.status_code, ahead.json()) == (inside.status_code, inside.json())
    assert ahead.headers["content-type"] == inside.headers["content-type"]
    assert not list(house.record.entries(types={EventType.ERROR_DETECTED}))


def test_a_record_that_takes_nothing_is_said_at_the_front_door(client: httpx.Client, house: House) -> None:
    assert client.post(PATH, json=signal("one")).status_code == 202
    house.record.writer.close()
    answer = client.post(PATH, json=signal("two"))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
