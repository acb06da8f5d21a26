from __future__ import annotations

import socket
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI

from grace.api.house import House
from grace.api.roles import Role
from tests.api.houses import BODY_LIMIT
from tests.api.serving import served


@pytest.mark.parametrize("path", ["/api/intake/native", "/api/halt", "/api/auth/login"])
def test_a_body_beyond_the_limit_is_refused(client: httpx.Client, path: str) -> None:
    answer = client.post(path, content=b"x" * (BODY_LIMIT + 1))
    assert (answer.status_code, answer.json()["type"]) == (413, "urn:grace:problem:body-too-large")
    assert "GRACE_BODY_LIMIT_BYTES" in answer.json()["next"]


@pytest.mark.parametrize("path", ["/api/intake/native", "/api/halt"])
def test_a_body_that_hides_its_length_is_refused_too(client: httpx.Client, path: str) -> None:
    answer = client.post(path, content=(b"x" * 65_536 for _ in range(20)))
    assert answer.status_code == 413


def test_a_caller_who_goes_away_in_the_middle_harms_nobody(
    app: FastAPI, tokens: dict[Role, str], capfd: pytest.CaptureFixture[str]
) -> None:
    with served(app) as address:
        where = urlsplit(address)
        head = (
            f"POST /api/intake/native HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {tokens[Role.SENDER]}\r\n"
            "Content-Length: 1000\r\n\r\n{"
        )
        with socket.create_connection((where.hostname or "", where.port or 0)) as caller:
            caller.sendall(head.encode())
        assert httpx.get(f"{address}/api/healthz", trust_env=False).status_code == 200
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("body", [b"[" * 200_000, b'{"reason": "\\ud800"}', b"\xff", b"null", b"{}", b'{"reason": 1}'])
def test_a_body_that_makes_no_sense_is_never_our_fault(client: httpx.Client, house: House, body: bytes) -> None:
    answer = client.post("/api/halt", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"
    assert house.halts.standing() == ()


def test_what_was_sent_is_not_repeated_in_the_problem(client: httpx.Client) -> None:
    answer = client.post("/api/auth/login", json={"token": "grace_" + "s3cret" * 60})
    assert answer.status_code == 422
    assert "s3cret" not in answer.text


def test_a_closed_record_is_said_and_may_be_tried_again(client: httpx.Client, house: House) -> None:
    house.record.writer.close()
    answer = client.post("/api/halt", json={"reason": "calm"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


@pytest.mark.parametrize(
    ("method", "path"), [("DELETE", "/api/runs"), ("PUT", "/api/healthz"), ("GET", "/api/auth/login")]
)
def test_a_method_that_is_not_offered_is_405(client: httpx.Client, method: str, path: str) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (405, "application/problem+json")
    assert answer.headers["allow"]


@pytest.mark.parametrize(
    "body", ['{"scope": "*", "reason": "calm", "scope": "orders"}', '{"reason": "calm", "scope": "orders", "x": NaN}']
)
def test_a_body_that_may_be_read_in_two_ways_is_refused(
    client: httpx.Client, house: House, tokens: dict[Role, str], body: str
) -> None:
    kind = {"Content-Type": "application/json"}
    answer = client.post("/api/halt", content=body, headers=kind)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:grace:problem:body-ambiguous")
    assert house.halts.standing() == ()
    stranger = client.post("/api/halt", content=body, headers={**kind, "Authorization": "Bearer grace_nobodys"})
    assert stranger.status_code == 401
    viewer = client.post("/api/halt", content=body, headers={**kind, "Authorization": f"Bearer {tokens[Role.VIEWER]}"})
    assert viewer.status_code == 403
