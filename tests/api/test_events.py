"""The query API for events, the registry of their types, and how far subscribers are."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from grace.api.house import House
from grace.api.roles import Role
from grace.kit.clock import to_rfc3339
from grace.model.events import PAYLOADS, EventType
from grace.model.ledger_entry import Draft, LedgerEntry
from grace.record.mesh.subscription import RetryRule
from tests.api.houses import INCIDENT, RUN, open_incident, walk_a_run
from tests.api.test_live import comes

EVENTS = "/api/meta/events"


@pytest.fixture
def walked(house: House) -> House:
    open_incident(house.record)
    walk_a_run(house)
    return house


def items(client: httpx.Client, **query: Any) -> list[dict[str, Any]]:
    answer = client.get(EVENTS, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


def test_events_are_found_by_patterns_of_their_type(client: httpx.Client, walked: House) -> None:
    assert {one["type"] for one in items(client, type=["run.*", "*.opened"])} == {
        "run.opened",
        "run.settled",
        "incident.opened",
    }
    assert [one["type"] for one in items(client, type="verdict.reached")] == ["verdict.reached"]
    assert len(items(client, type="*", limit=500)) == walked.record.reader.size()


@pytest.mark.parametrize(
    ("written", "near"), [("run.setled", "run.settled"), ("incidents.*", "incident."), ("run", "run.")]
)
def test_a_type_that_is_none_is_refused_with_near_names(client: httpx.Client, written: str, near: str) -> None:
    answer = client.get(EVENTS, params={"type": ["run.opened", written]})
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:grace:problem:event-type")
    assert near in answer.json()["detail"]


def test_events_are_found_by_whom_they_concern(client: httpx.Client, walked: House) -> None:
    of_run = items(client, run_id=RUN)
    assert len(of_run) == 8
    assert {one["run_id"] for one in of_run} == {RUN}
    assert len(items(client, incident_id=INCIDENT)) == 9
    assert len(items(client, service="orders")) == 9
    assert items(client, service="orders", type="run.settled", incident_id=INCIDENT)[0]["run_id"] == RUN
    assert items(client, run_id="run_nobodys") == []


def test_events_are_found_by_when_they_were_written(client: httpx.Client, walked: House) -> None:
    entries = list(walked.record.entries())
    middle = entries[len(entries) // 2].at
    later = [entry.index for entry in entries if entry.at >= middle]
    in_another_zone = (middle + timedelta(hours=2)).replace(tzinfo=None).isoformat() + "+02:00"
    for written in (to_rfc3339(middle), in_another_zone):
        assert [one["index"] for one in items(client, since=written, after=-1)] == later
    earlier = [entry.index for entry in entries if entry.at < middle]
    assert [one["index"] for one in items(client, until=to_rfc3339(middle), after=-1)] == earlier


@pytest.mark.parametrize(
    "since", ["yesterday", "2026-01-02T03:04:05", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"]
)
def test_a_time_that_is_none_is_refused(client: httpx.Client, since: str) -> None:
    assert client.get(EVENTS, params={"since": since}).status_code == 422


@pytest.mark.parametrize("after", [None, -1])
def test_pages_hold_every_event_once_in_either_direction(
    client: httpx.Client, walked: House, after: int | None
) -> None:
    seen: list[int] = []
    query: dict[str, Any] = {"limit": 3} | ({} if after is None else {"after": after})
    cursor: dict[str, Any] | None = {}
    while cursor is not None:
        page = client.get(EVENTS, params=query | cursor).json()
        seen += [one["index"] for one in page["items"]]
        # What is written while somebody reads comes behind what they have, or not at all: never twice.
        walked.record.append(
            Draft(key=f"meanwhile/{len(seen)}", type=EventType.STEP_NOTED, actor="tester", payload={})
        ) if len(seen) < 10 else None
        cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else None
    assert len(seen) == len(set(seen))
    assert seen == sorted(seen, reverse=after is None)
    everything = {entry.index for entry in walked.record.entries()}
    assert everything - set(seen) <= {entry.index for entry in walked.record.entries() if "meanwhile" in entry.key}


def test_reading_on_from_an_index_gives_what_came_since(client: httpx.Client, walked: House) -> None:
    last = walked.record.reader.size() - 1
    assert items(client, after=last) == []
    walked.record.append(Draft(key="new", type=EventType.STEP_NOTED, actor="tester", payload={}))
    assert [one["key"] for one in items(client, after=last)] == ["new"]


def test_every_type_is_listed_with_the_schema_that_its_payloads_follow(client: httpx.Client, walked: House) -> None:
    listed = client.get("/api/meta/event-types").json()["items"]
    assert [one["type"] for one in listed] == [kind.value for kind in EventType]
    for entry in walked.record.entries():
        detail = client.get(f"/api/meta/event-types/{entry.type.value}").json()
        assert detail["noun"] == PAYLOADS[entry.type].__name__
        validator: Any = Draft202012Validator(detail["payload_schema"])
        assert validator.is_valid(entry.payload)
    missing = client.get("/api/meta/event-types/run.setled")
    assert (missing.status_code, missing.json()["next"]) == (404, "Did you mean 'run.settled'?")


# ---- subscribers and dead letters ----


class Gate:
    def __init__(self) -> None:
        self.is_open = False
        self.taken: list[int] = []

    def __call__(self, entry: LedgerEntry) -> None:
        if not self.is_open:
            message = "closed"
            raise ConnectionError(message)
        self.taken.append(entry.index)


@pytest.fixture
def gate(house: House) -> Gate:
    gate = Gate()
    house.mesh.subscribe("webhook:pager", ["step.*"], gate, rule=RetryRule(attempts=1), begins_at=0)
    return gate


def write(house: House, count: int) -> list[int]:
    drafts = [Draft(key=f"n{n}", type=EventType.STEP_NOTED, actor="tester", payload={}) for n in range(count)]
    return [entry.index for entry in house.record.append_all(drafts)]


def subscriber(client: httpx.Client) -> dict[str, Any]:
    (one,) = client.get("/api/meta/subscribers").json()["items"]
    return one


def test_it_is_told_how_far_a_subscriber_is_and_what_it_could_not_take(
    client: httpx.Client, house: House, gate: Gate
) -> None:
    indexes = write(house, 3)
    assert comes(lambda: subscriber(client)["behind"] == 0)
    told = subscriber(client)
    assert (told["state"], told["dead_letters"], told["last_error"]) == ("delivering", 3, "ConnectionError: closed")
    assert told["events"] == ["step.finished", "step.intended", "step.noted"]
    first = client.get("/api/mesh/dead-letters", params={"limit": 2}).json()
    second = client.get("/api/mesh/dead-letters", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [one["index"] for one in (*first["items"], *second["items"])] == indexes
    assert second["next_cursor"] is None
    assert client.get("/api/mesh/dead-letters", params={"subscriber": "nobody"}).json()["items"] == []
    assert client.get("/api/mesh/dead-letters", params={"cursor": "x"}).status_code == 422
    assert gate.taken == []


def test_an_operator_requeues_and_an_admin_discards(
    client: httpx.Client, house: House, gate: Gate, tokens: dict[Role, str]
) -> None:
    indexes = write(house, 3)
    assert comes(lambda: subscriber(client)["dead_letters"] == 3)
    gate.is_open = True
    operator = {"Authorization": f"Bearer {tokens[Role.OPERATOR]}"}
    one = {"subscriber": "webhook:pager", "indexes": indexes[1:2], "reason": "it is back"}
    assert client.post("/api/mesh/dead-letters/requeue", json=one, headers=operator).json() == {
        "subscriber": "webhook:pager",
        "indexes": indexes[1:2],
    }
    assert comes(lambda: gate.taken == indexes[1:2])
    given_up = {"subscriber": "webhook:pager", "indexes": indexes[:1]}
    assert client.post("/api/mesh/dead-letters/discard", json=given_up).status_code == 422  # no reason
    assert client.post("/api/mesh/dead-letters/discard", json=given_up | {"reason": "a test"}).json()["indexes"]
    everything = {"subscriber": "webhook:pager"}
    assert client.post("/api/mesh/dead-letters/requeue", json=everything).json()["indexes"] == indexes[2:]
    assert comes(lambda: subscriber(client)["dead_letters"] == 0)
    assert gate.taken == indexes[1:]
    told = items(client, type="dead_letters.*", after=-1)
    assert [(one["type"], one["actor"], one["payload"]["reason"]) for one in told] == [
        ("dead_letters.requeued", "operator", "it is back"),
        ("dead_letters.discarded", "admin", "a test"),
        ("dead_letters.requeued", "admin", ""),
    ]
    nobody = client.post("/api/mesh/dead-letters/requeue", json={"subscriber": "nobody"})
    assert (nobody.status_code, "There are: webhook:pager" in nobody.json()["detail"]) == (404, True)


def test_a_subscriber_is_rewound_by_an_operator(client: httpx.Client, house: House, gate: Gate) -> None:
    gate.is_open = True
    indexes = write(house, 2)
    assert comes(lambda: gate.taken == indexes)
    path = "/api/mesh/subscribers/webhook:pager/replay"
    assert client.post(path, json={"from_index": indexes[1], "reason": "lost one"}).status_code == 200
    assert comes(lambda: gate.taken == [*indexes, indexes[1]])
    assert client.post("/api/mesh/subscribers/nobody/replay", json={"from_index": 0}).status_code == 404
    assert client.post("/api/mesh/subscribers/webhook:pager/enable", json={}).status_code == 409
