"""Chat against a real server: the same verbs, the caller's role, links to go on with."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from grace.api.house import House
from grace.api.roles import Role
from grace.model.events import EventType
from tests.api.houses import INCIDENT, ORDERS, RUN, ask_people, open_incident, walk_a_run


def say(client: httpx.Client, message: str, token: str | None = None, **more: str) -> dict[str, Any]:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    answer = client.post("/api/chat/", json={"message": message, **more}, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_it_says_what_is_wrong_and_where_to_look(client: httpx.Client, house: House) -> None:
    quiet = say(client, "what is wrong?")
    assert quiet["response"].startswith("No open incident.")
    assert "What nobody reports I do not see" in quiet["response"]
    open_incident(house.record)
    walk_a_run(house)
    told = say(client, "what is wrong with orders")
    assert told["response"].startswith("1 open incident of orders.")
    assert f"{RUN} committed" in told["response"]
    assert told["metadata"]["links"][0]["href"] == f"/api/incidents/{INCIDENT}/explain"


def test_it_says_why_by_run_by_incident_and_of_the_newest_run(client: httpx.Client, house: House) -> None:
    open_incident(house.record)
    walk_a_run(house)
    for message, more in (("why was this done?", {}), (f"why {RUN[:12]}", {}), ("why", {"about": INCIDENT})):
        told = say(client, message, **more)
        assert told["metadata"]["intent"] == "why"
        assert "It holds." in told["response"]
        assert "diagnosis: database_locked" in told["response"]
    unknown = say(client, "why run_01K99999999999999999999999")
    assert unknown["metadata"]["refused"]["rule"] == "no-run"


def test_it_says_what_is_halted(client: httpx.Client) -> None:
    assert say(client, "is anything halted?")["response"].startswith("No halt stands")
    say(client, "halt orders because of a migration")
    told = say(client, "what is halted?")
    assert told["metadata"]["intent"] == "halts"
    assert "Halted for orders" in told["response"]


def test_it_shows_what_waits_and_answers_by_link_alone(
    client: httpx.Client, house: House, tokens: dict[Role, str]
) -> None:
    assert say(client, "what is pending?")["response"] == "Nothing waits for a person."
    open_incident(house.record)
    ask_people(house)
    told = say(client, "what is pending?")
    assert told["response"].startswith("Waiting for a person: questions 1, closed targets 0.")
    (approval,) = [link for link in told["metadata"]["links"] if link["rel"] == "approval"]
    shown = say(client, "approve it")
    assert approval["command"] in shown["response"]
    (waiting,) = client.get("/api/autonomy/approvals", params={"state": "waiting"}).json()["items"]
    assert waiting["answers"] == []
    viewer = say(client, "approve it", tokens[Role.VIEWER])
    assert "viewer is viewer" in viewer["response"]


def test_it_answers_with_citations_and_says_when_it_knows_nothing(client: httpx.Client) -> None:
    told = say(client, "how do I fix a full disk?")
    assert told["metadata"]["citations"] == [
        {"entry": "disk-full", "title": "The file system is full", "source": "errno(3), ENOSPC"}
    ]
    assert "See what grew: du -x" in told["response"]
    nothing = say(client, "how do I bake bread?")
    assert nothing["metadata"]["citations"] == []
    assert "Nothing in the knowledge packs" in nothing["response"]


def test_a_halt_stands_and_ends_in_the_callers_name(
    client: httpx.Client, house: House, tokens: dict[Role, str]
) -> None:
    told = say(client, f"halt {ORDERS.name} because we deploy", tokens[Role.OPERATOR])
    assert told["response"].startswith("Halted for orders by operator: we deploy")
    (halt,) = house.halts.standing()
    assert (halt.scope, halt.by, halt.reason) == ("orders", "operator", "we deploy")
    assert "Halted for orders" in say(client, "status")["response"]
    assert say(client, "end the halt")["response"] == "No halt stands everywhere."
    say(client, "end the halt for orders", tokens[Role.OPERATOR])
    assert house.halts.standing() == ()
    nobody = say(client, "halt ordres")
    assert nobody["metadata"]["refused"]["rule"] == "unknown-service"


@pytest.mark.parametrize("message", ["halt", "resume", "heal it", "plan it", "trigger database error"])
def test_a_viewer_does_nothing_in_chat(
    client: httpx.Client, house: House, tokens: dict[Role, str], message: str
) -> None:
    open_incident(house.record)
    before = house.record.head().size
    told = say(client, message, tokens[Role.VIEWER])
    assert told["metadata"]["refused"]["rule"] == "role"
    assert "operator" in told["metadata"]["refused"]["why"]
    assert house.record.head().size == before
    assert house.drills.latest is None


def test_a_sender_may_not_even_ask(client: httpx.Client, tokens: dict[Role, str]) -> None:
    headers = {"Authorization": f"Bearer {tokens[Role.SENDER]}"}
    assert client.post("/api/chat/", json={"message": "status"}, headers=headers).status_code == 403


def test_it_plans_and_heals_by_the_same_verbs(client: httpx.Client, house: House, tokens: dict[Role, str]) -> None:
    open_incident(house.record)
    planned = say(client, f"plan {INCIDENT}")
    assert "nothing was touched" in planned["response"]
    healed = say(client, "heal it", tokens[Role.OPERATOR])
    assert healed["metadata"]["intent"] == "heal"
    (opened,) = list(house.record.entries(types={EventType.RUN_OPENED}))
    assert opened.payload is not None
    assert opened.payload["requested_by"] == "operator"


def test_a_drill_is_started_once(client: httpx.Client) -> None:
    begun = say(client, "trigger database error", domain="self-heal")
    assert begun["response"].startswith("Drill drl_1: a scratch database is locked for real.")
    again = say(client, "trigger database error")
    assert again["metadata"]["refused"]["rule"] == "drill-running"


def test_what_cannot_be_recorded_or_is_too_long_is_refused(client: httpx.Client) -> None:
    assert client.post("/api/chat/", json={"message": "x" * 4001}).status_code == 422
    assert client.post("/api/chat/", json={"message": "a\0b"}).status_code == 422
    assert client.post("/api/chat/", json={}).status_code == 422
