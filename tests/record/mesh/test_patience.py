"""Several at once, one key at a time; what hangs, fails, is gone, or is cut off."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Generator
from datetime import datetime

import pytest

from grace.kit.clock import SystemClock, VirtualClock
from grace.model.events import EventType
from grace.model.ledger_entry import Draft, LedgerEntry
from grace.record.mesh.books import Books, Reading
from grace.record.mesh.delivery import Mesh, SubscriberUnknownError
from grace.record.mesh.subscription import MOST_HANGING, RetryRule, SubscriberGone, TryLater
from grace.record.opening import Record, RecordPlaces, open_record
from tests.record.drafts import draft, drafts

PATIENCE_S = 30
FOREVER = RetryRule(attempts=1_000, first_delay_s=0.001, longest_delay_s=0.001)


@pytest.fixture
def real_clock() -> SystemClock:
    return SystemClock()


@pytest.fixture
def mesh(record: Record, real_clock: SystemClock) -> Generator[Mesh]:
    mesh = Mesh(record, record.reader, real_clock)
    record.on_added(mesh.notice_added)
    yield mesh
    mesh.close()


class Book:
    """Writes down what was delivered, by run, and does what a test says before."""

    def __init__(self, before: Callable[[LedgerEntry], None] = lambda _: None) -> None:
        self.before = before
        self.taken: list[int] = []
        self.by_run: dict[str | None, list[str]] = defaultdict(list)
        self.inside: set[str | None] = set()
        self.most_inside = 0
        self.overlaps = 0
        self._lock = threading.Lock()

    def __call__(self, entry: LedgerEntry) -> None:
        with self._lock:
            self.overlaps += entry.run_id in self.inside
            self.inside.add(entry.run_id)
            self.most_inside = max(self.most_inside, len(self.inside))
        try:
            self.before(entry)
            with self._lock:
                self.taken.append(entry.index)
                self.by_run[entry.run_id].append(entry.key)
        finally:
            with self._lock:
                self.inside.discard(entry.run_id)


def of_runs(runs: int, each: int) -> list[Draft]:
    return [draft(f"r{run}/{number}", run_id=f"run_{run}") for number in range(each) for run in range(runs)]


def test_different_keys_are_delivered_at_once_and_one_key_in_order(record: Record, mesh: Mesh) -> None:
    all_in = threading.Barrier(4)

    def meet(entry: LedgerEntry) -> None:
        if entry.key.endswith("/0"):
            all_in.wait(PATIENCE_S)  # broken unless four are inside together

    book = Book(meet)
    mesh.subscribe("all", ["*"], book, concurrency=4)
    record.append_all(of_runs(4, 50))
    assert mesh.wait_delivered("all", 199, PATIENCE_S)
    assert book.by_run == {f"run_{run}": [f"r{run}/{number}" for number in range(50)] for run in range(4)}
    assert (book.most_inside, book.overlaps) == (4, 0)


def test_never_more_at_once_than_was_agreed(record: Record, mesh: Mesh) -> None:
    book = Book()
    mesh.subscribe("all", ["*"], book, concurrency=2)
    record.append_all(of_runs(20, 10))
    assert mesh.wait_delivered("all", 199, PATIENCE_S)
    assert (len(book.taken), book.overlaps) == (200, 0)
    assert book.most_inside <= 2


def test_a_failing_key_holds_back_only_itself_and_the_cursor(record: Record, mesh: Mesh) -> None:
    may_heal = threading.Event()

    def refuse(entry: LedgerEntry) -> None:
        if entry.key == "r0/0" and not may_heal.is_set():
            message = "not yet"
            raise ConnectionError(message)

    book = Book(refuse)
    others_done = threading.Event()

    def deliver(entry: LedgerEntry) -> None:
        book(entry)
        if len(book.taken) == 10:
            others_done.set()

    mesh.subscribe("all", ["*"], deliver, rule=FOREVER)
    record.append_all(of_runs(3, 5))
    assert others_done.wait(PATIENCE_S)
    assert "run_0" not in book.by_run
    assert mesh.delivered("all") == -1
    ((told, _),) = mesh.progress()
    assert (told.behind, told.last_error) == (15, "ConnectionError: not yet")
    assert told.oldest_waiting_at is not None
    may_heal.set()
    assert mesh.wait_delivered("all", 14, PATIENCE_S)
    assert book.by_run["run_0"] == [f"r0/{number}" for number in range(5)]


def test_what_was_done_ahead_of_the_cursor_comes_again_after_a_restart_and_nothing_is_skipped(
    places: RecordPlaces, real_clock: SystemClock
) -> None:
    ahead = threading.Event()

    def refuse(entry: LedgerEntry) -> None:
        if entry.run_id == "run_0":
            message = "no"
            raise ConnectionError(message)

    first, second = Book(refuse), Book()

    def deliver(entry: LedgerEntry) -> None:
        first(entry)
        if len(first.taken) == 5:
            ahead.set()

    with open_record(places) as record:
        mesh = Mesh(record, record.reader, real_clock)
        record.on_added(mesh.notice_added)
        mesh.subscribe("all", ["*"], deliver, rule=FOREVER)
        record.append_all([*of_runs(2, 5)])
        assert ahead.wait(PATIENCE_S)
        assert mesh.close() == ()
    with open_record(places) as record:
        mesh = Mesh(record, record.reader, real_clock)
        mesh.subscribe("all", ["*"], second)
        assert mesh.wait_delivered("all", 9, PATIENCE_S)
        mesh.close()
    assert set(first.taken) | set(second.taken) == set(range(10))
    assert second.by_run["run_0"] == [f"r0/{number}" for number in range(5)]


def test_a_delivery_that_hangs_counts_as_failed_and_blocks_no_other_key(record: Record, mesh: Mesh) -> None:
    let_go, retried = threading.Event(), threading.Event()

    def hang(entry: LedgerEntry) -> None:
        if entry.key == "r0/0" and not retried.is_set():
            retried.set()
            assert let_go.wait(PATIENCE_S)

    book = Book(hang)
    mesh.subscribe("all", ["*"], book, timeout_s=0.2, rule=FOREVER)
    record.append_all(of_runs(2, 3))
    assert mesh.wait_delivered("all", 5, PATIENCE_S)
    ((told, dead),) = mesh.progress()
    assert (told.hanging, told.is_stuck, dead) == (1, False, 0)
    assert told.last_error == "TimeoutError: not done within 0.2 s"
    let_go.set()
    assert comes(lambda: mesh.progress()[0][0].hanging == 0)


def test_a_subscriber_that_hangs_again_and_again_gets_no_more_threads(record: Record, mesh: Mesh) -> None:
    let_go = threading.Event()
    hung: list[int] = []
    healed = threading.Event()

    def hang(entry: LedgerEntry) -> None:
        if not healed.is_set():
            hung.append(entry.index)
            assert let_go.wait(PATIENCE_S)

    mesh.subscribe("all", ["*"], hang, timeout_s=0.01, rule=FOREVER)
    record.append_all(of_runs(20, 1))
    assert comes(lambda: mesh.progress()[0][0].is_stuck)
    assert len(hung) == MOST_HANGING
    healed.set()
    let_go.set()
    assert mesh.wait_delivered("all", 19, PATIENCE_S)


def test_a_subscriber_that_asks_for_time_is_left_alone_so_long(record: Record, clock: VirtualClock) -> None:
    mesh = Mesh(record, record.reader, clock)
    record.on_added(mesh.notice_added)
    asked: list[float] = []

    def busy_at_first(entry: LedgerEntry) -> None:
        asked.append(clock.monotonic())
        if len(asked) == 1:
            why = "503"
            raise TryLater(why, after_s=120)

    mesh.subscribe("all", ["*"], busy_at_first)
    record.append_all(of_runs(5, 1))
    assert mesh.wait_delivered("all", 4, PATIENCE_S)
    assert asked[1] - asked[0] >= 120
    mesh.close()


def test_a_subscriber_that_is_gone_is_disabled_on_the_record_until_a_person_enables_it(
    places: RecordPlaces, real_clock: SystemClock
) -> None:
    calls: list[int] = []
    is_back = threading.Event()

    def gone(entry: LedgerEntry) -> None:
        calls.append(entry.index)
        if not is_back.is_set():
            message = "410 Gone"
            raise SubscriberGone(message)

    for _ in range(2):  # the second time after a restart
        with open_record(places) as record:
            mesh = Mesh(record, record.reader, real_clock)
            record.on_added(mesh.notice_added)
            mesh.subscribe("hook", ["step.*"], gone, begins_at=0)
            record.append_all(drafts(3))
            assert comes(lambda mesh=mesh: mesh.progress()[0][0].disabled_why == "410 Gone")
            record.run(lambda _: None)
            (told,) = record.entries(types={EventType.SUBSCRIBER_DISABLED})
            assert told.payload == {"subscriber": "hook", "delivered": -1, "by": "grace", "reason": "410 Gone"}
            mesh.close()
    assert calls == [0]
    is_back.set()
    with open_record(places) as record:
        mesh = Mesh(record, record.reader, real_clock)
        mesh.subscribe("hook", ["step.*"], gone)
        assert mesh.enable("hook", "ann", "a new address")
        assert not mesh.enable("hook", "ann", "again")
        assert mesh.wait_delivered("hook", 2, PATIENCE_S)
        (enabled,) = record.entries(types={EventType.SUBSCRIBER_ENABLED})
        assert enabled.actor == "ann"
        mesh.close()
    assert calls == [0, 0, 1, 2]


def test_dead_letters_are_offered_again_when_a_person_says_so(record: Record, mesh: Mesh) -> None:
    is_well = threading.Event()

    def refuse(entry: LedgerEntry) -> None:
        if not is_well.is_set():
            message = "no"
            raise ConnectionError(message)

    book = Book(refuse)
    mesh.subscribe("all", ["step.*"], book, rule=RetryRule(attempts=1))
    record.append_all(drafts(4))
    assert mesh.wait_delivered("all", 3, PATIENCE_S)
    assert [letter.index for letter in mesh.dead_letters("all")] == [0, 1, 2, 3]
    assert mesh.requeue("all", [2, 77], by="ann", reason="try one") == (2,)
    assert comes(lambda: mesh.dead_letters("all")[2].attempts == 2)
    assert mesh.dead_letters("all")[2].requeued_at is None
    is_well.set()
    assert mesh.discard("all", [1], by="ann", reason="of no use") == (1,)
    assert mesh.requeue("all", None, by="ann", reason="it is well again") == (0, 2, 3)
    assert comes(lambda: mesh.dead_letters() == ())
    assert sorted(book.taken) == [0, 2, 3]
    told = [
        (entry.type, entry.payload and entry.payload["indexes"])
        for entry in record.entries(types={EventType.DEAD_LETTERS_REQUEUED, EventType.DEAD_LETTERS_DISCARDED})
    ]
    assert told == [
        (EventType.DEAD_LETTERS_REQUEUED, [2]),
        (EventType.DEAD_LETTERS_DISCARDED, [1]),
        (EventType.DEAD_LETTERS_REQUEUED, [0, 2, 3]),
    ]
    assert mesh.requeue("all", None, by="ann") == ()
    with pytest.raises(SubscriberUnknownError):
        mesh.requeue("nobody", None)


def test_a_requeued_letter_survives_a_restart(places: RecordPlaces, real_clock: SystemClock) -> None:
    def refuse(entry: LedgerEntry) -> None:
        message = "no"
        raise ConnectionError(message)

    with open_record(places) as record:
        mesh = Mesh(record, record.reader, real_clock)
        record.on_added(mesh.notice_added)
        mesh.subscribe("all", ["step.*"], refuse, rule=RetryRule(attempts=1))
        record.append_all(drafts(2))
        assert mesh.wait_delivered("all", 1, PATIENCE_S)
        for worker in mesh._workers.values():  # pyright: ignore[reportPrivateUsage]
            worker.begin_closing()  # nobody is there any more when the person asks
        mesh.requeue("all", None)
        mesh.close()
    book = Book()
    with open_record(places) as record:
        mesh = Mesh(record, record.reader, real_clock)
        mesh.subscribe("all", ["step.*"], book)
        assert comes(lambda: mesh.dead_letters() == ())
        mesh.close()
    assert book.taken == [0, 1]


def test_closing_does_not_wait_for_ever_and_loses_nothing(places: RecordPlaces, real_clock: SystemClock) -> None:
    is_inside, let_go = threading.Event(), threading.Event()

    def hang(entry: LedgerEntry) -> None:
        if entry.index == 2:
            is_inside.set()
            assert let_go.wait(PATIENCE_S)

    book = Book()
    with open_record(places) as record:
        mesh = Mesh(record, record.reader, real_clock)
        record.on_added(mesh.notice_added)
        mesh.subscribe("slow", ["*"], hang)
        mesh.subscribe("quick", ["*"], lambda _: None)
        record.append_all(drafts(5))
        assert is_inside.wait(PATIENCE_S)
        assert mesh.close(drain_s=0.05) == ("slow",)
    let_go.set()
    with open_record(places) as record:
        mesh = Mesh(record, record.reader, real_clock)
        mesh.subscribe("slow", ["*"], book)
        assert mesh.wait_delivered("slow", 4, PATIENCE_S)
        mesh.close()
    assert book.taken == [2, 3, 4]


def test_the_payload_that_is_delivered_is_the_one_that_stands_now(record: Record, clock: VirtualClock) -> None:
    """A payload that is erased while its entry waits is not delivered any more."""
    mesh = Mesh(record, record.reader, clock)
    record.on_added(mesh.notice_added)
    seen: list[object] = []

    def erase_and_refuse(entry: LedgerEntry) -> None:
        seen.append(entry.payload)
        if len(seen) == 1:
            record.erase(entry.index, by="ann", reason="asked to")
            message = "try again"
            raise ConnectionError(message)

    mesh.subscribe("all", ["step.*"], erase_and_refuse)
    record.append(draft("secret", {"name": "Ann"}))
    assert mesh.wait_delivered("all", 0, PATIENCE_S)
    assert seen == [{"name": "Ann"}, None]
    mesh.close()


def test_the_pause_between_attempts_grows_and_is_never_the_same_for_all() -> None:
    rule = RetryRule(attempts=9, first_delay_s=1, factor=2, longest_delay_s=5)
    assert [rule.delay_s(nth, lambda size: b"\0" * size) for nth in range(1, 5)] == [0.5, 1.0, 2.0, 2.5]
    assert [round(rule.delay_s(nth, lambda size: b"\xff" * size), 6) for nth in range(1, 5)] == [1.0, 2.0, 4.0, 5.0]


def test_while_a_dead_letter_cannot_be_written_the_entry_is_not_given_up(record: Record, clock: VirtualClock) -> None:
    class FullDisk:
        def __init__(self) -> None:
            self.is_full = False
            self.refused = 0

        def __getattr__(self, name: str) -> object:
            return getattr(record, name)

        def run(self, unit: Callable[..., object]) -> object:
            if self.is_full:
                self.refused += 1
                message = "no space left on device"
                raise OSError(message)
            return record.run(unit)

    disk, attempts = FullDisk(), 0

    def refuse(entry: LedgerEntry) -> None:
        nonlocal attempts
        attempts += 1
        disk.is_full = attempts < 5
        message = "no"
        raise ConnectionError(message)

    mesh = Mesh(disk, record.reader, clock)  # pyright: ignore[reportArgumentType]
    record.on_added(mesh.notice_added)
    mesh.subscribe("all", ["*"], refuse, rule=RetryRule(attempts=2))
    record.append(draft("k"))
    assert mesh.wait_delivered("all", 0, PATIENCE_S)
    assert (attempts, disk.refused, len(mesh.dead_letters())) == (5, 3, 1)
    mesh.close()


def test_a_worker_that_cannot_read_the_ledger_says_so_and_tries_again(
    record: Record, clock: VirtualClock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_up, failures = Books.look_up, [OSError("disk"), OSError("disk")]

    def sometimes(self: Books, reading: Reading) -> object:
        if failures:
            raise failures.pop()
        return look_up(self, reading)

    monkeypatch.setattr(Books, "look_up", sometimes)
    mesh = Mesh(record, record.reader, clock)
    record.on_added(mesh.notice_added)
    book = Book()
    mesh.subscribe("all", ["*"], book)
    record.append_all(drafts(3))
    assert mesh.wait_delivered("all", 2, PATIENCE_S)
    mesh.close()
    assert book.taken == [0, 1, 2]
    assert caplog.text.count("cannot read the ledger: disk") == 2


def comes(holds: Callable[[], bool]) -> bool:
    """Wait until something holds; the machine's clock decides only how long a failing test takes."""
    clock = SystemClock()
    until = clock.monotonic() + PATIENCE_S
    while not holds():
        if clock.monotonic() > until:
            return False
        clock.sleep(0.005)
    return True


def test_a_pause_never_grows_out_of_bounds_however_often_an_entry_was_refused() -> None:
    rule = RetryRule(attempts=1_000_000, longest_delay_s=30.0)
    assert all(15.0 <= rule.delay_s(failed) <= 30.0 for failed in (10, 646, 647, 2_880, 999_999))


class CutOnce(SystemClock):
    """A clock that fails once, on demand, in whatever thread asks it the time."""

    def __init__(self) -> None:
        self.armed = threading.Event()

    def now(self) -> datetime:
        if self.armed.is_set() and threading.current_thread().name.startswith("grace-mesh-"):
            self.armed.clear()
            raise OSError(22, "Invalid argument")
        return super().now()


def test_a_delivering_thread_that_falls_over_goes_on_and_says_so(record: Record) -> None:
    clock = CutOnce()
    mesh = Mesh(record, record.reader, clock)
    record.on_added(mesh.notice_added)
    book = Book(lambda entry: clock.armed.set() if entry.key == "a" and not book.taken else None)
    mesh.subscribe("book", ["*"], book)
    record.append(draft("a"))
    last = record.append(draft("b"))
    assert mesh.wait_delivered("book", last.index, PATIENCE_S)
    assert book.by_run[None] == ["a", "b"]
    assert any("Invalid argument" in (thread.trouble or "") for thread in mesh.threads())
    mesh.close()
