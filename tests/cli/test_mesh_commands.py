"""Commands about events, subscribers and webhooks, against a real server and a real receiver."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from grace.api.application import create_app
from grace.api.house import House
from grace.api.roles import Role
from grace.cli.exits import Exit
from grace.model.events import EventType
from grace.model.ledger_entry import Draft
from grace.record.mesh.webhooks.declarations import Webhook
from grace.record.mesh.webhooks.outbox import Outbox
from grace.record.opening import RecordPlaces, open_record
from tests.api.houses import RUN, Engine, make_house, open_incident, tokens_of, walk_a_run
from tests.api.serving import served
from tests.cli.conftest import Grace, Said
from tests.record.mesh.receivers import SECRET, Receiver, read_event, receiving, with_status
from tests.record.mesh.test_patience import comes


@dataclass(frozen=True, slots=True)
class Place:
    """A server with one webhook, its receiver, and commands that talk to it."""

    house: House
    receiver: Receiver
    grace: Grace
    address: str
    tokens: dict[Role, str]

    def __call__(self, *arguments: str, role: Role = Role.ADMIN) -> Said:
        return self.grace(*arguments, "--server", self.address, "--token", self.tokens[role])

    def note(self, key: str) -> int:
        draft = Draft(key=key, type=EventType.STEP_NOTED, actor="tester", service="orders", payload={"name": key})
        return self.house.record.append(draft).index

    def status(self) -> dict[str, object]:
        return self("mesh", "status", "--json").json["items"][0]


@pytest.fixture
def place(tmp_path: Path, grace: Grace) -> Generator[Place]:
    with open_record(RecordPlaces.within(tmp_path / "record")) as record, receiving() as receiver:
        hook = Webhook(
            name="pager",
            url=receiver.url,
            events=("step.*",),
            secrets=("env:PAGER",),
            network="private",  # pyright: ignore[reportArgumentType]
            attempts=1,
        )
        plain = make_house(record, Engine())
        house = replace(plain, outbox=Outbox((hook,), record.origin, lambda _: SECRET, plain.clock))
        house.outbox.subscribe(house.mesh)
        with served(create_app(house)) as address:
            yield Place(house, receiver, grace, address, tokens_of(house))
        house.mesh.close()


def test_events_are_watched_from_an_index_on(place: Place) -> None:
    first = place.note("one")
    place.note("two")
    said = place("watch", "step.*", "--after", str(first - 1), "--count", "2", role=Role.VIEWER)
    assert said.code == 0
    lines = said.out.splitlines()
    assert [line.split()[0] for line in lines] == [str(first), str(first + 1)]
    assert [line.split()[-1] for line in lines] == ["one", "two"]
    as_json = place("watch", "step.*", "--after", str(first), "--count", "1", "--json")
    assert json.loads(as_json.out)["key"] == "two"


def test_one_run_is_watched(place: Place) -> None:
    open_incident(place.house.record)
    walk_a_run(place.house)
    said = place("watch", "--run", "@last", "--after", "-1", "--count", "8", "--json")
    events = [json.loads(line) for line in said.out.splitlines()]
    assert {event["run_id"] for event in events} == {RUN}


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (("watch", "run.setled", "--count", "1"), Exit.USAGE, "Did you mean run.settled"),
        (("watch", "--after", "99999", "--count", "1"), Exit.REFUSED, "is this another log?"),
        (("mesh", "requeue", "webhook:pager"), Exit.USAGE, "name indexes, or say --all"),
        (("mesh", "requeue", "webhook:pager", "9999"), Exit.USAGE, "no dead letter 9999"),
        (("mesh", "requeue", "webhook:nobody", "9999"), Exit.USAGE, "There are: webhook:pager"),
        (("mesh", "discard", "webhook:pager", "9999", "--reason", "x"), Exit.USAGE, "no dead letter 9999"),
        (("mesh", "requeue", "webhook:nobody", "--all"), Exit.USAGE, "There are: webhook:pager"),
        (("mesh", "enable", "webhook:pager"), Exit.REFUSED, "is not disabled"),
        (("webhook", "test", "nobody"), Exit.USAGE, "There are: pager"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_reason(
    place: Place, arguments: tuple[str, ...], code: Exit, why: str
) -> None:
    said = place(*arguments)
    assert said.code == code
    assert why in said.err


def test_a_sender_may_not_watch(place: Place) -> None:
    said = place("watch", "--count", "1", role=Role.SENDER)
    assert (said.code, "this needs viewer" in said.err) == (Exit.REFUSED, True)


def test_a_server_that_is_not_there_is_told_at_once(grace: Grace) -> None:
    said = grace("watch", "--server", "http://127.0.0.1:9", "--token", "grace_x")
    assert said.code == Exit.UNREACHABLE


def test_a_watch_goes_on_where_it_was_when_the_server_comes_back(
    tmp_path: Path, grace: Grace, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_record(RecordPlaces.within(tmp_path / "record")) as record:
        house = make_house(record, Engine())
        token = tokens_of(house)[Role.VIEWER]
        drafts = [Draft(key=f"k{n}", type=EventType.STEP_NOTED, actor="me", payload={}) for n in range(4)]
        ended: list[Said] = []
        with served(create_app(house)) as address:
            port = int(address.rpartition(":")[2])
            watching = threading.Thread(
                target=lambda: ended.append(
                    grace("watch", "step.*", "--count", "4", "--json", "--server", address, "--token", token)
                )
            )
            watching.start()
            assert comes(lambda: house.mesh._wakers != set())  # pyright: ignore[reportPrivateUsage]
            record.append_all(drafts[:2])
        record.append_all(drafts[2:])  # while nobody serves
        with served(create_app(house), port):
            watching.join(30)
        assert not watching.is_alive()
        assert [json.loads(line)["key"] for line in ended[0].out.splitlines()] == ["k0", "k1", "k2", "k3"]
        assert "trying again" not in ended[0].err  # with --json, people's asides are left out
    capsys.readouterr()


def test_dead_letters_are_seen_requeued_and_discarded(place: Place) -> None:
    place.receiver.answer = with_status(500)
    first, second, third = (place.note(key) for key in ("a", "b", "c"))
    assert comes(lambda: place.status()["dead_letters"] == 3)
    assert "HTTP 500" in place("mesh", "letters").out
    assert "next: grace mesh letters webhook:pager" in place("mesh", "status").out
    partly = place("mesh", "requeue", "webhook:pager", str(second), "9999")
    assert (partly.code, "no dead letter 9999; nothing was moved" in partly.err) == (Exit.USAGE, True)
    place.receiver.answer = with_status(204)
    assert place("mesh", "requeue", "webhook:pager", str(second), role=Role.OPERATOR).code == 0
    assert comes(lambda: place.status()["dead_letters"] == 2)
    refused = place("mesh", "discard", "webhook:pager", str(first), "--reason", "a test", role=Role.OPERATOR)
    assert refused.code == Exit.REFUSED
    assert place("mesh", "discard", "webhook:pager", str(first)).code == Exit.USAGE  # without a reason
    assert "1 dead letter" in place("mesh", "discard", "webhook:pager", str(first), "--reason", "a test").out
    assert place("mesh", "requeue", "webhook:pager", "--all", "--json").json["indexes"] == [third]
    assert comes(lambda: place.status()["dead_letters"] == 0)
    assert place("mesh", "letters", "webhook:pager", "--json").json["items"] == []
    none_left = place("mesh", "requeue", "webhook:pager", "--all")
    assert (none_left.code, "0 dead letters" in none_left.out) == (0, True)


def test_a_subscriber_that_was_gone_is_enabled_and_rewound(place: Place) -> None:
    place.receiver.answer = with_status(410)
    index = place.note("a")
    assert comes(lambda: place.status()["state"] == "disabled")
    shown = place("mesh", "status").out
    assert "■ disabled" in shown
    assert "HTTP 410 Gone" in shown
    assert "next: grace mesh enable webhook:pager" in shown
    place.receiver.answer = with_status(200)
    assert place("mesh", "enable", "webhook:pager", "--reason", "moved").code == 0
    assert comes(lambda: len(place.receiver.got) == 2)
    assert place("mesh", "replay", "webhook:pager", "--from", str(index)).code == 0
    assert comes(lambda: len(place.receiver.got) == 3)
    assert len({got.headers["webhook-id"] for got in place.receiver.got}) == 1


def test_a_replay_from_beyond_the_log_is_refused_with_the_last_index_and_moves_nothing(place: Place) -> None:
    last = place.note("a")
    assert comes(lambda: place.status()["behind"] == 0)
    stood, entries = place.status()["delivered"], place.house.record.head().size
    for beyond in (last + 1, 99999):
        refused = place("mesh", "replay", "webhook:pager", "--from", str(beyond))
        assert refused.code == Exit.REFUSED
        assert f"no entry {beyond} to begin at: the last entry of the ledger is {last}" in refused.err
    assert (place.status()["delivered"], place.house.record.head().size) == (stood, entries)


def test_webhooks_are_listed_and_tested(place: Place) -> None:
    assert place("webhook", "list", role=Role.VIEWER).out.splitlines()[1].split()[:2] == ["pager", "step.*"]
    said = place("webhook", "test", "pager", role=Role.OPERATOR)
    assert (said.code, said.out.splitlines()[0][:7]) == (0, "✓ taken")
    (got,) = place.receiver.got
    assert read_event(got.headers, got.body).attributes["type"] == "dev.grace.webhook.test"
    place.receiver.answer = with_status(403)
    refused = place("webhook", "test", "pager", role=Role.OPERATOR)
    assert (refused.code, "HTTP 403 Forbidden" in refused.out) == (Exit.FAULT, True)
    assert place("webhook", "test", "pager", "--json").json["taken"] is False
