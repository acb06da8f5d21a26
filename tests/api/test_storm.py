"""A storm over HTTP against a real server: what comes of it is exact. How fast it was is for `make bench`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.intake import Server, running_server
from bench.storm import SIGNALS, Connection, raise_storm

THOUSAND = 1_000
LONGEST_WAIT_S = 60.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running_server(tmp_path) as running:
        yield running


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_hundred_thousand_equal_signals_are_one_incident_and_at_most_one_run(server: Server) -> None:
    storm = raise_storm(server, SIGNALS)
    assert storm.accepted == SIGNALS
    assert storm.duplicates > 0
    (incident,) = storm.incidents
    assert incident["count"] == SIGNALS
    assert len(storm.runs) <= 1
    assert storm.reads_ms, "the API answered nothing meanwhile"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_thousand_faults_of_one_service_at_once_wait_in_a_line_that_can_be_seen(server: Server) -> None:
    async def outage() -> None:
        async with Connection.opened(server) as connection:
            for start in range(0, THOUSAND, 100):
                body = json.dumps({"signals": [fault(number) for number in range(start, start + 100)]}).encode()
                status, answer = await connection.ask("POST", "/api/intake/native", body)
                assert (status, json.loads(answer)["accepted"]) == (202, 100)
            seen = await settled_down(connection)
            assert seen["waiting_in_all"] == THOUSAND - 60
            assert [one["place"] for one in seen["waiting"]] == list(range(1, THOUSAND - 60 + 1))
            assert {one["rule"] for one in seen["waiting"]} == {"runs-per-hour"}
            first = seen["waiting"][0]["incident_id"]
            explained = await connection.get(f"/api/incidents/{first}/explain")
            assert "no run begins yet" in json.dumps(explained)
            held_back = dict(await connection.get(f"/api/incidents/{first}"))["held_back"]
            assert json.dumps(held_back) != json.dumps({})
            assert dict(await connection.get("/api/autonomy/status"))["waiting_runs"] == THOUSAND - 60

    asyncio.run(outage())


async def settled_down(connection: Connection) -> dict[str, Any]:
    """Return what holds back once as many runs have ended as the hour lets begin."""
    async with asyncio.timeout(LONGEST_WAIT_S):
        while True:
            seen = await connection.get("/api/restraint")
            runs = (await connection.get("/api/runs?limit=200"))["items"]
            under_way = [run for run in runs if run["settlement"] is None]
            assert len(under_way) <= 4
            if seen["waiting_in_all"] == THOUSAND - 60 and not under_way:
                return seen
            await asyncio.sleep(0.2)


def fault(number: int) -> dict[str, object]:
    """Return a signal with a fingerprint of its own."""
    word = "".join(chr(ord("g") + int(digit)) for digit in f"{number:04}")
    frame = {"module": f"orders.{word}", "function": word, "file": f"orders/{word}.py", "line": 1, "in_app": True}
    raised = {"type": f"{word.title()}Error", "message": word, "frames": [frame], "chain": []}
    return {
        "format": 1,
        "id": f"outage-{number}",
        "service": "orders",
        "environment": "production",
        "at": "2026-01-01T00:00:00.000000Z",
        "kind": "exception",
        "severity": "error",
        "title": word,
        "message": word,
        "exception": raised,
    }
