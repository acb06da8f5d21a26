"""Chat against a real server: the same verbs, the caller's role, links to go on with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sqlalchemy import select

from grace.api.chat.answers import Answerer
from grace.api.chat.findings import Findings
from grace.api.chat.references import references_in, words_of
from grace.api.chat.remedies import Remedies
from grace.api.chat.sentences import understand
from grace.api.chat.spans import span_in
from grace.api.house import House, PlaybookCard
from grace.api.roles import Identity, Role
from grace.kit.clock import VirtualClock
from grace.model.events import EventType, PlanRefused
from grace.model.incident import Incident
from grace.model.ledger_entry import Draft
from grace.model.service import Service
from grace.record.opening import Record
from grace.record.store.tables import runs
from tests.api.houses import INCIDENT, ORDERS, RUN, ask_people, open_incident, put, walk_a_run


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


def test_a_why_in_words_is_about_the_incident_that_they_speak_of(client: httpx.Client, house: House) -> None:
    open_incident(house.record)
    walk_a_run(house)
    told = say(client, "why didn't you fix the database lock?")
    assert told["response"].startswith(INCIDENT)
    assert told["metadata"]["links"][0]["command"] == f"grace explain {INCIDENT}"

    second = say(client, "why did you restart the payment gateway")
    assert second["response"].startswith("No incident on the record speaks of restart payment gateway.")
    assert "Nothing in the knowledge packs speaks of that either." in second["response"]
    assert RUN not in second["response"]

    full = say(client, "why is the disk full")
    assert full["response"].startswith("No incident on the record speaks of disk full.")
    assert full["metadata"]["citations"][0]["entry"] == "disk-full"


def test_a_why_that_fits_several_incidents_lists_them(client: httpx.Client, house: House) -> None:
    first = open_incident(house.record)
    other = first.model_copy(update={"id": INCIDENT[:-1] + "7", "fingerprint": "a" * 16, "labels": {"team": "pay"}})
    house.record.append(
        Draft(
            key=f"{other.id}/opened/1",
            type=EventType.INCIDENT_OPENED,
            actor="grace",
            incident_id=other.id,
            service=other.service,
            payload=other.to_json(),
        )
    )
    told = say(client, "why is the database locked")
    assert told["response"].startswith("2 incidents speak of database locked:")
    assert {link["command"] for link in told["metadata"]["links"]} == {
        f"grace explain {INCIDENT}",
        f"grace explain {other.id}",
    }
    assert say(client, "why is the database of pay locked")["response"].startswith(other.id)


def test_it_tells_what_happened_in_a_span(client: httpx.Client, house: House) -> None:
    open_incident(house.record)
    walk_a_run(house)
    told = say(client, "what happened since 2020-01-01?")
    assert told["metadata"]["intent"] == "what_happened"
    assert "incidents opened 1, runs settled 1 (1 committed)." in told["response"]
    assert {link["rel"] for link in told["metadata"]["links"]} == {"incident", "run"}
    nothing = say(client, "what happened since 2199-01-01?")
    assert nothing["response"] == "Since 2199-01-01 00:00:00 UTC: incidents opened 0, runs settled 0."


def test_a_weekday_is_that_day_of_utc_and_since_it_is_until_now(house: House) -> None:
    walk_a_run(house)
    with house.record.read() as connection:
        settled_at = connection.execute(select(runs.c.settled_at)).scalar_one()
    midnight = settled_at.replace(hour=0, minute=0, second=0, microsecond=0)
    clock = VirtualClock(midnight + timedelta(days=2, hours=23))
    findings = Findings(replace(house, clock=clock))
    before, that_day, after, today = (f"{midnight + timedelta(days=days):%A}" for days in (-1, 0, 1, 2))

    def seen(said: str) -> tuple[str, int]:
        span = span_in(said)
        assert span is not None
        found = findings.happened(span)
        return found.headline.partition(":")[0], len(found.run_ids)

    assert seen(f"on {that_day}") == (f"On {midnight:%A %Y-%m-%d} (UTC)", 1)
    assert seen(f"since {that_day}") == (f"Since {midnight:%Y-%m-%d} 00", 1)
    assert [seen(f"last {that_day}")[1], seen(f"since {before}")[1]] == [1, 1]
    assert [seen(f"on {day}")[1] for day in (before, after, today)] == [0, 0, 0]
    assert seen(f"since {after}")[1] == 0
    clock.advance(timedelta(hours=2).total_seconds())
    assert seen(f"on {midnight + timedelta(days=3):%A}")[0] == f"On {midnight + timedelta(days=3):%A %Y-%m-%d} (UTC)"


@pytest.mark.parametrize("message", ["undo the last run", f"undo {RUN}", f"keep {RUN}", "keep it"])
def test_a_run_is_undone_or_kept_by_its_command_alone(
    client: httpx.Client, house: House, tokens: dict[Role, str], message: str
) -> None:
    open_incident(house.record)
    walk_a_run(house)
    before = house.record.head().size
    told = say(client, message)
    assert f"grace {message[:4]} {RUN} --reason" in told["response"]
    assert told["response"].startswith("Nothing was done")
    assert house.record.head().size == before
    assert "viewer is viewer" in say(client, message, tokens[Role.VIEWER])["response"]


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("don't halt", "Nothing was done"),
        ("please do not stop everything", "Nothing was done"),
        ("delete all incidents", "GRACE does not do that from here"),
        ("yes", "Nothing waits for a person."),
    ],
)
def test_what_is_no_question_to_the_knowledge_cites_nothing_and_does_nothing(
    client: httpx.Client, house: House, message: str, said: str
) -> None:
    before = house.record.head().size
    told = say(client, message)
    assert told["response"].startswith(said)
    assert told["metadata"]["citations"] == []
    assert house.record.head().size == before


def test_a_bare_yes_answers_no_question_and_shows_those_that_wait(client: httpx.Client, house: House) -> None:
    open_incident(house.record)
    ask_people(house)
    told = say(client, "yes")
    assert "Yes and no are not given by a sentence" in told["response"]
    (link,) = told["metadata"]["links"]
    assert link["rel"] == "approval"
    (waiting,) = client.get("/api/autonomy/approvals", params={"state": "waiting"}).json()["items"]
    assert waiting["answers"] == []


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
    not_that = say(client, "end the halt")["response"]
    assert not_that.startswith("No halt stands everywhere.")
    assert "Halted for orders" in not_that
    say(client, "end the halt for orders", tokens[Role.OPERATOR])
    assert house.halts.standing() == ()
    nobody = say(client, "halt ordres")
    assert nobody["metadata"]["refused"]["rule"] == "which"
    assert "Halt everything, or one service? There is no service 'ordres'." in nobody["response"]
    assert "halt orders" in nobody["response"].splitlines()
    assert house.halts.standing() == ()


@pytest.mark.parametrize(
    ("message", "scopes"),
    [
        ("stop everything right now", ["*"]),
        ("can you halt everything?", ["*"]),
        ("pause orders", ["orders"]),
        ("halt? ", []),
        ("halt everything but orders", []),
        ("stop the backend", []),
        ("don't halt", []),
    ],
)
def test_a_cry_to_stop_halts_or_is_asked_back(
    client: httpx.Client, house: House, message: str, scopes: list[str]
) -> None:
    told = say(client, message)
    assert [one.scope for one in house.halts.standing()] == scopes
    assert told["metadata"]["citations"] == []
    assert bool(scopes) == told["response"].startswith("Halted")


def test_all_halts_end_together_where_all_are_said(client: httpx.Client, house: House) -> None:
    say(client, "halt orders")
    say(client, "stop everything")
    assert "Halted for orders" in say(client, "resume")["response"]
    assert [one.scope for one in house.halts.standing()] == ["orders"]
    say(client, "halt")
    assert say(client, "end all halts")["response"].count(" and ") == 1
    assert house.halts.standing() == ()


def opened(house: House, last: str, title: str = "the backend broke") -> Incident:
    """Put one more incident on the record, newer than the one that the tests share."""
    made = open_incident(house.record).model_copy(
        update={"id": INCIDENT[:-1] + last, "fingerprint": last * 16, "title": title}
    )
    house.record.append(
        Draft(
            key=f"{made.id}/opened/1",
            type=EventType.INCIDENT_OPENED,
            actor="grace",
            incident_id=made.id,
            service=made.service,
            payload=made.to_json(),
        )
    )
    return made


DEEDS = ("heal", "fix", "plan", "undo", "keep", "approve", "reject", "halt", "resume", "drill", "end the halt for")


def joined(kind: str, rest: str) -> str:
    return kind + rest


REFERENCES = st.builds(
    joined,
    st.sampled_from(["inc_", "INC_", "run_", "Run_", "apr_", "hlt_"]),
    st.text("0123456789ABCDEFGHJKMNPQRSTVWXYZabcdefgz_-U", max_size=30),
)


def test_an_id_that_nobody_has_leads_to_no_deed_at_all(house: House) -> None:
    opened(house, "7")
    walk_a_run(house)
    house.halts.start("orders", "ann", "a test")
    house.halts.start("*", "ann", "a test")
    admin = Answerer(house, Identity(name="ann", role=Role.ADMIN, token_id="tok_1"))
    before, ids = house.record.head().size, {INCIDENT, INCIDENT[:-1] + "7", RUN}

    @given(st.sampled_from(DEEDS), REFERENCES, st.sampled_from(["", " please", " it", " and the last one", " now!"]))
    def nothing_is_done(verb: str, reference: str, after: str) -> None:
        assume(not any(one.lower().startswith(reference.rstrip("-").lower()) for one in ids))
        assume("_" in reference.strip("-_"))
        message = f"{verb} {reference}{after}"
        told = admin.answer(understand(message, {"orders"}), references_in(words_of(message)))
        assert told.metadata.refused is not None, message
        assert house.record.head().size == before, message
        assert house.drills.latest is None
        assert not any(one in told.response for one in ids if f"undo {one} --" in told.response), message

    nothing_is_done()


@pytest.mark.parametrize("written", [INCIDENT, INCIDENT.lower(), INCIDENT.upper()])
def test_an_id_is_read_in_either_case_and_is_the_one_that_is_healed(
    client: httpx.Client, house: House, written: str
) -> None:
    opened(house, "7")
    assert say(client, f"plan {written}")["response"].startswith(f"What I would do about {INCIDENT};")
    assert f"is open for {INCIDENT}." in say(client, f"heal {written}")["response"]
    (run,) = list(house.record.entries(types={EventType.RUN_OPENED}))
    assert run.incident_id == INCIDENT


@pytest.mark.parametrize(
    "message", ["heal inc_zzzz", f"heal {INCIDENT}0", f"heal {INCIDENT[:-1]}", "fix it", "heal orders"]
)
def test_what_names_no_one_incident_heals_none_and_says_which_there_are(
    client: httpx.Client, house: House, message: str
) -> None:
    other = opened(house, "7")
    before = house.record.head().size
    told = say(client, message)
    assert told["metadata"]["refused"] is not None
    assert house.record.head().size == before
    named = message.split()[1]
    assert named in told["response"] or {INCIDENT, other.id} <= set(re.findall(r"inc_\w+", told["response"]))


def test_this_is_what_the_talk_is_about(client: httpx.Client, house: House) -> None:
    opened(house, "7")
    assert f"is open for {INCIDENT}." in say(client, "fix it", about=INCIDENT.lower())["response"]
    assert say(client, "how do I fix this?", about=INCIDENT)["response"].startswith(INCIDENT)
    assert say(client, "heal it", about="inc_zzzz")["metadata"]["refused"]["rule"] == "no-incident"
    assert say(client, "heal it", about="orders")["metadata"]["refused"]["rule"] == "no-id"


def test_how_to_fix_an_incident_is_told_of_that_incident_with_sources(
    client: httpx.Client, house: House, tokens: dict[Role, str]
) -> None:
    open_incident(house.record)
    for message in (f"how do I fix {INCIDENT.lower()}?", "how do I fix this?"):
        told = say(client, message, tokens[Role.VIEWER])
        assert told["response"].startswith(f"{INCIDENT}: orders (production), OperationalError: database is locked.")
        assert "cause database_locked (confidence" in told["response"]
        assert "from its title alone: it is not diagnosed yet" in told["response"]
        assert "No playbook that is loaded heals database_locked" in told["response"]
        assert f"grace do --service orders --incident {INCIDENT} -- COMMAND" in told["response"]
        assert told["metadata"]["citations"][0]["source"]
    walk_a_run(house)
    assert "not diagnosed yet" not in say(client, f"how do I fix {INCIDENT}")["response"]


def test_how_to_fix_names_the_playbook_for_the_cause_and_its_plan(house: House, record: Record) -> None:
    open_incident(record)
    card = PlaybookCard(name="unlock", version="1", digest="d", summary="End it", causes=("database_locked",))
    with_playbook = replace(house, declared=OneBook((card,)))
    remedy = Remedies(with_playbook).of(INCIDENT)
    assert "playbook unlock: End it" in remedy.lines
    assert f"What it would do now, and whether it may: grace plan {INCIDENT}" in remedy.lines
    assert f"To do it: grace heal {INCIDENT}" in remedy.lines
    why = PlanRefused(run_id=RUN, why="none fits", considered=("unlock 1: no benchmark",))
    put(record, f"{RUN}/plan.refused", EventType.PLAN_REFUSED, why, run_id=RUN)
    remedy = Remedies(with_playbook).of(INCIDENT)
    assert {"The last time no plan was made: none fits", "    considered unlock 1: no benchmark"} <= set(remedy.lines)
    assert f"To do it: grace heal {INCIDENT}" not in remedy.lines


@dataclass(frozen=True, slots=True)
class OneBook:
    """Declares the service of the tests, and some playbooks."""

    cards: tuple[PlaybookCard, ...]

    def services(self) -> Sequence[Service]:
        return [ORDERS]

    def playbooks(self) -> Sequence[PlaybookCard]:
        return self.cards


@pytest.mark.parametrize("message", ["thanks", "who are you", "is it you"])
def test_what_names_nothing_cites_nothing_and_is_told_what_can_be_said(client: httpx.Client, message: str) -> None:
    told = say(client, message)
    assert told["response"].startswith("I do not know what is asked")
    assert "- what is wrong" in told["response"]
    assert told["metadata"]["citations"] == []


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
