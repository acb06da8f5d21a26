from __future__ import annotations

from typing import Any

import httpx
import pytest

from grace.api.house import House
from grace.model.events import EventType, HaltChanged
from tests.api.houses import ORDERS, signal

TAKERS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("POST", "/api/halt", {"json": {"scope": "ordres", "reason": "calm"}}),
    ("GET", "/api/incidents", {"params": {"service": "ordres"}}),
    ("GET", "/api/runs", {"params": {"service": "ordres"}}),
    ("GET", "/api/verification/benchmarks", {"params": {"service": "ordres"}}),
    ("POST", "/api/verification/benchmarks/smoke", {"json": {"service": "ordres"}}),
    ("POST", "/api/verification/benchmarks/regression", {"json": {"service": "ordres"}}),
    (
        "POST",
        "/api/autonomy/check",
        {"json": {"action": "file.write", "context": {"service": "ordres", "cause": "database_locked"}}},
    ),
)


@pytest.mark.parametrize(("method", "path", "sent"), TAKERS, ids=lambda value: str(value)[:40])
def test_a_service_that_nobody_declared_is_refused_with_the_declared_ones(
    client: httpx.Client, house: House, method: str, path: str, sent: dict[str, Any]
) -> None:
    answer = client.request(method, path, **sent)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:grace:problem:unknown-service")
    assert answer.json()["detail"] == "There is no service 'ordres'; declared: orders."
    assert ORDERS.name in answer.json()["next"]
    assert list(house.record.entries(types={EventType.HALT_STARTED})) == []


@pytest.mark.parametrize("scope", ["Orders", "", "orders ", "**", "o\nrders"])
def test_a_halt_of_almost_a_service_stops_nothing_and_says_so(client: httpx.Client, house: House, scope: str) -> None:
    assert client.post("/api/halt", json={"scope": scope, "reason": "calm"}).status_code == 422
    assert house.halts.standing() == ()


def test_a_declared_service_and_everything_can_be_halted(client: httpx.Client, house: House) -> None:
    for scope in ("orders", "*"):
        assert client.post("/api/halt", json={"scope": scope, "reason": "calm"}).status_code == 201
    told = house.record.entries(types={EventType.HALT_STARTED})
    assert [HaltChanged.from_json(each.payload or {}).scope for each in told] == ["orders", "*"]


def test_the_incidents_of_a_service_that_is_declared_no_more_can_still_be_listed(client: httpx.Client) -> None:
    assert client.post("/api/intake/native", json=signal(service="retired")).status_code == 202
    (kept,) = client.get("/api/incidents", params={"service": "retired"}).json()["items"]
    assert kept["service"] == "retired"
    assert client.get("/api/runs", params={"service": "retired"}).status_code == 422
