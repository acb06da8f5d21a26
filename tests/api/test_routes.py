from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from grace.api.application import create_app
from grace.api.house import House
from grace.api.roles import Role
from grace.model.events import EventType, IncidentClosed
from grace.model.run import Fall
from grace.model.settlement import Settlement, SettlementKind
from grace.record.ledger.verification import verify_lines
from tests.api.houses import (
    AT,
    INCIDENT,
    RUN,
    SNAPSHOT,
    Engine,
    ask_people,
    measured,
    open_incident,
    put,
    signal,
    tokens_of,
    walk_a_run,
)
from tests.api.serving import served


def test_a_server_that_lives_says_so_without_a_token(client: httpx.Client) -> None:
    answer = client.get("/api/healthz", headers={"Authorization": ""})
    assert (answer.status_code, answer.json()) == (200, {"status": "alive", "version": "0.1.0"})


def test_a_server_whose_own_work_nobody_does_is_not_ready(house: House) -> None:
    down = "The thread grace-checkpointer has ended: OSError. Start GRACE again"
    sick = replace(house, down=lambda: (down,), troubles=lambda: (down,))
    with served(create_app(sick)) as address:
        answer = httpx.get(f"{address}/api/healthz", timeout=60)
        token = tokens_of(sick)[Role.VIEWER]
        status = httpx.get(
            f"{address}/api/autonomy/status", headers={"Authorization": f"Bearer {token}"}, timeout=60
        ).json()
    assert answer.status_code == 503
    assert down in answer.json()["detail"]
    assert status["server_troubles"] == [down]


# ---- intake ----


def test_a_signal_is_taken_in_once_and_opens_an_incident(client: httpx.Client, house: House) -> None:
    for receipt in ({"accepted": 1, "duplicates": 0}, {"accepted": 0, "duplicates": 1}):
        answer = client.post("/api/intake/native", json=signal())
        assert (answer.status_code, answer.json()) == (202, receipt)
    (incident,) = client.get("/api/incidents").json()["items"]
    assert (incident["service"], incident["state"], incident["count"]) == ("orders", "open", 1)
    (kept,) = client.get(f"/api/incidents/{incident['id']}/signals").json()["items"]
    assert kept["id"] == "one"
    (event,) = client.get("/api/meta/events", params={"type": "error.detected"}).json()["items"]
    assert event["payload"]["incident_id"] == incident["id"]
    assert next(house.record.entries(types={EventType.ERROR_DETECTED})).index == event["index"]


def test_a_large_batch_is_taken_in(client: httpx.Client) -> None:
    batch = {"signals": [signal(f"s{number}", message="m" * 200) for number in range(500)]}
    assert client.post("/api/intake/native", json=batch).json() == {"accepted": 500, "duplicates": 0}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"not json", 400),
        (b"\xff\xfe", 400),
        (b"[" * 100_000, 400),
        (b"[]", 422),
        (b'{"signals": []}', 422),
        (b'{"format": 1}', 422),
        (b'{"signals": "x"}', 422),
    ],
)
def test_a_message_that_is_no_signal_is_refused_and_nothing_is_kept(
    client: httpx.Client, body: bytes, status: int
) -> None:
    answer = client.post("/api/intake/native", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    assert answer.json()["detail"]
    assert client.get("/api/incidents").json()["items"] == []


# ---- incidents and runs ----


def test_an_incident_shows_its_runs(client: httpx.Client, house: House) -> None:
    open_incident(house.record)
    walk_a_run(house)
    shown = client.get(f"/api/incidents/{INCIDENT}").json()
    assert (shown["cause"], [run["id"] for run in shown["runs"]]) == ("database_locked", [RUN])


def test_a_dry_plan_opens_nothing(client: httpx.Client, house: House, engine: Engine) -> None:
    open_incident(house.record)
    before = house.record.head().size
    made = client.post(f"/api/incidents/{INCIDENT}/plan", json={})
    assert made.status_code == 200
    assert made.json()["plan"]["playbook"] == "fix-orders"
    assert (house.record.head().size, engine.started) == (before, [])
    refused = client.post(f"/api/incidents/{INCIDENT}/plan", json={"playbook": "gone"})
    assert (refused.status_code, refused.json()["next"]) == (404, "grace playbook list")


def test_an_incident_is_closed_once_by_a_persons_word(client: httpx.Client, house: House) -> None:
    open_incident(house.record)
    closed = client.post(f"/api/incidents/{INCIDENT}/close", json={"reason": "not ours"})
    assert (closed.status_code, closed.json()["state"]) == (200, "closed")
    assert client.post(f"/api/incidents/{INCIDENT}/close", json={"reason": "again"}).status_code == 409


def test_a_run_is_opened_in_the_name_of_the_caller(
    client: httpx.Client, house: House, engine: Engine, tokens: dict[Role, str]
) -> None:
    open_incident(house.record)
    opened = client.post(
        "/api/runs",
        json={"incident_id": INCIDENT, "playbook": "fix-orders", "inputs": {"a": "b"}},
        headers={"Authorization": f"Bearer {tokens[Role.OPERATOR]}"},
    )
    assert opened.status_code == 201
    assert (opened.json()["requested_by"], opened.json()["stage"]) == ("operator", "opened")
    assert engine.started == [opened.json()["id"]]
    again = client.post("/api/runs", json={"incident_id": INCIDENT})
    assert (again.status_code, again.json()["type"]) == (409, "urn:grace:problem:one-run")


def test_a_run_is_shown_with_everything_it_came_to(client: httpx.Client, house: House) -> None:
    open_incident(house.record)
    walk_a_run(house)
    run = client.get(f"/api/runs/{RUN}").json()
    assert (run["settlement"], run["stage"], run["tier"]) == ("committed", "settled", 2)
    assert run["plan"]["steps"][0]["with"] == {"path": "/srv/orders/settings.yaml"}
    assert (run["verdict"]["finding"], run["decision"]["rule"]) == ("met", "configuration-with-approval")
    assert (run["ending"]["sentence"], run["diagnosis"]["cause"]) == ("It holds.", "database_locked")


def test_a_runs_story_is_told_from_the_ledger(client: httpx.Client, house: House) -> None:
    open_incident(house.record)
    walk_a_run(house)
    timeline, story = (client.get(f"/api/runs/{RUN}/{view}").json() for view in ("timeline", "explain"))
    assert story["headline"] == "committed: It holds."
    assert len(story["chapters"]) == len(timeline["chapters"]) + 1
    entries = client.get(f"/api/runs/{RUN}/ledger", params={"limit": 3}).json()
    assert [entry["type"] for entry in entries["items"]] == ["run.opened", "diagnosis.made", "plan.made"]
    rest = client.get(f"/api/runs/{RUN}/ledger", params={"cursor": entries["next_cursor"]}).json()
    assert (len(rest["items"]), rest["next_cursor"]) == (5, None)


def test_a_runs_story_tells_the_time_that_its_incident_was_open_then_and_no_other(
    client: httpx.Client, house: House
) -> None:
    incident = open_incident(house.record)
    put(
        house.record,
        f"{INCIDENT}/closed/1",
        EventType.INCIDENT_CLOSED,
        IncidentClosed(incident_id=INCIDENT, by="ann", reason="over"),
    )
    again = incident.model_copy(update={"occurrence": 2})
    put(house.record, f"{INCIDENT}/opened/2", EventType.INCIDENT_OPENED, again)
    walk_a_run(house)
    put(
        house.record,
        f"{INCIDENT}/closed/2",
        EventType.INCIDENT_CLOSED,
        IncidentClosed(incident_id=INCIDENT, by="ann", reason="over"),
    )
    third = incident.model_copy(update={"occurrence": 3})
    put(house.record, f"{INCIDENT}/opened/3", EventType.INCIDENT_OPENED, third)
    told = client.get(f"/api/runs/{RUN}/explain").json()["chapters"]
    of_the_incident = [one["title"] for one in told if one["title"].startswith("incident")]
    opened, closed = of_the_incident
    assert "opened, occurrence 2" in opened
    assert "closed" in closed


def test_a_run_is_cancelled_undone_and_kept_by_name(client: httpx.Client, house: House, engine: Engine) -> None:
    open_incident(house.record)
    opened = client.post("/api/runs", json={"incident_id": INCIDENT}).json()["id"]
    assert client.post(f"/api/runs/{opened}/cancel", json={"reason": "wait"}).status_code == 200
    assert engine.rung == [opened]
    walk_a_run(house)
    assert client.post(f"/api/runs/{RUN}/cancel", json={}).status_code == 409
    assert client.post(f"/api/runs/{RUN}/keep", json={}).status_code == 409
    undo = client.post(f"/api/runs/{RUN}/undo", json={"reason": "I want it back"})
    assert (undo.status_code, undo.json()["of_run"], undo.json()["kind"]) == (201, RUN, "undo")


@pytest.mark.parametrize("verb", ["cancel", "undo", "keep"])
def test_a_run_that_is_not_there_is_404(client: httpx.Client, verb: str) -> None:
    assert client.post("/api/runs/run_gone/" + verb, json={}).status_code == 404
    assert client.get("/api/runs/run_gone").status_code == 404


# ---- autonomy ----


def test_the_status_counts_what_waits_and_what_is_stopped(client: httpx.Client, house: House) -> None:
    ask_people(house)
    client.post("/api/halt", json={"reason": "calm"})
    status = client.get("/api/autonomy/status").json()
    assert (status["pending_approvals"], status["policies"]) == (1, len(house.policy.current.rules))
    assert [tier["tier"] for tier in status["tiers"]] == [1, 2, 3]
    assert status["halts"][0]["scope"] == "*"
    assert status["policy_problems"] == []


def test_a_run_that_falls_over_is_told_by_the_status_and_its_story(
    client: httpx.Client, house: House, engine: Engine
) -> None:
    walk_a_run(house)
    assert client.get("/api/autonomy/status").json()["fallen_runs"] == []
    engine.fallen.append(Fall(run_id=RUN, why="OverflowError: date value out of range", times=9, at=house.clock.now()))
    (fallen,) = client.get("/api/autonomy/status").json()["fallen_runs"]
    assert (fallen["run_id"], fallen["times"], fallen["why"]) == (RUN, 9, "OverflowError: date value out of range")
    last = client.get(f"/api/runs/{RUN}/explain").json()["chapters"][-1]
    assert last["title"] == "fell over by an accident of GRACE's own, 9 times since the start: " + fallen["why"]


def test_a_check_says_allowed_tier_and_approval(client: httpx.Client) -> None:
    context = {"service": "orders", "cause": "database_locked"}
    checked = client.post("/api/autonomy/check", json={"action": "file.set_value", "context": context}).json()
    assert (checked["allowed"], checked["tier"], checked["approval"]) == (True, 2, 1)
    unknown = client.post("/api/autonomy/check", json={"action": "file.wirte", "context": context})
    assert (unknown.status_code, unknown.json()["next"]) == (404, "Did you mean file.write?")
    never = {**context, "cause": "unknown"}
    checked = client.post("/api/autonomy/check", json={"action": "file.write", "context": never}).json()
    assert (checked["allowed"], checked["tier"], checked["rule"]) == (False, None, "grace:unknown-cause")


def test_the_rules_in_force_are_listed_with_their_places(client: httpx.Client) -> None:
    rules = client.get("/api/autonomy/policies").json()["items"]
    (unknown,) = [rule for rule in rules if rule["id"] == "unknown-never-acts"]
    assert (unknown["effect"], unknown["tiers"]) == ("forbid", [1, 2, 3])
    assert rules[0]["where"].startswith("grace.cedar:")
    assert client.post("/api/autonomy/policies/reload").json() is None


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/runs", {"incident_id": INCIDENT, "requested_by": "eve"}),
        ("/api/halt", {"scop": "orders", "reason": "deploying"}),
        ("/api/chat/", {"message": "status", "massage": "halt"}),
        (f"/api/incidents/{INCIDENT}/close", {"reason": "done", "by": "eve"}),
    ],
)
def test_a_field_that_nobody_knows_is_refused_and_nothing_is_done(
    client: httpx.Client, house: House, path: str, body: dict[str, str]
) -> None:
    open_incident(house.record)
    before = house.record.head().size
    answer = client.post(path, json=body)
    assert answer.status_code == 422
    assert next(iter(set(body) & {"requested_by", "scop", "massage", "by"})) in answer.json()["detail"]
    assert house.record.head().size == before


def test_an_approval_is_shown_with_its_plan_and_answered_by_the_tokens_owner(
    client: httpx.Client, house: House, engine: Engine, tokens: dict[Role, str]
) -> None:
    digest = ask_people(house)
    (waiting,) = client.get("/api/autonomy/approvals", params={"state": "waiting"}).json()["items"]
    path = f"/api/autonomy/approvals/{waiting['id']}"
    yes = {"decision": "approve", "plan_digest": digest, "reason": "fine"}
    approver = {"Authorization": f"Bearer {tokens[Role.APPROVER]}"}
    other = client.post(path, json={**yes, "plan_digest": "sha256:" + "0" * 64}, headers=approver)
    assert (other.status_code, other.json()["type"]) == (409, "urn:grace:problem:approval-digest")
    granted = client.post(path, json=yes, headers=approver)
    assert (granted.status_code, granted.json()["state"]) == (200, "granted")
    assert [(answer["by"], answer["grants"]) for answer in granted.json()["answers"]] == [("approver", True)]
    assert engine.rung == [RUN]
    assert client.post(path, json=yes).status_code == 409


def test_who_asked_cannot_answer_over_the_api_either(client: httpx.Client, house: House, engine: Engine) -> None:
    digest = ask_people(house)
    mine = house.tokens.issue("operator", Role.ADMIN, by="tests").secret
    answer = client.post(
        f"/api/autonomy/approvals/{RUN.replace('run_', 'apr_')}",
        json={"decision": "approve", "plan_digest": digest},
        headers={"Authorization": f"Bearer {mine}"},
    )
    assert (answer.status_code, engine.rung) == (403, [])


def test_a_halt_is_started_shown_and_ended(client: httpx.Client, house: House) -> None:
    halt = client.post("/api/halt", json={"scope": "orders", "reason": "deploying"})
    assert (halt.status_code, halt.json()["by"]) == (201, "admin")
    assert [halt.scope for halt in house.halts.standing()] == ["orders"]
    assert [each["id"] for each in client.get("/api/halt").json()["items"]] == [halt.json()["id"]]
    ended = client.post(f"/api/halt/{halt.json()['id']}/end", json={"reason": "done"})
    assert ended.json()["ended_at"] is not None
    assert client.get("/api/halt").json()["items"] == []
    assert len(client.get("/api/halt", params={"ended": True}).json()["items"]) == 1
    assert client.delete(f"/api/halt/{halt.json()['id']}").status_code == 409


# ---- verification ----


def test_nothing_verified_yet_is_not_a_rate_of_zero(client: httpx.Client) -> None:
    status = client.get("/api/verification/status").json()
    assert status["contracts"] == {
        "total": 0,
        "verified": 0,
        "failed": 0,
        "inconclusive": 0,
        "waiting": 0,
        "unjudged": 0,
        "success_rate": None,
    }
    assert status["golden_snapshot"] is None
    assert client.get("/api/verification/snapshots/golden/latest").status_code == 404


def test_a_contract_waits_as_long_as_its_run_is_open(client: httpx.Client, house: House) -> None:
    open_incident(house.record)
    walk_a_run(house, until="snapshot")
    counts = client.get("/api/verification/status").json()["contracts"]
    assert (counts["total"], counts["waiting"], counts["unjudged"]) == (1, 1, 0)
    expired = Settlement(run_id=RUN, kind=SettlementKind.EXPIRED, sentence="Nobody answered.", at=AT)
    put(house.record, f"{RUN}/settled", EventType.RUN_SETTLED, expired, run_id=RUN)
    counts = client.get("/api/verification/status").json()["contracts"]
    assert (counts["total"], counts["waiting"], counts["unjudged"], counts["success_rate"]) == (1, 0, 1, None)


def test_contracts_and_snapshots_are_counted_and_shown(client: httpx.Client, house: House) -> None:
    open_incident(house.record)
    walk_a_run(house)
    status = client.get("/api/verification/status").json()
    assert (status["contracts"]["success_rate"], status["snapshots"], status["benchmarks"]) == (1.0, 1, 1)
    assert status["golden_snapshot"]["id"] == SNAPSHOT
    (contract,) = client.get("/api/verification/contracts", params={"verdict": "met"}).json()["items"]
    assert client.get(f"/api/verification/contracts/{RUN}").json() == contract
    assert client.get("/api/verification/contracts", params={"verdict": "violated"}).json()["items"] == []
    (snapshot,) = client.get("/api/verification/snapshots").json()["items"]
    assert (
        client.get(f"/api/verification/snapshots/{snapshot['id']}").json()["snapshot"]["objects"][0]["provider"]
        == "files"
    )
    assert client.get("/api/verification/snapshots/golden/latest").json()["id"] == SNAPSHOT


def test_a_restore_is_a_rehearsal_unless_said_otherwise(client: httpx.Client, house: House, engine: Engine) -> None:
    open_incident(house.record)
    walk_a_run(house)
    path = f"/api/verification/snapshots/{SNAPSHOT}/restore"
    rehearsed = client.post(path, json={}).json()
    assert (rehearsed["dry_run"], rehearsed["restorations"][0]["state"], engine.started) == (True, "untouched", [])
    real = client.post(path, json={"dry_run": False, "reason": "back"}).json()
    assert (real["run"]["kind"], real["run"]["of_run"]) == ("undo", RUN)
    assert engine.started == [real["run"]["id"]]


def test_benchmarks_are_measured_listed_and_made_golden_only_where_they_may(client: httpx.Client, house: House) -> None:
    for name in ("smoke", "regression"):
        made = client.post(f"/api/verification/benchmarks/{name}", json={"service": "orders"})
        assert (made.status_code, made.json()["name"]) == (201, name)
    assert client.post("/api/verification/benchmarks/smoke", json={"service": "gone"}).status_code == 422
    put(house.record, "b1", EventType.BENCHMARK_FINISHED, measured())
    put(house.record, "b2", EventType.BENCHMARK_MADE_GOLDEN, measured(golden=True))
    first, second = client.get("/api/verification/benchmarks").json()["items"]
    assert {first["golden"], second["golden"]} == {True, False}
    assert client.get(f"/api/verification/benchmarks/{first['id']}").json() == first
    assert client.post(f"/api/verification/benchmarks/{first['id']}/set_golden").status_code == 409


# ---- log ----


def test_the_log_is_listed_proved_and_exported(client: httpx.Client, house: House) -> None:
    open_incident(house.record)
    walk_a_run(house)
    entries = client.get("/api/log/entries").json()["items"]
    assert client.get(f"/api/log/entries/{entries[2]['index']}").json() == entries[2]
    assert client.get("/api/log/entries", params={"type": ["run.opened", "run.settled"]}).json()["items"][1][
        "type"
    ] == ("run.settled")
    verified = client.get("/api/log/verify").json()
    assert (verified["valid"], verified["size"], verified["findings"]) == (True, len(entries), [])
    note = client.get("/api/log/checkpoint").json()
    assert note["size"] == len(entries)
    export = client.get("/api/log/export").content.splitlines(keepends=True)
    assert verify_lines(export, note["checkpoint"], note["key"]).is_valid
    assert client.get("/api/log/proof/1").json()["index"] == 1
    assert client.get("/api/log/consistency", params={"from": 2}).json()["old_size"] == 2


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/log/proof/99999", 404),
        ("/api/log/proof/1?size=1", 404),
        ("/api/log/proof/-1", 422),
        ("/api/log/consistency?from=1&to=99999", 422),
        ("/api/log/consistency?from=3&to=2", 422),
        ("/api/log/entries/99999", 404),
        ("/api/log/entries?cursor=x", 422),
        ("/api/meta/events?type=error.detekted", 422),
        ("/api/incidents?cursor=x", 422),
        ("/api/incidents?cursor=WyIyMDI2IiwgMV0=", 422),
        ("/api/incidents?limit=0", 422),
        ("/api/runs?settlement=fine", 422),
        ("/api/services/gone", 404),
        ("/api/playbooks/gone", 404),
        ("/api/nothing", 404),
    ],
)
def test_what_is_not_there_or_makes_no_sense_is_said_with_a_next_step(
    client: httpx.Client, path: str, status: int
) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(answer.json()) == {"type", "title", "status", "detail", "next"}
    assert answer.json()["next"]


def test_the_newest_event_comes_first_and_pages_do_not_repeat(client: httpx.Client, house: House) -> None:
    open_incident(house.record)
    walk_a_run(house)
    seen: list[int] = []
    cursor: str | None = None
    while True:
        page = client.get("/api/meta/events", params={"limit": 4} | ({"cursor": cursor} if cursor else {})).json()
        seen += [event["index"] for event in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == sorted(range(house.record.head().size), reverse=True)


# ---- declared ----


def test_services_and_playbooks_are_shown_as_declared(client: httpx.Client) -> None:
    assert client.get("/api/services").json()["items"][0]["name"] == "orders"
    assert client.get("/api/services/orders").json()["items"][0]["mode"] == "auto"
    assert client.get("/api/playbooks").json()["items"][0]["document"] == ""
    assert client.get("/api/playbooks/fix-orders").json()["document"] == "format: 1\n"
