from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from grace.kit.clock import SystemClock
from grace.kit.ids import IdMint
from grace.model.signal import Signal
from grace.record import Transaction
from grace.record.opening import Record, RecordPlaces, open_record
from grace.record.store.tables import incidents, signals
from grace.record.store.writer import WriteFailedError, WriterBusyError, WriterClosedError
from grace.sense.intake import Kept, Receipt
from grace.sense.intake.acceptance import Intake, IntakeBusyError
from grace.think.incidents.grouping import Incidents
from tests.think.incidents.signals import locked


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    with open_record(RecordPlaces.within(tmp_path)) as opened:
        yield opened


@pytest.fixture
def intake(record: Record) -> Intake:
    return Intake(record, Incidents(IdMint(SystemClock())))


def _rows(record: Record) -> int:
    with record.read() as connection:
        return connection.execute(select(func.count()).select_from(signals)).scalar_one()


def _counted(record: Record) -> int:
    with record.read() as connection:
        return connection.execute(select(func.coalesce(func.sum(incidents.c.count), 0))).scalar_one()


def _hold_writer(record: Record) -> tuple[Callable[[], None], Future[None]]:
    """Keep the writer busy with one unit until the returned function is called."""
    begun, release = threading.Event(), threading.Event()

    def unit(_: Transaction) -> None:
        begun.set()
        release.wait(30)

    held = record.submit(unit)
    assert begun.wait(30)
    return release.set, held


def test_a_receipt_names_each_signal_and_its_incident(intake: Intake) -> None:
    receipt = intake.accept([locked(1), locked(2)]).result(30)
    incident = receipt.signals[0].incident
    assert receipt == Receipt(accepted=2, duplicates=0, signals=(Kept("s-1", incident), Kept("s-2", incident)))


def test_what_was_accepted_can_be_read_back_as_it_was(intake: Intake, record: Record) -> None:
    signal = locked(1)
    receipt = intake.accept([signal]).result(30)
    with record.read() as connection:
        row = connection.execute(select(signals)).one()
    assert Signal.from_json(row.doc) == signal
    assert row.doc == signal.to_json()
    assert (row.service, row.id, row.incident_id) == ("orders", "s-1", receipt.signals[0].incident)
    assert (row.kind, row.severity, row.environment) == ("exception", "error", "drill")
    assert row.at == signal.at


def test_a_signal_that_comes_again_changes_nothing_and_is_told_apart(intake: Intake, record: Record) -> None:
    first = intake.accept([locked(1)]).result(30)
    again = intake.accept([locked(1), locked(2)]).result(30)
    assert (again.accepted, again.duplicates) == (1, 1)
    assert again.signals[0] == first.signals[0]
    assert (_rows(record), _counted(record)) == (2, 2)


def test_a_signal_twice_in_one_batch_is_kept_once(intake: Intake, record: Record) -> None:
    receipt = intake.accept([locked(1), locked(1), locked(1)]).result(30)
    assert (receipt.accepted, receipt.duplicates) == (1, 2)
    assert (_rows(record), _counted(record)) == (1, 1)


def test_the_same_id_of_another_service_is_another_signal(intake: Intake, record: Record) -> None:
    receipt = intake.accept([locked(1), locked(1, service="billing")]).result(30)
    assert receipt.accepted == 2
    assert receipt.signals[0].incident != receipt.signals[1].incident


def test_signals_that_wait_share_one_transaction(intake: Intake, record: Record) -> None:
    release, _ = _hold_writer(record)
    futures = [intake.accept([locked(number), locked(1)]) for number in range(1, 101)]
    commits: list[int] = []
    record.on_commit(commits.append)
    release()
    receipts = [future.result(30) for future in futures]
    assert sum(receipt.accepted for receipt in receipts) == 100
    assert sum(receipt.duplicates for receipt in receipts) == 100
    assert len(commits) <= 2


def test_more_than_fits_into_one_transaction_is_kept_in_several(intake: Intake, record: Record) -> None:
    release, _ = _hold_writer(record)
    futures = [intake.accept([locked(batch * 1_000 + number) for number in range(1_000)]) for batch in range(12)]
    release()
    assert sum(future.result(60).accepted for future in futures) == 12_000
    assert _counted(record) == 12_000


def test_what_does_not_fit_into_the_queue_is_turned_away_at_once(record: Record) -> None:
    intake = Intake(record, Incidents(IdMint(SystemClock())), most_waiting=3)
    release, _ = _hold_writer(record)
    kept = intake.accept([locked(1), locked(2)])
    with pytest.raises(IntakeBusyError, match="2 signals wait"):
        intake.accept([locked(3), locked(4)])
    last = intake.accept([locked(5)])
    release()
    assert (kept.result(30).accepted, last.result(30).accepted) == (2, 1)
    assert _rows(record) == 3


def test_accepting_from_many_threads_loses_and_doubles_nothing(intake: Intake, record: Record) -> None:
    futures: list[Future[Receipt]] = []

    def work(offset: int) -> None:
        futures.extend([intake.accept([locked(offset + number)]) for number in range(100)])

    threads = [threading.Thread(target=work, args=(offset * 50,)) for offset in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(future.result(30).accepted for future in futures) == 450
    assert (_rows(record), _counted(record)) == (450, 450)


def test_a_record_that_is_closed_fails_the_promise_instead_of_leaving_it_open(tmp_path: Path) -> None:
    record = open_record(RecordPlaces.within(tmp_path))
    intake = Intake(record, Incidents(IdMint(SystemClock())))
    record.close()
    for number in (1, 2):
        with pytest.raises(WriterClosedError):
            intake.accept([locked(number)]).result(30)


class _Journal:
    """The real writer behind a gate: refuses to take units, or takes them and loses the group."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self.refuses = False
        self.loses = False

    def submit(self, unit: Callable[[Any], Any], *, may_wait: bool = False) -> Future[Any]:
        if self.refuses:
            raise WriterBusyError(10_000)
        return self._record.submit(lambda tx: self._run(unit, tx))

    def _run(self, unit: Callable[[Any], Any], tx: Transaction) -> Any:
        result = unit(tx)
        if self.loses:
            reason = "disk full"
            raise WriteFailedError(reason)
        return result


def _behind_gate(record: Record) -> tuple[Intake, _Journal]:
    journal = _Journal(record)
    return Intake(journal, Incidents(IdMint(SystemClock()))), journal  # type: ignore[arg-type]


def test_after_a_busy_writer_refused_the_next_ones_are_taken(record: Record) -> None:
    intake, journal = _behind_gate(record)
    journal.refuses = True
    with pytest.raises(WriterBusyError):
        intake.accept([locked(1)]).result(30)
    journal.refuses = False
    assert intake.accept([locked(1)]).result(30).accepted == 1


def test_after_a_lost_group_nothing_was_kept_and_the_same_signals_can_come_again(record: Record) -> None:
    intake, journal = _behind_gate(record)
    journal.loses = True
    futures = [intake.accept([locked(number)]) for number in range(5)]
    for future in futures:
        with pytest.raises(WriteFailedError):
            future.result(30)
    assert (_rows(record), _counted(record)) == (0, 0)
    journal.loses = False
    assert intake.accept([locked(number) for number in range(5)]).result(30).accepted == 5


class _FailingGrouper(Incidents):
    def group(self, tx: Transaction, signals: Sequence[Signal], fingerprints: Sequence[str]) -> Sequence[str]:
        raise LookupError


def test_a_fault_of_the_grouper_reaches_whoever_waits(record: Record) -> None:
    intake = Intake(record, _FailingGrouper(IdMint(SystemClock())))
    for _ in range(2):
        with pytest.raises(LookupError):
            intake.accept([locked(1)]).result(30)
    assert _rows(record) == 0


@pytest.mark.anyio
async def test_a_caller_that_goes_away_disturbs_nobody(intake: Intake, record: Record) -> None:
    release, _ = await asyncio.to_thread(_hold_writer, record)
    gone = asyncio.ensure_future(asyncio.wrap_future(intake.accept([locked(1)])))
    stays = asyncio.ensure_future(asyncio.wrap_future(intake.accept([locked(2)])))
    await asyncio.sleep(0)
    gone.cancel()
    release()
    assert (await asyncio.wait_for(stays, 30)).accepted == 1
    assert await asyncio.to_thread(_rows, record) == 2
