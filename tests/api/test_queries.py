from __future__ import annotations

import httpx
import pytest

from grace.api.house import House
from grace.api.roles import Role
from tests.api.houses import signal
from tests.api.test_access import OPEN_TO_ALL, ROLES


@pytest.mark.parametrize(
    ("path", "known", "next_step"),
    [
        ("/api/incidents?statu=open", "begins, cursor, limit, service, state", "Did you mean state?"),
        (
            "/api/meta/events?begins=run_",
            "after, cursor, incident_id, limit, run_id, service",
            "GET /openapi.json says the shape",
        ),
        ("/api/log/consistency?from=1&until=2", "from, to", "GET /openapi.json says the shape"),
        ("/api/runs?open=true&Service=orders", "begins, cursor, incident_id, limit,", "Did you mean service?"),
    ],
)
def test_a_misspelt_filter_is_named_with_the_known_ones(
    client: httpx.Client, path: str, known: str, next_step: str
) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:grace:problem:unknown-parameter")
    assert known in answer.json()["detail"]
    assert answer.json()["next"] == next_step


def test_every_route_refuses_a_parameter_that_it_does_not_know(client: httpx.Client, house: House) -> None:
    lenient: list[str] = []
    size = house.record.head().size
    for name in (*ROLES, *OPEN_TO_ALL):
        method, path = name.split(" ")
        target = path.replace("{index}", "0").replace("{", "x").replace("}", "x")
        answer = client.request(method, target, params={"nobody-knows-this": "s3cret"}, json={})
        takes_signals = path == "/api/intake/native"  # the usual sender is answered ahead of the application
        if not takes_signals and (answer.status_code != 422 or "nobody-knows-this" not in answer.text):
            lenient.append(name)
        assert "s3cret" not in answer.text
    assert lenient == []
    assert house.record.head().size == size


def test_the_native_door_refuses_a_query_of_a_sender_that_it_does_not_know_yet(
    client: httpx.Client, tokens: dict[Role, str]
) -> None:
    sender = {"Authorization": f"Bearer {tokens[Role.SENDER]}"}
    answer = client.post("/api/intake/native?dry_run=1", json=signal(), headers=sender)
    assert (answer.status_code, "takes no query" in answer.text) == (422, True)


def test_a_stranger_is_told_to_get_a_token_before_anything_else(client: httpx.Client) -> None:
    assert client.get("/api/incidents?statu=open", headers={"Authorization": ""}).status_code == 401


def test_the_known_ones_work_as_before(client: httpx.Client) -> None:
    assert client.post("/api/intake/native", json=signal()).status_code == 202
    for path in ("/api/meta/events?type=error.detected", "/api/incidents?state=open", "/api/runs?open=true&limit=3"):
        assert client.get(path).status_code == 200
