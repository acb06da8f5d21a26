from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Row, select

from grace.kit.clock import VirtualClock
from grace.kit.ids import IdMint
from grace.model.events import ErrorDetected, EventType, IncidentClosed
from grace.model.incident import Incident
from grace.model.ledger_entry import Draft
from grace.model.signal import Signal
from grace.record.opening import Record, RecordPlaces, open_record
from grace.record.store.tables import incidents
from grace.think.incidents.grouping import Incidents
from tests.think.incidents.signals import START, frame, locked


class Desk:
    """A record with the grouping in front of it."""

    def __init__(self, folder: Path) -> None:
        self.clock = VirtualClock(START)
        self.record: Record = open_record(RecordPlaces.within(folder), clock=self.clock)
        self.grouper = Incidents(IdMint(self.clock))

    def group(self, *signals: Signal) -> Sequence[str]:
        marks = [self.grouper.fingerprint(signal) for signal in signals]
        return self.record.run(lambda tx: self.grouper.group(tx, signals, marks))

    def close_incident(self, incident_id: str) -> None:
        closed = IncidentClosed(incident_id=incident_id, by="bob", reason="fixed")
        key = f"{incident_id}/closed/{self.clock.now().isoformat()}"
        self.record.append(
            Draft(
                key=key, type=EventType.INCIDENT_CLOSED, actor="bob", incident_id=incident_id, payload=closed.to_json()
            )
        )

    def row(self, incident_id: str) -> Row[tuple[object, ...]]:
        with self.record.read() as connection:
            return connection.execute(select(incidents).where(incidents.c.id == incident_id)).one()

    def opened(self) -> list[Incident]:
        entries = self.record.entries(types={EventType.INCIDENT_OPENED})
        return [Incident.from_json(entry.payload or {}) for entry in entries]

    def detected(self) -> list[ErrorDetected]:
        entries = self.record.entries(types={EventType.ERROR_DETECTED})
        return [ErrorDetected.from_json(entry.payload or {}) for entry in entries]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.record.close()


def _another_fault(number: int = 1) -> Signal:
    signal = locked(number)
    assert signal.exception is not None
    exception = signal.exception.model_copy(update={"frames": (frame("orders.stock", "count"),)})
    return signal.model_copy(update={"exception": exception})


def test_the_first_signal_opens_an_incident_that_says_what_happened(desk: Desk) -> None:
    (incident_id,) = desk.group(locked(1))
    (incident,) = desk.opened()
    assert incident_id.startswith("inc_")
    assert incident.id == incident_id
    assert incident.title == "sqlite3.OperationalError: database is locked"
    assert (incident.service, incident.environment) == ("orders", "drill")
    assert incident.labels == {"engine": "sqlite", "database": "/x/orders.db"}
    assert (incident.signal_id, incident.count, incident.occurrence) == ("s-1", 1, 1)
    assert [(entry.incident_id, entry.count) for entry in desk.detected()] == [(incident_id, 1)]


def test_equal_faults_are_one_incident_and_counted(desk: Desk) -> None:
    first = desk.group(locked(1), locked(2, after_s=5))
    later = desk.group(locked(3, after_s=2), locked(4, after_s=-60))
    assert len({*first, *later}) == 1
    row = desk.row(first[0])
    assert row.count == 4
    assert row.first_seen == START - timedelta(seconds=60)
    assert row.last_seen == START + timedelta(seconds=5)
    assert len(desk.opened()) == 1


def test_another_fault_service_or_environment_is_another_incident(desk: Desk) -> None:
    ids = desk.group(
        locked(1), _another_fault(2), locked(3, service="billing"), locked(4, environment="production"), locked(5)
    )
    assert len(set(ids)) == 4
    assert ids[0] == ids[4]


def test_a_power_of_ten_of_the_count_is_put_on_the_record(desk: Desk) -> None:
    for number in range(1, 10):
        desk.group(locked(number))
    assert [seen.count for seen in desk.detected()] == [1]
    desk.group(*(locked(number) for number in range(10, 1_200)))
    assert [(seen.count, seen.signal_id) for seen in desk.detected()] == [
        (1, "s-1"),
        (10, "s-10"),
        (100, "s-100"),
        (1_000, "s-1000"),
    ]


def test_a_signal_sent_after_the_closing_opens_the_incident_again(desk: Desk) -> None:
    (incident_id,) = desk.group(locked(1))
    desk.clock.advance(60)
    desk.close_incident(incident_id)
    assert desk.row(incident_id).state == "closed"
    desk.clock.advance(60)
    late = locked(2, after_s=90).model_copy(update={"received_at": desk.clock.now()})
    assert desk.group(late) == [incident_id]
    row = desk.row(incident_id)
    assert (row.state, row.count) == ("open", 2)
    assert [(incident.occurrence, incident.signal_id) for incident in desk.opened()] == [(1, "s-1"), (2, "s-2")]
    assert [seen.count for seen in desk.detected()] == [1, 2]


def test_a_signal_sent_before_the_closing_is_counted_and_opens_nothing(desk: Desk) -> None:
    (incident_id,) = desk.group(locked(1))
    desk.clock.advance(60)
    desk.close_incident(incident_id)
    desk.clock.advance(60)
    delayed = locked(2, after_s=30).model_copy(update={"received_at": desk.clock.now()})
    assert desk.group(delayed) == [incident_id]
    row = desk.row(incident_id)
    assert (row.state, row.count) == ("closed", 2)
    assert len(desk.opened()) == 1


def test_a_sender_whose_clock_runs_ahead_moves_no_time_into_the_future(desk: Desk) -> None:
    (incident_id,) = desk.group(locked(1))
    received_at = START + timedelta(seconds=10)
    desk.group(locked(2, after_s=3_600).model_copy(update={"received_at": received_at}))
    assert desk.row(incident_id).last_seen == received_at


def test_an_incident_may_come_back_again_and_again(desk: Desk) -> None:
    (incident_id,) = desk.group(locked(1))
    for number in (2, 3):
        desk.close_incident(incident_id)
        desk.clock.advance(60)
        now = desk.clock.now()
        desk.group(locked(number).model_copy(update={"at": now, "received_at": now}))
    assert [incident.occurrence for incident in desk.opened()] == [1, 2, 3]


def test_a_transaction_that_fails_leaves_nothing_and_the_next_one_starts_afresh(desk: Desk) -> None:
    signal = locked(1)
    mark = desk.grouper.fingerprint(signal)

    def fails(tx: object) -> None:
        desk.grouper.group(tx, [signal], [mark])  # type: ignore[arg-type]
        raise LookupError

    with pytest.raises(LookupError):
        desk.record.run(fails)
    assert desk.opened() == []
    (incident_id,) = desk.group(signal)
    assert desk.row(incident_id).count == 1


def test_a_rebuild_keeps_the_incidents_and_their_counters(desk: Desk) -> None:
    (incident_id, *_) = desk.group(locked(1), locked(2))
    desk.group(locked(3))
    before = desk.row(incident_id)
    desk.record.rebuild()
    assert desk.row(incident_id) == before


def _of_kind(kind: int, number: int) -> Signal:
    return (locked(number), _another_fault(number), locked(number, service="billing"))[kind]


@settings(max_examples=20)
@given(groups=st.lists(st.lists(st.integers(0, 2), max_size=12), max_size=8))
def test_however_signals_are_bundled_the_counts_and_the_record_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, groups: list[list[int]]
) -> None:
    desk = Desk(tmp_path_factory.mktemp("desk"))
    try:
        number = 0
        for group in groups:
            signals: list[Signal] = []
            for kind in group:
                number += 1
                signals.append(_of_kind(kind, number))
            desk.group(*signals)
        kinds = [kind for group in groups for kind in group]
        counts = sorted(kinds.count(kind) for kind in set(kinds))
        with desk.record.read() as connection:
            assert sorted(connection.execute(select(incidents.c.count)).scalars()) == counts
        expected = sorted(power for count in counts for power in (1, 10) if power <= count)
        assert sorted(seen.count for seen in desk.detected()) == expected
    finally:
        desk.record.close()
