from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from grace.api.access import Needs
from grace.api.application import GUARDED, OPEN
from grace.api.house import House
from grace.api.roles import Role
from grace.api.tokens import TokenStore
from grace.kit.clock import VirtualClock
from grace.kit.ids import IdMint
from grace.model.events import EventType
from grace.model.warrant import Refusal
from grace.record.opening import Record

OPEN_TO_ALL = {"GET /api/healthz", "POST /api/auth/login"}
ROLES = {
    "POST /api/intake/native": Role.SENDER,
    "GET /api/auth/whoami": Role.VIEWER,
    "GET /api/auth/tokens": Role.ADMIN,
    "POST /api/auth/tokens": Role.ADMIN,
    "DELETE /api/auth/tokens/{token_id}": Role.ADMIN,
    "GET /api/intake/senders": Role.VIEWER,
    "GET /api/intake/signals": Role.VIEWER,
    "GET /api/intake/refusals": Role.VIEWER,
    "GET /api/incidents": Role.VIEWER,
    "GET /api/incidents/{incident_id}": Role.VIEWER,
    "GET /api/incidents/{incident_id}/signals": Role.VIEWER,
    "GET /api/incidents/{incident_id}/explain": Role.VIEWER,
    "POST /api/incidents/{incident_id}/plan": Role.OPERATOR,
    "POST /api/incidents/{incident_id}/close": Role.OPERATOR,
    "POST /api/runs": Role.OPERATOR,
    "GET /api/runs": Role.VIEWER,
    "GET /api/runs/{run_id}": Role.VIEWER,
    "GET /api/runs/{run_id}/timeline": Role.VIEWER,
    "GET /api/runs/{run_id}/explain": Role.VIEWER,
    "GET /api/runs/{run_id}/ledger": Role.VIEWER,
    "POST /api/runs/{run_id}/cancel": Role.OPERATOR,
    "POST /api/runs/{run_id}/undo": Role.OPERATOR,
    "POST /api/runs/{run_id}/keep": Role.OPERATOR,
    "GET /api/autonomy/status": Role.VIEWER,
    "GET /api/autonomy/policies": Role.VIEWER,
    "POST /api/autonomy/policies/reload": Role.ADMIN,
    "POST /api/autonomy/check": Role.VIEWER,
    "GET /api/autonomy/approvals": Role.VIEWER,
    "GET /api/autonomy/approvals/{approval_id}": Role.VIEWER,
    "POST /api/autonomy/approvals/{approval_id}": Role.APPROVER,
    "GET /api/halt": Role.VIEWER,
    "POST /api/halt": Role.OPERATOR,
    "GET /api/restraint": Role.VIEWER,
    "POST /api/restraint/lift": Role.OPERATOR,
    "POST /api/halt/{halt_id}/end": Role.OPERATOR,
    "DELETE /api/halt/{halt_id}": Role.OPERATOR,
    "GET /api/verification/status": Role.VIEWER,
    "GET /api/verification/contracts": Role.VIEWER,
    "GET /api/verification/contracts/{run_id}": Role.VIEWER,
    "GET /api/verification/snapshots": Role.VIEWER,
    "GET /api/verification/snapshots/golden/latest": Role.VIEWER,
    "GET /api/verification/snapshots/{snapshot_id}": Role.VIEWER,
    "POST /api/verification/snapshots/{snapshot_id}/restore": Role.OPERATOR,
    "GET /api/verification/benchmarks": Role.VIEWER,
    "GET /api/verification/benchmarks/{benchmark_id}": Role.VIEWER,
    "POST /api/verification/benchmarks/smoke": Role.OPERATOR,
    "POST /api/verification/benchmarks/regression": Role.OPERATOR,
    "POST /api/verification/benchmarks/{benchmark_id}/set_golden": Role.ADMIN,
    "GET /api/log/entries": Role.VIEWER,
    "GET /api/log/entries/{index}": Role.VIEWER,
    "GET /api/log/verify": Role.VIEWER,
    "GET /api/log/checkpoint": Role.VIEWER,
    "GET /api/log/proof/{index}": Role.VIEWER,
    "GET /api/log/consistency": Role.VIEWER,
    "GET /api/log/export": Role.VIEWER,
    "GET /api/meta/events": Role.VIEWER,
    "GET /api/meta/event-types": Role.VIEWER,
    "GET /api/meta/event-types/{name}": Role.VIEWER,
    "GET /api/meta/subscribers": Role.VIEWER,
    "POST /api/mesh/subscribers/{name}/replay": Role.OPERATOR,
    "POST /api/mesh/subscribers/{name}/enable": Role.OPERATOR,
    "GET /api/mesh/dead-letters": Role.VIEWER,
    "POST /api/mesh/dead-letters/requeue": Role.OPERATOR,
    "POST /api/mesh/dead-letters/discard": Role.ADMIN,
    "GET /api/mesh/webhooks": Role.VIEWER,
    "POST /api/mesh/webhooks/{name}/test": Role.OPERATOR,
    "GET /api/report": Role.VIEWER,
    "POST /api/runs/{run_id}/mark": Role.OPERATOR,
    "POST /api/chat/": Role.VIEWER,
    "POST /api/drills": Role.OPERATOR,
    "GET /api/drills/latest": Role.VIEWER,
    "POST /api/do": Role.OPERATOR,
    "POST /api/do/plan": Role.OPERATOR,
    "GET /api/do/{run_id}/playbook": Role.VIEWER,
    "GET /api/doctor": Role.OPERATOR,
    "GET /api/services": Role.VIEWER,
    "GET /api/services/{name}": Role.VIEWER,
    "GET /api/playbooks": Role.VIEWER,
    "GET /api/playbooks/{name}": Role.VIEWER,
    "GET /api/knowledge": Role.VIEWER,
    "GET /api/knowledge/packs": Role.VIEWER,
    "GET /api/knowledge/search": Role.VIEWER,
    "POST /api/knowledge/test": Role.VIEWER,
    "GET /api/knowledge/{entry}": Role.VIEWER,
}


def needed(dependant: Dependant) -> Iterator[Role]:
    for inner in dependant.dependencies:
        if isinstance(inner.call, Needs):
            yield inner.call.role
        yield from needed(inner)


def api_routes() -> dict[str, APIRoute]:
    found = [route for router in (*GUARDED, *OPEN) for route in router.routes if isinstance(route, APIRoute)]
    return {f"{method} {route.path}": route for route in found for method in sorted(route.methods or ())}


def test_no_route_is_served_but_those_of_the_routers(app: FastAPI) -> None:
    served = {f"{method.upper()} {path}" for path, told in app.openapi()["paths"].items() for method in told}
    assert served == set(api_routes())


def test_every_route_needs_exactly_the_role_in_this_table() -> None:
    told = {name: tuple(needed(route.dependant)) for name, route in api_routes().items()}
    assert {name: roles for name, roles in told.items() if name not in OPEN_TO_ALL} == {
        name: (role,) for name, role in ROLES.items()
    }
    assert {name for name, roles in told.items() if not roles} == OPEN_TO_ALL


def test_each_route_lets_in_exactly_the_roles_that_may(client: httpx.Client, tokens: dict[Role, str]) -> None:
    wrong: list[str] = []
    for name, needed_role in ROLES.items():
        method, path = name.split(" ")
        target = path.replace("{index}", "0").replace("{", "x").replace("}", "x")
        for role, secret in ((None, None), *tokens.items()):
            headers = {"Authorization": f"Bearer {secret}" if secret else ""}
            status = client.request(method, target, headers=headers, json={}).status_code
            expected = 401 if role is None else "let in" if role.may(needed_role) else 403
            got = status if status in {401, 403} else "let in"
            if got != expected:
                wrong.append(f"{name} as {role}: {got}, not {expected}")
    assert wrong == []


def test_roles_grow_but_a_sender_only_sends() -> None:
    ladder = [Role.VIEWER, Role.OPERATOR, Role.APPROVER, Role.ADMIN]
    for lower, higher in itertools.pairwise(ladder):
        assert higher.may(lower)
        assert not lower.may(higher)
    assert [role for role in Role if Role.SENDER.may(role)] == [Role.SENDER]
    assert not Role.VIEWER.may(Role.SENDER)


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Basic YWRhOmFkYQ==", "Bearer grace_nobodys", "Bearer " + "x" * 300, "Bearer \xe9"],
)
def test_a_401_says_how_to_get_a_token_and_never_repeats_what_was_shown(client: httpx.Client, header: str) -> None:
    answer = client.get("/api/runs", headers={b"Authorization": header.encode("latin-1")})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="grace"'
    assert "grace token create" in answer.json()["next"]
    assert "nobodys" not in answer.text


def test_a_token_in_the_address_opens_nothing(client: httpx.Client, tokens: dict[Role, str]) -> None:
    query = {"token": tokens[Role.ADMIN], "access_token": tokens[Role.ADMIN]}
    assert client.get("/api/runs", params=query, headers={"Authorization": ""}).status_code == 401


def test_login_exchanges_a_token_for_a_session_of_the_same_identity(
    client: httpx.Client, tokens: dict[Role, str]
) -> None:
    opened = client.post("/api/auth/login", json={"token": tokens[Role.APPROVER]}, headers={"Authorization": ""})
    assert opened.status_code == 200
    assert (opened.json()["name"], opened.json()["role"]) == ("approver", "approver")
    assert opened.json()["token"] != tokens[Role.APPROVER]
    whoami = client.get("/api/auth/whoami", headers={"Authorization": f"Bearer {opened.json()['token']}"})
    assert (whoami.json()["name"], whoami.json()["token_id"][:4]) == ("approver", "ses_")
    assert client.post("/api/auth/login", json={"token": "grace_wrong"}).status_code == 401


def test_an_admin_issues_lists_and_revokes_tokens(client: httpx.Client, house: House) -> None:
    issued = client.post("/api/auth/tokens", json={"name": "ada", "role": "viewer", "lifetime": "30d"}).json()
    mine = {"Authorization": f"Bearer {issued['secret']}"}
    assert client.get("/api/runs", headers=mine).status_code == 200
    listed = client.get("/api/auth/tokens").json()["items"]
    assert listed[0]["name"] == "ada"
    assert all(set(token) == set(issued) - {"secret"} for token in listed)
    assert client.delete(f"/api/auth/tokens/{issued['id']}").status_code == 204
    assert client.get("/api/runs", headers=mine).status_code == 401
    assert client.delete(f"/api/auth/tokens/{issued['id']}").status_code == 409
    assert client.delete("/api/auth/tokens/tok_gone").status_code == 404
    told = [entry.actor for entry in house.record.entries(types={EventType.TOKEN_ISSUED, EventType.TOKEN_REVOKED})]
    assert told[-2:] == ["admin", "admin"]


@pytest.mark.parametrize(
    "body",
    [
        {"name": "", "role": "viewer"},
        {"name": "ada", "role": "god"},
        {"name": "ada", "role": "viewer", "lifetime": "soon"},
        {"name": "ada", "role": "viewer", "lifetime": "0s"},
        {"name": "a\u0000b", "role": "viewer"},
        {"role": "viewer"},
    ],
)
def test_a_token_that_makes_no_sense_is_not_issued(client: httpx.Client, body: dict[str, str]) -> None:
    before = client.get("/api/auth/tokens").json()["items"]
    assert client.post("/api/auth/tokens", json=body).status_code == 422
    assert client.get("/api/auth/tokens").json()["items"] == before


# ---- the store behind it ----


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def store(record: Record, clock: VirtualClock) -> TokenStore:
    return TokenStore(record, record, clock, IdMint(clock))


def test_a_secret_is_nowhere_in_the_record(record: Record, store: TokenStore, tmp_path: Path) -> None:
    issued = store.issue("ada", Role.ADMIN, by="ada")
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert issued.token.id.encode() in kept
    assert issued.secret.encode() not in kept
    assert issued.secret not in repr(issued)


def test_a_token_opens_until_it_expires(store: TokenStore, clock: VirtualClock) -> None:
    secret = store.issue("ada", Role.VIEWER, by="ada", lifetime=timedelta(hours=1)).secret
    assert store.identify(secret) is not None
    assert store.usable() == 1
    clock.advance(3600)
    assert store.identify(secret) is None
    assert store.remembered(secret) is None
    assert store.usable() == 0


def test_an_identity_is_believed_for_a_second_at_most(store: TokenStore, clock: VirtualClock) -> None:
    secret = store.issue("ada", Role.VIEWER, by="ada").secret
    assert store.remembered(secret) is None
    found = store.identify(secret)
    assert store.remembered(secret) == found
    clock.advance(1.01)
    assert store.remembered(secret) is None


def test_revoking_ends_every_session_of_that_name_and_no_other(store: TokenStore) -> None:
    mine, hers = store.issue("ada", Role.VIEWER, by="ada"), store.issue("eve", Role.VIEWER, by="ada")
    sessions: list[str] = []
    for issued in (mine, hers):
        identity = store.identify(issued.secret)
        assert identity is not None
        sessions.append(store.open_session(identity, timedelta(hours=1)).secret)
    assert not isinstance(store.revoke(mine.token.id, by="ada"), Refusal)
    known = [store.identify(secret) is not None for secret in (mine.secret, hers.secret, *sessions)]
    assert known == [False, True, False, True]
    again = store.revoke(mine.token.id, by="ada")
    assert isinstance(again, Refusal)
    assert again.rule == "token-revoked"


@pytest.mark.parametrize("name", ["op1 ", "op1\u200b", "\u202eop1", "op\n1"])
def test_a_token_for_a_name_that_nobody_can_read_is_refused(client: httpx.Client, name: str) -> None:
    answer = client.post("/api/auth/tokens", json={"name": name, "role": "approver"})
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:grace:problem:token-name"


def test_a_token_for_a_name_that_reads_like_another_is_refused(client: httpx.Client, house: House) -> None:
    token = house.tokens.issue("op1", Role.OPERATOR, by="tests").token
    house.tokens.revoke(token.id, "tests")
    for name in ("OP1", "\uff4fp1"):
        answer = client.post("/api/auth/tokens", json={"name": name, "role": "approver"})
        assert answer.status_code == 409
        assert answer.json()["type"] == "urn:grace:problem:token-look-alike"
        assert "'op1'" in answer.json()["detail"]
    assert client.post("/api/auth/tokens", json={"name": "op1", "role": "approver"}).status_code == 201
