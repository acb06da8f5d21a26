"""The websocket, over real connections."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Generator
from dataclasses import replace
from datetime import timedelta

import pytest
from fastapi import FastAPI
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from grace.api.house import House
from grace.api.live import LiveLimits
from grace.api.roles import Role
from grace.kit.clock import SystemClock
from grace.model.events import EventType
from grace.model.ledger_entry import Draft
from tests.api.followers import PATIENCE_S, Follower, follow
from tests.api.houses import INCIDENT, RUN, open_incident, walk_a_run
from tests.api.serving import served

BEAT_S = 0.05


@pytest.fixture
def quick(app: FastAPI) -> LiveLimits:
    app.state.live.limits = LiveLimits(heartbeat_s=BEAT_S, first_message_s=0.2, slow_s=0.5)
    return app.state.live.limits


@pytest.fixture
def address(app: FastAPI) -> Generator[str]:
    with served(app) as opened:
        yield opened


def note(house: House, key: str, payload: str = "") -> int:
    draft = Draft(key=key, type=EventType.STEP_NOTED, actor="tester", payload={"text": payload})
    return house.record.append(draft).index


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.APPROVER, Role.ADMIN])
def test_who_may_view_may_follow(address: str, tokens: dict[Role, str], role: Role) -> None:
    with follow(address, tokens[role], after=-1) as follower:
        assert follower.hear()["type"] == "subscribed"


def test_a_sender_may_not_follow(address: str, tokens: dict[Role, str]) -> None:
    with follow(address, tokens[Role.SENDER], after=-1) as follower:
        assert follower.hear_the_end() == (1008, "sender is sender; this needs viewer")


def test_the_token_may_come_in_the_first_message(address: str, tokens: dict[Role, str]) -> None:
    with follow(address, after=-1, token=tokens[Role.VIEWER]) as follower:
        assert follower.hear()["type"] == "subscribed"


def test_without_a_good_token_nothing_is_told(address: str, tokens: dict[Role, str]) -> None:
    with follow(address, after=-1) as follower:
        code, reason = follower.hear_the_end()
        assert (code, reason[:8]) == (1008, "no token")
    with follow(address, "grace_nobodys", after=-1) as follower:
        assert follower.hear_the_end() == (1008, "The token is unknown, expired or revoked.")
    in_the_address = f"{address.replace('http', 'ws')}/api/events/live?token={tokens[Role.ADMIN]}"
    with connect(in_the_address, proxy=None) as opened:
        follower = Follower(opened)
        follower.say(type="subscribe")
        assert follower.hear_the_end()[0] == 1008


def test_a_follower_sees_the_past_it_asks_for_and_then_what_comes(
    address: str, house: House, tokens: dict[Role, str]
) -> None:
    open_incident(house.record)
    with follow(address, tokens[Role.VIEWER], patterns=["incident.*", "step.noted"], after=-1) as follower:
        subscribed = follower.hear()
        assert subscribed["origin"] == house.record.origin
        assert subscribed["head"] == house.record.reader.size() - 1
        (opened,) = follower.hear_events(1)
        assert (opened["type"], opened["incident_id"]) == ("incident.opened", INCIDENT)
        index = note(house, "live", "now")
        (live,) = follower.hear_events(1)
        assert (live["index"], live["payload"]) == (index, {"text": "now"})


def test_who_resumes_behind_the_last_index_misses_nothing_and_sees_nothing_twice(
    address: str, house: House, tokens: dict[Role, str]
) -> None:
    seen: list[str] = []
    after = note(house, "start")
    for connection in range(5):
        for number in range(40):
            note(house, f"{connection}/{number}")
        with follow(address, tokens[Role.VIEWER], patterns=["step.*"], after=after) as follower:
            events = follower.hear_events(17)  # cut off in the middle
            seen += [event["key"] for event in events]
            after = events[-1]["index"]
    with follow(address, tokens[Role.VIEWER], patterns=["step.*"], after=after) as follower:
        seen += [event["key"] for event in follower.hear_events(200 - len(seen))]
    assert seen == [f"{connection}/{number}" for connection in range(5) for number in range(40)]


def test_a_follower_may_ask_for_one_run_alone(address: str, house: House, tokens: dict[Role, str]) -> None:
    open_incident(house.record)
    walk_a_run(house)
    note(house, "of nobody")
    with follow(address, tokens[Role.VIEWER], after=-1, run_id=RUN) as follower:
        events = follower.hear_events(8)
    assert {event["run_id"] for event in events} == {RUN}
    assert events[-1]["type"] == "run.settled"


@pytest.mark.usefixtures("quick")
def test_silence_is_filled_with_heartbeats_that_say_how_far_the_log_was_seen(
    address: str, house: House, tokens: dict[Role, str]
) -> None:
    with follow(address, tokens[Role.VIEWER], patterns=["run.settled"], after=-1) as follower:
        assert follower.hear()["heartbeat_s"] == BEAT_S
        index = note(house, "not meant")
        while (heard := follower.hear())["index"] < index:
            assert heard["type"] == "heartbeat"
        assert (heard["type"], heard["index"]) == ("heartbeat", index)


@pytest.mark.usefixtures("quick")
def test_a_log_that_is_busy_with_other_things_keeps_no_heartbeat_back(
    address: str, house: House, tokens: dict[Role, str]
) -> None:
    is_over = threading.Event()

    def write() -> None:
        number = 0
        while not is_over.wait(BEAT_S / 10):
            note(house, f"other {(number := number + 1)}")

    writing = threading.Thread(target=write)
    writing.start()
    with follow(address, tokens[Role.VIEWER], patterns=["run.settled"], after=-1) as follower:
        heard = [follower.hear() for _ in range(4)]
    is_over.set()
    writing.join()
    assert [message["type"] for message in heard] == ["subscribed", "heartbeat", "heartbeat", "heartbeat"]
    assert heard[1]["index"] < heard[3]["index"]


def test_an_erased_payload_is_not_told(address: str, house: House, tokens: dict[Role, str]) -> None:
    index = note(house, "private", "a name")
    house.record.erase(index, by="admin", reason="asked to")
    with follow(address, tokens[Role.VIEWER], patterns=["step.noted"], after=-1) as follower:
        (told,) = follower.hear_events(1)
    assert (told["index"], told["payload"]) == (index, None)


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ("not json", "not a subscribe message"),
        ('{"type": "subscribe", "pattern": ["*"]}', "pattern: is not known here"),
        ('{"type": "unsubscribe"}', "type: should be 'subscribe'"),
        ('{"type": "subscribe", "patterns": []}', "patterns"),
        ('{"type": "subscribe", "patterns": ["run.setled"]}', "Did you mean run.settled"),
        ('{"type": "subscribe", "after": -2}', "after"),
        ('{"type": "subscribe", "after": 1000000}', "is this another log?"),
        (b"\x00\x01", "not a subscribe message"),
    ],
)
def test_what_is_no_subscription_is_refused_with_the_reason(
    address: str, tokens: dict[Role, str], message: str | bytes, why: str
) -> None:
    with follow(address, tokens[Role.VIEWER]) as follower:
        follower.socket.send(message)
        code, reason = follower.hear_the_end()
    assert code == 1008
    assert why in reason
    assert len(reason.encode()) <= 123


@pytest.mark.parametrize("pattern", ["nope.x", "run.setled", "run.set*"])
def test_a_type_that_there_is_not_is_refused_before_anything_is_said_to_be_subscribed(
    address: str, tokens: dict[Role, str], pattern: str
) -> None:
    with follow(address, tokens[Role.VIEWER], patterns=["run.*", pattern]) as follower:
        with pytest.raises(ConnectionClosed) as closed:
            follower.hear()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason[:18]) == (1008, "unknown event type")


@pytest.mark.usefixtures("quick")
def test_who_says_nothing_or_too_much_is_shown_out(address: str, tokens: dict[Role, str]) -> None:
    with follow(address, tokens[Role.VIEWER]) as silent:
        assert silent.hear_the_end() == (1008, "no subscribe message came in time")
    with follow(address, tokens[Role.VIEWER], after=-1) as talker:
        talker.say(type="subscribe", after=3)
        assert talker.hear_the_end() == (1008, "one connection has one subscription; open another")
    with follow(address, tokens[Role.VIEWER]) as long:
        long.socket.send("x" * 70_000)
        assert long.hear_the_end()[0] == 1009


@pytest.mark.usefixtures("quick")
def test_a_token_that_is_revoked_or_expires_ends_what_it_opened(address: str, house: House) -> None:
    revoked = house.tokens.issue("ann", Role.VIEWER, by="tests")
    expiring = house.tokens.issue("ben", Role.VIEWER, by="tests", lifetime=timedelta(seconds=1))
    with follow(address, revoked.secret, after=-1) as follower:
        follower.hear_events(1)
        house.tokens.revoke(revoked.token.id, by="tests")
        assert follower.hear_the_end() == (1008, "The token is unknown, expired or revoked.")
    with follow(address, expiring.secret, after=-1) as follower:
        assert follower.hear_the_end() == (1008, "The token is unknown, expired or revoked.")


def test_who_does_not_read_is_dropped_with_the_index_to_resume_from(
    app: FastAPI, address: str, house: House, tokens: dict[Role, str]
) -> None:
    app.state.live.limits = replace(LiveLimits(), slow_s=0.2, farewell_s=PATIENCE_S)
    large = "x" * 200_000
    for number in range(100):
        note(house, f"k{number}", large)
    headers = {"Authorization": f"Bearer {tokens[Role.VIEWER]}"}
    url = address.replace("http", "ws") + "/api/events/live"
    with (
        socket.socket() as small,
        follow(address, tokens[Role.VIEWER], patterns=["step.*"], after=-1) as quick,
    ):
        small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        host, port = address.removeprefix("http://").split(":")
        small.connect((host, int(port)))
        with connect(
            url, sock=small, additional_headers=headers, compression=None, max_queue=1, close_timeout=1
        ) as opened:
            slow = Follower(opened)
            slow.say(type="subscribe", patterns=["step.*"], after=-1)
            assert len(quick.hear_events(100)) == 100  # the slow one delays no other
            assert comes(lambda: app.state.live.dropped == 1)
            events, code, reason = slow.hear_out()
    seen = [event["index"] for event in events]
    assert code == 1013
    assert 0 < len(seen) < 100
    assert reason == f"too slow; resume with after={seen[-1]}"
    with follow(address, tokens[Role.VIEWER], patterns=["step.*"], after=seen[-1]) as again:
        assert again.hear_events(1)[0]["key"] == f"k{len(seen)}"


def test_too_many_followers_are_asked_to_come_later(app: FastAPI, address: str, tokens: dict[Role, str]) -> None:
    app.state.live.limits = replace(LiveLimits(), most_followers=1)
    with follow(address, tokens[Role.VIEWER], after=-1) as first:
        first.hear()
        with follow(address, tokens[Role.VIEWER], after=-1) as second:
            assert second.hear_the_end() == (1013, "too many follow this server; try again later")
    assert comes(lambda: app.state.live.followers == 0)
    with follow(address, tokens[Role.VIEWER], after=-1) as third:
        assert third.hear()["type"] == "subscribed"


def test_a_server_that_ends_says_goodbye(app: FastAPI, tokens: dict[Role, str]) -> None:
    with served(app) as address:
        followers = [follow(address, tokens[Role.VIEWER], after=-1) for _ in range(3)]
        opened = [each.__enter__() for each in followers]
        for each in opened:
            assert each.hear()["type"] == "subscribed"
    for each in opened:
        code, reason = each.hear_the_end()
        assert (code, reason) == (1001, "the server goes away; resume with the last index")
    for each in followers:
        each.__exit__(None, None, None)


def test_who_leaves_is_forgotten(app: FastAPI, address: str, tokens: dict[Role, str]) -> None:
    with follow(address, tokens[Role.VIEWER], after=-1) as follower:
        follower.hear()
        assert app.state.live.followers == 1
    assert comes(lambda: app.state.live.followers == 0)


def comes(holds: Callable[[], bool]) -> bool:
    clock = SystemClock()
    until = clock.monotonic() + PATIENCE_S
    while not holds():
        if clock.monotonic() > until:
            return False
        clock.sleep(0.005)
    return True
