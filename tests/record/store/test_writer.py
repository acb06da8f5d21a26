import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from grace.kit.clock import SystemClock
from grace.model.ledger_entry import LedgerEntry
from grace.record import Transaction
from grace.record.ledger.entries import Prepared
from grace.record.ledger.log import LedgerLog
from grace.record.opening import Record, RecordPlaces, open_record
from grace.record.store import writer as writer_module
from grace.record.store.commit import WriteFailedError
from grace.record.store.engine import open_engine
from grace.record.store.projection import NO_PROJECTIONS
from grace.record.store.schema import create
from grace.record.store.units import UnitMisbehavedError
from grace.record.store.writer import Writer, WriterBusyError, WriterClosedError, WriterInterruptedError
from tests.record.drafts import draft, drafts

ROOT = Path(__file__).resolve().parents[3]


class Gate:
    """A unit that keeps the writer busy until opened, so that what is submitted meanwhile is one group."""

    def __init__(self, record: Record) -> None:
        self._open = threading.Event()
        self._running = threading.Event()
        self.future = record.submit(self._hold)
        assert self._running.wait(10)

    def open(self) -> None:
        self._open.set()

    def _hold(self, _: Transaction) -> None:
        self._running.set()
        assert self._open.wait(10)


def put(key: str, value: str) -> Callable[[Transaction], str]:
    def unit(tx: Transaction) -> str:
        tx.connection.execute(text("INSERT INTO meta VALUES (:key, :value)"), {"key": key, "value": value})
        return value

    return unit


def stored(record: Record) -> dict[str, str]:
    with record.read() as connection:
        rows = connection.execute(text("SELECT key, value FROM meta WHERE key NOT LIKE 'ledger.%'")).all()
        return {row[0]: row[1] for row in rows}


def test_a_unit_returns_its_value_after_the_commit(record: Record) -> None:
    assert record.run(put("a", "1")) == "1"
    assert stored(record) == {"a": "1"}


def test_what_waits_together_is_committed_together(record: Record) -> None:
    commits: list[int] = []
    gate = Gate(record)
    record.on_commit(commits.append)
    futures = [record.submit(put(f"k{n}", "v")) for n in range(20)]
    appended = record.writer.submit_append(draft("one"))
    gate.open()
    assert [future.result(10) for future in futures] == ["v"] * 20
    assert appended.result(10).index == 0
    record.close()
    assert commits == [-1, 0]


def test_what_may_wait_goes_along_with_the_next_commit(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "LONGEST_PATIENCE_S", 600.0)
    patient = record.submit(put("patient", "1"), may_wait=True)
    record.append(draft("entry"))
    assert patient.result(10) == "1"
    assert stored(record) == {"patient": "1"}


def test_what_may_wait_is_written_though_nothing_else_comes(record: Record) -> None:
    assert record.submit(put("patient", "1"), may_wait=True).result(10) == "1"
    assert stored(record) == {"patient": "1"}


def test_closing_writes_what_may_wait(places: RecordPlaces, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "LONGEST_PATIENCE_S", 600.0)
    with open_record(places) as record:
        patient = record.submit(put("patient", "1"), may_wait=True)
    assert patient.result(0) == "1"


def test_a_failing_unit_fails_alone(record: Record) -> None:
    gate = Gate(record)

    def fails(tx: Transaction) -> None:
        put("lost", "x")(tx)
        tx.append(draft("lost"))
        message = "broken"
        raise ValueError(message)

    before, bad, after = record.submit(put("a", "1")), record.submit(fails), record.submit(put("b", "2"))
    entries = [record.writer.submit_append(draft(key)) for key in ("x", "y")]
    gate.open()
    assert before.result(10) == "1"
    assert after.result(10) == "2"
    with pytest.raises(ValueError, match="broken"):
        bad.result(10)
    assert [entry.result(10).index for entry in entries] == [0, 1]
    assert stored(record) == {"a": "1", "b": "2"}
    assert record.find("lost") is None
    assert record.head().size == 2


def test_a_failing_unit_that_was_alone_leaves_nothing(record: Record) -> None:
    def fails(tx: Transaction) -> None:
        put("lost", "x")(tx)
        tx.append(draft("lost"))
        raise LookupError

    with pytest.raises(LookupError):
        record.run(fails)
    assert stored(record) == {}
    assert record.append(draft("next")).index == 0


def test_a_unit_sees_what_it_and_the_units_before_it_did(record: Record) -> None:
    gate = Gate(record)
    record.submit(lambda tx: tx.append(draft("first")))

    def unit(tx: Transaction) -> tuple[LedgerEntry | None, LedgerEntry | None]:
        tx.append(draft("second"))
        return tx.find("first"), tx.find("second")

    future = record.submit(unit)
    gate.open()
    first, second = future.result(10)
    assert first is not None
    assert second is not None
    assert (first.index, second.index) == (0, 1)


def test_a_unit_must_not_end_the_transaction_of_the_group(record: Record) -> None:
    gate = Gate(record)
    good = record.submit(put("a", "1"))
    bad = record.submit(lambda tx: tx.connection.exec_driver_sql("COMMIT"))
    gate.open()
    for future in (good, bad):
        with pytest.raises(UnitMisbehavedError, match="must not commit"):
            future.result(10)
    assert record.run(put("b", "2")) == "2"


def test_a_transaction_that_escapes_its_unit_is_dead(record: Record) -> None:
    escaped = record.run(lambda tx: tx)
    with pytest.raises(UnitMisbehavedError, match="ends with the unit"):
        escaped.append(draft("late"))


@pytest.mark.parametrize("submits", [True, False])
def test_a_unit_that_waits_for_its_own_writer_is_told_so(record: Record, submits: bool) -> None:
    def waits_for_itself(_: Transaction) -> LedgerEntry:
        return record.append(draft("inside"))

    def submitted() -> LedgerEntry:
        return record.submit(waits_for_itself).result(10)

    with pytest.raises(UnitMisbehavedError, match="use the transaction"):
        submitted() if submits else record.run(waits_for_itself)
    assert record.append(draft("outside")).index == 0


def test_an_interrupted_write_leaves_nothing_and_nobody_waiting(record: Record) -> None:
    def interrupted(tx: Transaction) -> None:
        tx.append(draft("lost"))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        record.run(interrupted)
    assert record.append(draft("next")).index == 0


def test_what_shares_a_group_with_an_interrupted_write_is_told_to_write_again(record: Record) -> None:
    """Whoever leads takes along what others submitted; when the leader is interrupted they must not wait for ever."""

    def interrupted(_: Transaction) -> None:
        raise KeyboardInterrupt

    with record.writer._turn:  # pyright: ignore[reportPrivateUsage]
        shared = record.writer.submit_append(draft("shared"))
        record.submit(interrupted)
        with pytest.raises(KeyboardInterrupt):
            record.writer._settle_next()  # pyright: ignore[reportPrivateUsage]
    with pytest.raises(WriterInterruptedError, match="Write it again"):
        shared.result(10)
    assert record.append(draft("shared")).index == 0


def test_a_cancelled_unit_is_not_run(record: Record) -> None:
    gate = Gate(record)
    future = record.submit(put("a", "1"))
    assert future.cancel()
    gate.open()
    record.run(put("b", "2"))
    assert stored(record) == {"b": "2"}


def test_too_much_waiting_is_refused_and_what_was_taken_is_kept(places: RecordPlaces) -> None:
    engine = _empty_store(places.database)
    writer: Writer[Prepared] = Writer(engine, LedgerLog(SystemClock(), NO_PROJECTIONS), most_waiting=5)
    opened, running = threading.Event(), threading.Event()

    def hold(_: object) -> bool:
        running.set()
        return opened.wait(10)

    writer.submit(hold)
    assert running.wait(10)
    taken = [writer.submit_append(item) for item in drafts(5)]
    with pytest.raises(WriterBusyError, match="Try again") as refused:
        writer.submit_append(draft("too much"))
    assert refused.value.waiting == 5
    opened.set()
    assert [future.result(10).index for future in taken] == list(range(5))
    writer.close()
    engine.dispose()


def test_closing_writes_what_waits_and_then_refuses(record: Record) -> None:
    gate = Gate(record)
    futures = [record.writer.submit_append(item) for item in drafts(50)]
    gate.open()
    record.close()
    assert [future.result(0).index for future in futures] == list(range(50))
    with pytest.raises(WriterClosedError, match="nothing was written"):
        record.append(draft("late"))


def test_many_threads_write_without_loss_or_gap(record: Record) -> None:
    results: list[Future[LedgerEntry]] = []

    def write(name: str) -> None:
        results.extend(record.writer.submit_append(item) for item in drafts(100, name))

    threads = [threading.Thread(target=write, args=(f"t{n}-",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(future.result(20).index for future in results) == list(range(800))
    assert [entry.index for entry in record.entries()] == list(range(800))


def test_a_full_disk_fails_the_whole_group_and_writes_nothing_of_it(record: Record) -> None:
    record.append(draft("before"))
    _limit_pages(record, 0)
    gate = Gate(record)
    big = [record.writer.submit_append(draft(f"big{n}", {"text": "x" * 100_000})) for n in range(3)]
    unit = record.submit(put("a", "1"))
    gate.open()
    for future in (*big, unit):
        with pytest.raises(WriteFailedError, match=r"Nothing was written: .*full"):
            future.result(10)
    assert [entry.key for entry in record.entries()] == ["before"]
    assert stored(record) == {}
    _limit_pages(record, 1_000_000)
    assert record.append(draft("after")).index == 1


def test_a_disk_that_fills_inside_a_unit_fails_the_group_too(record: Record) -> None:
    _limit_pages(record, 0)
    gate = Gate(record)
    small = record.submit(lambda tx: tx.find("nothing"))
    big = record.submit(put("a", "x" * 1_000_000))
    gate.open()
    with pytest.raises(WriteFailedError, match=r"^Nothing was written: database or disk is full\. Make room"):
        big.result(10)
    assert small.exception(10) is None or isinstance(small.exception(10), WriteFailedError)
    assert stored(record) == {}


def test_another_process_that_holds_the_lock_for_too_long_is_a_clear_failure(places: RecordPlaces) -> None:
    with open_record(places) as record:
        record.run(lambda tx: tx.connection.exec_driver_sql("PRAGMA busy_timeout = 50"))
        other = sqlite3.connect(places.database, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(WriteFailedError, match="locked"):
            record.append(draft("waits"))
        other.execute("ROLLBACK")
        other.close()
        assert record.append(draft("waits")).index == 0


def test_two_processes_that_write_to_one_log_continue_each_other(places: RecordPlaces) -> None:
    """Nothing in memory is trusted beyond the end of the log that the transaction sees."""
    with open_record(places) as one:
        engine = open_engine(places.database)
        other: Writer[Prepared] = Writer(engine, LedgerLog(SystemClock(), NO_PROJECTIONS))
        for number in range(6):
            writer = one.writer if number % 2 else other
            writer.append_all(drafts(100, f"{number}-"))
        assert other.append(draft("0-5")).index == 5
        other.close()
        engine.dispose()
        assert [entry.index for entry in one.entries()] == list(range(600))
        one.consistency(100)
    open_record(places).close()


CRASHING = """
import sys
from pathlib import Path
from grace.kit.cuts import arm
from grace.record.opening import RecordPlaces, open_record
from tests.record.drafts import drafts

record = open_record(RecordPlaces.within(Path(sys.argv[1])))
record.append_all(drafts(10, "safe"))
arm(sys.argv[2])
record.append_all(drafts(10, "cut"))
"""


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("store.commit.before", 10),
        ("store.commit.after", 20),
        ("ledger.step.noted.before", 10),
        ("ledger.step.noted.after", 20),
    ],
)
def test_a_kill_at_the_commit_loses_nothing_acknowledged_and_keeps_no_half(
    places: RecordPlaces, name: str, size: int
) -> None:
    folder = places.database.parent
    died = subprocess.run([sys.executable, "-c", CRASHING, str(folder), name], cwd=ROOT, check=False)
    assert died.returncode == -signal.SIGKILL
    with open_record(places) as record:
        assert record.head().size == size
        assert [entry.key for entry in record.entries()][:10] == [item.key for item in drafts(10, "safe")]
        assert [entry.index for entry in record.append_all(drafts(10, "cut"))] == list(range(10, 20))


def _limit_pages(record: Record, pages: int) -> None:
    """Let SQLite refuse to grow the file: the same error and the same way out as a full disk."""
    record.run(lambda tx: tx.connection.exec_driver_sql(f"PRAGMA max_page_count = {pages or 1}").all())


def _empty_store(path: Path) -> Engine:
    path.parent.mkdir(parents=True)
    engine = open_engine(path)
    create(engine)
    return engine


def test_a_writer_lives_on_when_what_was_patient_went_along_with_another(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cursor that waits for the next commit is taken along by it; the writer's own wait then ends with nothing."""
    monkeypatch.setattr(writer_module, "LONGEST_PATIENCE_S", 0.2)
    patient = record.writer.submit(lambda tx: tx.append(draft("patient")).key, may_wait=True)
    assert record.run(lambda tx: tx.append(draft("hurried")).key) == "hurried"
    assert patient.result(5) == "patient"
    SystemClock().sleep(0.5)  # longer than the writer's own patience
    assert record.run(lambda tx: tx.append(draft("later")).key) == "later"
    assert record.writer.is_alive
    assert record.find("later") is not None
