import asyncio
import threading
from collections.abc import Callable, Generator

import pytest
from sqlalchemy import text

from grace.kit.clock import SystemClock, VirtualClock
from grace.model.events import EventType
from grace.model.ledger_entry import LedgerEntry
from grace.model.settlement import SettlementKind
from grace.record.mesh.agenda import Pointer
from grace.record.mesh.books import Books, Reading
from grace.record.mesh.delivery import Mesh, SubscriberStandsError, SubscriberUnknownError
from grace.record.mesh.patterns import PatternUnknownError
from grace.record.mesh.subscription import RetryRule
from grace.record.opening import Record, RecordPlaces, open_record
from tests.record.drafts import draft, drafts
from tests.record.samples import opened_run, settled_run

PATIENCE_S = 20


class Inbox:
    """A subscriber that keeps what it was given, and can be told to refuse or to stand still."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.refuses: Callable[[LedgerEntry], bool] = lambda _: False
        self.attempts = 0
        self.may_go = threading.Event()
        self.may_go.set()
        self.is_inside = threading.Event()

    def __call__(self, entry: LedgerEntry) -> None:
        self.attempts += 1
        self.is_inside.set()
        assert self.may_go.wait(PATIENCE_S)
        if self.refuses(entry):
            message = f"no {entry.key}"
            raise ConnectionError(message)
        self.keys.append(entry.key)


@pytest.fixture
def mesh(record: Record, clock: VirtualClock) -> Generator[Mesh]:
    mesh = make_mesh(record, clock)
    yield mesh
    mesh.close()


def make_mesh(record: Record, clock: VirtualClock | SystemClock) -> Mesh:
    mesh = Mesh(record, record.reader, clock)
    record.on_added(mesh.notice_added)
    return mesh


def keys(count: int, prefix: str = "k") -> list[str]:
    return [item.key for item in drafts(count, prefix)]


def test_every_entry_arrives_once_and_in_order(record: Record, mesh: Mesh) -> None:
    inbox = Inbox()
    mesh.subscribe("all", ["*"], inbox)
    record.append_all(drafts(250))
    for item in drafts(50, "single"):
        record.append(item)
    assert mesh.wait_delivered("all", 299, PATIENCE_S)
    assert inbox.keys == keys(250) + keys(50, "single")


def test_a_subscriber_gets_what_it_asked_for_and_is_done_with_the_rest(record: Record, mesh: Mesh) -> None:
    inbox = Inbox()
    mesh.subscribe("runs", ["run.*"], inbox)
    record.append_all([draft("a"), opened_run(), draft("b"), settled_run(SettlementKind.COMMITTED), draft("c")])
    assert mesh.wait_delivered("runs", 4, PATIENCE_S)
    assert inbox.keys == ["run_1/opened", "run_1/settled"]


def test_a_new_subscriber_begins_with_what_comes_unless_it_asks_for_the_past(record: Record, mesh: Mesh) -> None:
    record.append_all(drafts(10))
    new, old = Inbox(), Inbox()
    mesh.subscribe("new", ["*"], new)
    mesh.subscribe("old", ["*"], old, begins_at=7)
    record.append(draft("next"))
    assert mesh.wait_delivered("new", 10, PATIENCE_S)
    assert mesh.wait_delivered("old", 10, PATIENCE_S)
    assert new.keys == ["next"]
    assert old.keys == ["k7", "k8", "k9", "next"]


def test_a_subscriber_goes_on_after_a_restart_where_it_stopped(places: RecordPlaces, clock: VirtualClock) -> None:
    inbox = Inbox()
    with open_record(places, clock=clock) as record:
        mesh = make_mesh(record, clock)
        mesh.subscribe("all", ["*"], inbox)
        record.append_all(drafts(5, "before"))
        assert mesh.wait_delivered("all", 4, PATIENCE_S)
        mesh.close()
        record.append(draft("unseen"))
    with open_record(places, clock=clock) as record:
        mesh = make_mesh(record, clock)
        mesh.subscribe("all", ["*"], inbox)
        record.append_all(drafts(5, "after"))
        assert mesh.wait_delivered("all", 10, PATIENCE_S)
        mesh.close()
    assert inbox.keys == [*keys(5, "before"), "unseen", *keys(5, "after")]


def test_a_slow_subscriber_delays_no_other(record: Record, mesh: Mesh) -> None:
    slow, quick = Inbox(), Inbox()
    slow.may_go.clear()
    mesh.subscribe("slow", ["*"], slow)
    mesh.subscribe("quick", ["*"], quick)
    record.append_all(drafts(300))
    assert mesh.wait_delivered("quick", 299, PATIENCE_S)
    assert slow.keys == []
    slow.may_go.set()
    assert mesh.wait_delivered("slow", 299, PATIENCE_S)
    assert slow.keys == quick.keys == keys(300)


def test_a_refused_entry_is_offered_again_with_growing_patience(
    record: Record, mesh: Mesh, clock: VirtualClock
) -> None:
    inbox = Inbox()
    inbox.refuses = lambda entry: entry.key == "k1" and inbox.attempts < 4
    mesh.subscribe("all", ["*"], inbox, rule=RetryRule(attempts=5, first_delay_s=1, factor=2))
    record.append_all(drafts(3))
    assert mesh.wait_delivered("all", 2, PATIENCE_S)
    assert inbox.keys == keys(3)
    assert inbox.attempts == 5
    assert clock.waited_s >= (1 + 2) / 2
    assert mesh.dead_letters() == ()


def test_an_entry_refused_too_often_is_put_aside_and_the_rest_goes_on(record: Record, mesh: Mesh) -> None:
    failing, other = Inbox(), Inbox()
    failing.refuses = lambda entry: entry.key == "k1"
    mesh.subscribe("failing", ["*"], failing, rule=RetryRule(attempts=3))
    mesh.subscribe("other", ["*"], other)
    record.append_all(drafts(4))
    assert mesh.wait_delivered("failing", 3, PATIENCE_S)
    assert mesh.wait_delivered("other", 3, PATIENCE_S)
    assert failing.keys == ["k0", "k2", "k3"]
    assert other.keys == keys(4)
    (letter,) = mesh.dead_letters("failing")
    assert (letter.subscriber, letter.index, letter.attempts) == ("failing", 1, 3)
    assert letter.error == "ConnectionError: no k1"
    assert mesh.dead_letters("other") == ()


def test_a_dead_letter_can_be_delivered_by_a_replay(record: Record, mesh: Mesh) -> None:
    inbox = Inbox()
    inbox.refuses = lambda entry: entry.key == "k1"
    mesh.subscribe("all", ["step.*"], inbox, rule=RetryRule(attempts=2))
    record.append_all(drafts(4))
    assert mesh.wait_delivered("all", 3, PATIENCE_S)
    inbox.refuses = lambda _: False
    mesh.replay("all", 1, by="ann", reason="it works again")
    assert mesh.wait_delivered("all", 4, PATIENCE_S)
    assert inbox.keys == ["k0", "k2", "k3", "k1", "k2", "k3"]
    record.run(lambda _: None)
    assert mesh.dead_letters("all") == ()
    (rewound,) = record.entries(types={EventType.SUBSCRIBER_REWOUND})
    assert (rewound.actor, rewound.payload) == (
        "ann",
        {"subscriber": "all", "delivered": 0, "by": "ann", "reason": "it works again"},
    )


def test_a_replay_interrupts_a_subscriber_that_waits_to_try_again(record: Record) -> None:
    inbox, refused = Inbox(), threading.Event()

    def refuses_at_first(entry: LedgerEntry) -> bool:
        if entry.key != "k1" or refused.is_set():
            return False
        refused.set()
        return True

    inbox.refuses = refuses_at_first
    mesh = make_mesh(record, SystemClock())
    mesh.subscribe("all", ["step.*"], inbox, rule=RetryRule(first_delay_s=3600, longest_delay_s=3600))
    record.append_all(drafts(2))
    assert refused.wait(PATIENCE_S)
    mesh.replay("all", 0)
    assert mesh.wait_delivered("all", 1, PATIENCE_S)
    mesh.close()
    assert inbox.keys == ["k0", "k0", "k1"]


def test_closing_waits_for_the_delivery_under_way_and_no_longer(record: Record) -> None:
    inbox = Inbox()
    inbox.may_go.clear()
    mesh = make_mesh(record, SystemClock())
    mesh.subscribe("all", ["*"], inbox)
    record.append_all(drafts(5))
    assert inbox.is_inside.wait(PATIENCE_S)
    closing = threading.Thread(target=mesh.close)
    closing.start()
    inbox.may_go.set()
    closing.join(PATIENCE_S)
    assert not closing.is_alive()
    assert inbox.keys == ["k0"]
    record.close()


def test_the_cursor_is_durable_once_written(record: Record, mesh: Mesh) -> None:
    mesh.subscribe("all", ["*"], Inbox())
    record.append_all(drafts(5))
    assert mesh.wait_delivered("all", 4, PATIENCE_S)
    mesh.close()
    record.run(lambda _: None)
    with record.read() as connection:
        saved = connection.execute(text("SELECT subscriber, delivered FROM mesh_cursors")).all()
    assert [tuple(row) for row in saved] == [("all", 4)]


def test_entries_that_nobody_wants_cost_no_further_commit(record: Record, mesh: Mesh) -> None:
    commits: list[int] = []
    mesh.subscribe("runs", ["run.*"], Inbox())
    record.on_commit(commits.append)
    for number in range(5):
        record.append(draft(f"not meant {number}"))
        assert mesh.wait_delivered("runs", number, PATIENCE_S)
    assert commits == [0, 1, 2, 3, 4]
    mesh.close()
    record.run(lambda _: None)
    with record.read() as connection:
        assert connection.execute(text("SELECT delivered FROM mesh_cursors")).scalar_one() == 4


def test_nobody_wakes_up_for_what_nobody_wants(record: Record, mesh: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    readings: list[Reading] = []
    look_up = Books.look_up

    def counted(books: Books, reading: Reading) -> tuple[tuple[Pointer, ...], tuple[Pointer, ...]]:
        readings.append(reading)
        return look_up(books, reading)

    monkeypatch.setattr(Books, "look_up", counted)
    inbox = Inbox()
    mesh.subscribe("runs", ["run.*"], inbox)
    record.append(opened_run())
    assert mesh.wait_delivered("runs", 0, PATIENCE_S)
    before = len(readings)
    for item in drafts(5):
        record.append(item)
    assert mesh.wait_delivered("runs", 5, PATIENCE_S)
    assert len(readings) == before
    record.append(settled_run(SettlementKind.COMMITTED))
    assert mesh.wait_delivered("runs", 6, PATIENCE_S)
    assert inbox.keys == ["run_1/opened", "run_1/settled"]


def test_whoever_heeds_nothing_at_the_moment_is_passed_over_and_goes_on_later(record: Record, mesh: Mesh) -> None:
    inbox, heeds = Inbox(), threading.Event()
    mesh.subscribe("now and then", ["*"], inbox, heeds=heeds.is_set)
    for index, (key, is_heeded) in enumerate([("first", True), ("meanwhile", False), ("again", True)]):
        (heeds.set if is_heeded else heeds.clear)()
        record.append(draft(key))
        assert mesh.wait_delivered("now and then", index, PATIENCE_S)
    assert inbox.keys == ["first", "again"]


def test_what_came_unnoticed_is_not_passed_over(record: Record, clock: VirtualClock) -> None:
    mesh, inbox = Mesh(record, record.reader, clock), Inbox()
    mesh.subscribe("runs", ["run.*"], inbox)
    record.append(opened_run())  # as another process would: nobody tells the mesh
    record.on_added(mesh.notice_added)
    record.append(draft("not meant"))
    assert mesh.wait_delivered("runs", 1, PATIENCE_S)
    assert inbox.keys == ["run_1/opened"]
    mesh.close()


def test_names_and_patterns_are_checked_when_subscribing(mesh: Mesh) -> None:
    mesh.subscribe("one", ["run.*"], Inbox())
    with pytest.raises(SubscriberStandsError, match="'one'"):
        mesh.subscribe("one", ["run.*"], Inbox())
    with pytest.raises(PatternUnknownError):
        mesh.subscribe("two", ["rum.*"], Inbox())
    with pytest.raises(SubscriberUnknownError, match="There are: one"):
        mesh.replay("three", 0)


async def test_a_follower_sees_the_past_it_asked_for_and_then_what_comes(record: Record, mesh: Mesh) -> None:
    await asyncio.to_thread(record.append_all, drafts(150))
    following = mesh.follow(after=-1)
    seen = [(await anext(following)).key for _ in range(150)]
    assert seen == keys(150)
    await asyncio.to_thread(record.append, draft("live"))
    assert (await asyncio.wait_for(anext(following), PATIENCE_S)).key == "live"
    await following.aclose()


async def test_a_follower_wakes_for_what_is_appended_while_it_waits(record: Record, mesh: Mesh) -> None:
    following = mesh.follow(["run.*"])
    waiting = asyncio.ensure_future(anext(following))
    await asyncio.sleep(0)
    await asyncio.to_thread(record.append_all, [draft("not meant"), opened_run()])
    assert (await asyncio.wait_for(waiting, PATIENCE_S)).type is EventType.RUN_OPENED
    await following.aclose()


def test_a_follower_whose_loop_is_gone_is_forgotten(record: Record, mesh: Mesh) -> None:
    async def follow_once() -> None:
        following = mesh.follow(after=-1)
        assert (await anext(following)).key == "k0"

    record.append_all(drafts(2))
    asyncio.run(follow_once())
    record.append(draft("after"))
    assert record.find("after") is not None
    assert not mesh._wakers  # pyright: ignore[reportPrivateUsage]
