import threading
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import JsonValue
from sqlalchemy import text

from grace.kit.canonical import NotCanonicalError, canonical
from grace.kit.clock import VirtualClock, to_rfc3339
from grace.model.events import EventType
from grace.model.ledger_entry import Draft, LedgerEntry
from grace.record import Transaction
from grace.record.ledger import tiles
from grace.record.ledger.entries import entry_from_row, header_of, payload_digest, place, prepare
from grace.record.ledger.tree import CompactRange, leaf_hash
from grace.record.opening import Record, RecordPlaces, open_record
from tests.record.drafts import draft, drafts

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
JSON: st.SearchStrategy[JsonValue] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
DRAFTS = st.builds(
    Draft,
    key=st.sampled_from("abcdef") | TEXTS,
    type=st.just(EventType.STEP_NOTED),
    actor=TEXTS,
    run_id=st.none() | TEXTS,
    incident_id=st.none() | TEXTS,
    service=st.none() | TEXTS,
    payload=st.dictionaries(TEXTS, JSON, max_size=3),
)


def test_an_entry_is_the_draft_with_its_place_and_time(record: Record, clock: VirtualClock) -> None:
    clock.advance(5)
    before = clock.now()
    entry = record.append(draft("a", {"n": 1}, run_id="run_1"))
    # Whoever sleeps on a virtual clock moves it, and the record has threads that do.
    assert before <= entry.at <= clock.now()
    assert entry == LedgerEntry(
        index=0,
        key="a",
        type=EventType.STEP_NOTED,
        at=entry.at,
        actor="tester",
        run_id="run_1",
        incident_id=None,
        service="orders",
        payload_digest=entry.payload_digest,
        payload={"n": 1},
    )
    assert entry == record.entry(0) == record.find("a")


class SetBack(VirtualClock):
    """A wall clock that somebody sets back."""

    set_back = timedelta(0)

    def now(self) -> datetime:
        return super().now() - self.set_back


def test_the_times_of_entries_never_go_back_also_over_a_start(places: RecordPlaces) -> None:
    clock = SetBack()
    with open_record(places, clock=clock) as record:
        first = record.append(draft("a"))
        clock.set_back = timedelta(hours=1)
        assert record.append(draft("b")).at == first.at
    with open_record(places, clock=clock) as record:
        assert record.append(draft("c")).at == first.at
        clock.advance(7200)
        before = clock.now()
        assert before <= record.append(draft("d")).at <= clock.now()


def test_the_first_entry_for_a_key_stands(record: Record) -> None:
    first = record.append(draft("a", {"n": 1}))
    assert record.append(draft("a", {"n": 2})) == first
    assert record.run(lambda tx: tx.append(draft("a", {"n": 3}))) == first
    assert record.append_all([draft("b"), draft("a", {"n": 4})])[1] == first
    assert record.head().size == 2


def test_within_one_group_too_the_first_entry_for_a_key_stands(record: Record) -> None:
    one, two = record.append_all([draft("a", {"n": 1}), draft("a", {"n": 2})])
    assert one == two
    assert one.payload == {"n": 1}

    def twice(tx: Transaction) -> tuple[LedgerEntry, LedgerEntry]:
        return tx.append(draft("b", {"n": 1})), tx.append(draft("b", {"n": 2}))

    first, second = record.run(twice)
    assert first == second
    assert record.head().size == 2


def test_threads_that_race_for_a_key_all_get_the_same_entry(record: Record) -> None:
    got: list[LedgerEntry] = []
    start = threading.Barrier(8)

    def race(number: int) -> None:
        start.wait(10)
        got.extend(record.append(draft(f"k{key}", {"by": number})) for key in range(20))

    threads = [threading.Thread(target=race, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 160
    assert len({(entry.key, entry.index, entry.payload_digest) for entry in got}) == 20
    assert record.head().size == 20


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(DRAFTS, max_size=4), max_size=4))
def test_whatever_is_appended_reads_back_and_leads_to_the_root(
    tmp_path_factory: pytest.TempPathFactory, groups: list[list[Draft]]
) -> None:
    with open_record(RecordPlaces.within(tmp_path_factory.mktemp("grace"))) as record:
        standing: dict[str, LedgerEntry] = {}
        for group in groups:
            for item, entry in zip(group, record.append_all(group), strict=True):
                assert standing.setdefault(item.key, entry) == entry
        entries = list(record.entries())
        assert entries == sorted(standing.values(), key=lambda entry: entry.index)
        assert [entry.index for entry in entries] == list(range(len(entries)))
        tree = CompactRange()
        for entry in entries:
            tree.append(leaf_hash(canonical(header_of(entry))))
        assert record.head().root == tree.root()


@given(DRAFTS, st.integers(0, 2**53 - 1), st.datetimes(timezones=st.just(UTC)))
def test_the_leaf_is_the_canonical_json_of_the_header(item: Draft, index: int, at: datetime) -> None:
    (prepared,) = prepare([item], b"salt" * 8)
    entry = prepared.entry(index, at)
    placed = place([prepared], index, to_rfc3339(at))
    assert placed.leaf_hashes == [leaf_hash(canonical(header_of(entry)))]
    (row,) = placed.entries
    assert entry_from_row((*row, prepared.payload)) == entry
    assert prepared.payload_digest == payload_digest(prepared.salt, canonical(item.payload))


@given(DRAFTS)
def test_an_entry_made_the_fast_way_is_an_entry_made_the_slow_way(item: Draft) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    fast = LedgerEntry.of(item, index=1, at=at, payload_digest="sha256:0")
    slow = LedgerEntry.model_validate({**item.model_dump(), "index": 1, "at": at, "payload_digest": "sha256:0"})
    assert fast == slow
    assert fast.to_json() == slow.to_json()
    assert repr(fast) == repr(slow)
    assert fast.model_fields_set == slow.model_fields_set
    assert fast.model_copy(update={"index": 2}) == slow.model_copy(update={"index": 2})


@pytest.mark.parametrize(
    "bad",
    [draft("a", {"n": float("nan")}), draft("a", {"n": 2**60}), draft("\ud800"), draft("a", {"t": "\udfff"})],
)
def test_a_draft_without_canonical_form_is_refused_before_it_is_queued(record: Record, bad: Draft) -> None:
    with pytest.raises(NotCanonicalError):
        record.append(bad)
    assert record.append(draft("good")).index == 0


def test_two_equal_payloads_have_different_digests(record: Record) -> None:
    one, two = record.append_all([draft("a", {"pin": 1234}), draft("b", {"pin": 1234})])
    assert one.payload_digest != two.payload_digest


def test_entries_can_be_narrowed_and_paged(record: Record) -> None:
    record.append_all([draft(f"k{n}", run_id=f"run_{n % 3}") for n in range(1203)])
    assert len(list(record.entries())) == 1203
    assert [e.index for e in record.entries(1200)] == [1201, 1202]
    assert [e.index for e in record.entries(limit=3)] == [0, 1, 2]
    assert [e.index for e in record.entries(run_id="run_1", limit=2)] == [1, 4]
    assert len(list(record.entries(run_id="run_1"))) == 401
    assert list(record.entries(types=[EventType.RUN_OPENED])) == []
    assert list(record.entries(types=[])) == []
    assert len(list(record.entries(types=[EventType.STEP_NOTED], limit=700))) == 700


def test_a_reader_sees_one_state_however_long_it_reads(record: Record) -> None:
    record.append(draft("a"))
    with record.read() as connection:
        record.append(draft("b"))
        assert connection.execute(text("SELECT count(*) FROM ledger_entries")).scalar() == 1


def test_a_long_log_is_opened_by_reading_its_edge_alone(places: RecordPlaces, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_record(places) as record:
        record.append_all(drafts(10_000))
    read: list[tuple[int, int]] = []
    whole = tiles.StoredNodes.hashes

    def counted(self: tiles.StoredNodes, level: int, tile: int, start: int, end: int) -> list[bytes]:
        read.append((level, tile))
        return whole(self, level, tile, start, end)

    monkeypatch.setattr(tiles.StoredNodes, "hashes", counted)
    with open_record(places) as record:
        record.append(draft("one more"))
        assert record.entry(10_000) is not None
    assert 0 < len(set(read)) <= 2 * 4 + 15 * 3
