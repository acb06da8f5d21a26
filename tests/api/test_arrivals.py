"""Signals as they arrive, what the door refused, the doctor's route, and the mode that decides."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from grace.api.application import create_app
from grace.api.house import House
from grace.api.refusals import LONGEST_WHY, MOST_KEPT, Refusals
from grace.api.roles import Role
from grace.kit.clock import VirtualClock
from tests.api.houses import BODY_LIMIT, signal

Tokens = Mapping[Role, str]


def call(house: House, *calls: tuple[str, str, str, bytes | None]) -> list[Any]:
    """Make calls one after the other against one application; return each status and document."""

    async def all_of_them() -> list[Any]:
        transport = httpx.ASGITransport(app=create_app(house))
        async with httpx.AsyncClient(transport=transport, base_url="http://grace") as client:
            answers: list[Any] = []
            for method, path, token, body in calls:
                headers = {"Authorization": f"Bearer {token}"} if token else {}
                answer = await client.request(method, path, headers=headers, content=body)
                answers.append((answer.status_code, answer.json()))
            return answers

    return asyncio.run(all_of_them())


def body(*ids: str) -> bytes:
    return httpx.Request("POST", "http://grace", json={"signals": [signal(one) for one in ids]}).content


def test_signals_are_listed_in_the_order_in_which_they_came(house: House, tokens: Tokens) -> None:
    sender, viewer = tokens[Role.SENDER], tokens[Role.VIEWER]
    _, (_, begun), _, (_, later), (_, newest) = call(
        house,
        ("POST", "/api/intake/native", sender, body("b", "a")),
        ("GET", "/api/intake/signals", viewer, None),
        ("POST", "/api/intake/native", sender, body("b", "c")),
        ("GET", "/api/intake/signals?after=2", viewer, None),
        ("GET", "/api/intake/signals?limit=2", viewer, None),
    )
    assert ([one["id"] for one in begun["items"]], begun["position"]) == (["b", "a"], 2)
    assert [one["id"] for one in later["items"]] == ["c"], "what came before is not told again"
    assert later["items"][0]["incident_id"] == begun["items"][0]["incident_id"], "also one of a known incident"
    assert [one["id"] for one in newest["items"]] == ["a", "c"]


def test_before_the_first_signal_there_is_a_position_too(house: House, tokens: Tokens) -> None:
    ((_, page),) = call(house, ("GET", "/api/intake/signals", tokens[Role.VIEWER], None))
    assert page == {"items": [], "position": 0}


@pytest.mark.parametrize(
    ("token", "sent", "status", "sender"),
    [
        (None, b"{}", 401, ""),
        ("wrong", b"{}", 401, ""),
        (Role.VIEWER, b"{}", 403, "viewer"),
        (Role.SENDER, b"no json", 400, "sender"),
        (Role.SENDER, b'{"signals": []}', 422, "sender"),
        (Role.SENDER, b"x" * (BODY_LIMIT + 1), 413, ""),  # refused before anybody looks at the token
    ],
)
def test_each_refusal_is_kept_with_whose_token_it_was(
    house: House, tokens: Tokens, token: Role | str | None, sent: bytes, status: int, sender: str
) -> None:
    shown = tokens[token] if isinstance(token, Role) else token or ""
    viewer = tokens[Role.VIEWER]
    twice = [("POST", "/api/intake/native", shown, sent)] * 2  # known to nobody, then remembered
    *_, (_, page), (_, none) = call(
        house,
        *twice,
        ("GET", "/api/intake/refusals", viewer, None),
        ("GET", "/api/intake/refusals?after=2", viewer, None),
    )
    assert page["count"] == 2
    assert {(one["status"], one["sender"]) for one in page["items"]} == {(status, sender)}
    assert all(one["why"] and one["next"] for one in page["items"])
    assert none["items"] == []


def test_what_is_taken_in_is_no_refusal(house: House, tokens: Tokens) -> None:
    _, (_, page) = call(
        house,
        ("POST", "/api/intake/native", tokens[Role.SENDER], body("one")),
        ("GET", "/api/intake/refusals", tokens[Role.VIEWER], None),
    )
    assert page == {"items": [], "count": 0}


def test_refusals_are_few_short_and_without_secrets() -> None:
    refusals = Refusals(VirtualClock())
    for _ in range(MOST_KEPT + 5):
        refusals.note(422, "app", "password=hunter2hunter2 " + "x" * 10_000, "")
    kept = refusals.after(0)
    assert (len(kept), kept[0].index, refusals.count) == (MOST_KEPT, 6, MOST_KEPT + 5)
    assert all(len(one.why) <= LONGEST_WHY and "hunter2" not in one.why for one in kept)


def test_the_doctor_looks_at_all_or_at_one_service(house: House, tokens: Tokens) -> None:
    operator = tokens[Role.OPERATOR]
    (_, every), (_, one), (status, none) = call(
        house,
        ("GET", "/api/doctor", operator, None),
        ("GET", "/api/doctor?service=orders", operator, None),
        ("GET", "/api/doctor?service=nobody", operator, None),
    )
    assert (every["place"], every["results"][0]["about"]) == ("server", "all")
    assert one["results"][0]["about"] == "orders"
    assert (status, none["type"]) == (404, "urn:grace:problem:no-service")
