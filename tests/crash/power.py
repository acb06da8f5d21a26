"""What loses power: the record under load, the first start of a data folder, and a whole house that heals a file."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sqlalchemy import select

from grace.kit.clock import SystemClock
from grace.kit.ids import IdMint
from grace.model.events import EventType
from grace.model.ledger_entry import Draft
from grace.model.signal import Signal, SignalKind
from grace.record import Transaction
from grace.record.ledger.verification import verify_export
from grace.record.opening import Record, RecordPlaces, open_record
from grace.record.store import engine
from grace.record.store.tables import signals
from grace.sense.intake.acceptance import Intake
from grace.think.incidents.grouping import Incidents
from grace.wiring import open_house
from tests.crash.lives import LIMIT_S, Acknowledged, live, settings_of
from tests.crash.oracle import require_all
from tests.crash.scenarios import SCENARIOS, services_of, write_rules
from tests.crash.worlds import Files, has_one_thread, wait_until
from tests.powercut.cases import Ack, Acked

ROUNDS: Final = 12
AT_ONCE: Final = 3
WITNESS_INTERVAL_S: Final = 0.001
TEMPLATE: Final = "template"
_AT: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def make_record(folder: Path) -> None:
    """Make a record in which something stands already."""
    with _opened(folder) as record:
        record.append(_draft("first"))


def take_in(folder: Path, ack: Ack) -> None:
    """Append entries and accept signals; acknowledge each when its promise is kept."""
    with _opened(folder) as record:
        intake = Intake(record, Incidents(IdMint(SystemClock())))
        for number in range(ROUNDS):
            waiting = [record.submit(_appending(f"entry-{number}-{part}")) for part in range(AT_ONCE)]
            receipt = intake.accept([_signal(f"signal-{number}-{part}") for part in range(AT_ONCE)])
            for future in waiting:
                ack(future.result())
            for kept in receipt.result().signals:
                ack(kept.id)


def take_in_with_normal_sync(folder: Path, ack: Ack) -> None:
    """Do the same on a store that does not sync its commits: the control that must lose what was acknowledged."""
    connect = engine._connect  # pyright: ignore[reportPrivateUsage]

    def unsafe(path: Path, *, query_only: bool) -> sqlite3.Connection:
        connection = connect(path, query_only=query_only)
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    engine._connect = unsafe  # pyright: ignore[reportPrivateUsage]
    take_in(folder, ack)


def nothing_acknowledged_is_lost(folder: Path, acked: list[Acked]) -> None:
    """Open the record again, as a start would, and hold it to what was acknowledged and to its witness."""
    with _opened(folder) as record:
        with record.read() as connection:
            kept = {str(name) for name in connection.execute(select(signals.c.id)).scalars()}
        kept |= {entry.key for entry in record.entries()}
        lost = sorted(str(one) for one in acked if one not in kept)
        assert not lost, f"lost {lost}"
        record.append(_draft("afterwards"))
        record.export(folder / "ledger.jsonl")
        report = verify_export(folder / "ledger.jsonl", _places(folder).witness.read_text(), record.verifier_key)
        assert report.is_valid, report.findings
        assert record.rebuild() == record.head().size


def make_template(folder: Path) -> None:
    """Make what every heal begins with: rules, a world and a data folder that was started once."""
    write_rules(folder)
    start = folder / TEMPLATE
    start.mkdir()
    (start / "grace.yaml").write_text(services_of(Files(start / "world")))
    open_house(settings_of(folder, start)).close()


def put_template(folder: Path) -> None:
    """Give a case its own copy; only what the service may write is named anew."""
    shutil.copytree(folder.parent / TEMPLATE / "data", folder / "data")
    (folder / "grace.yaml").write_text(services_of(Files(folder / "world")))


def live_once(folder: Path) -> None:
    """Heal a file, so that whatever a life imports and reads is there; return when no thread of it is left."""
    put_template(folder)
    heal_well(folder, lambda _: None)
    wait_until(has_one_thread, "the end of every other thread, without which nothing can be forked,", LIMIT_S)


def heal_well(folder: Path, ack: Ack) -> None:
    """Heal a file until it is committed."""
    _heal(folder, "files", Acknowledged(), ack)


def heal_harmfully(folder: Path, ack: Ack) -> None:
    """Heal a file so that it must be rolled back."""
    _heal(folder, "files-harm", Acknowledged(), ack)


def heal_ends_well(folder: Path, acked: list[Acked]) -> None:
    """Start again, carry on, and hold the end to the oracle."""
    _carried_on(folder, "files", acked)


def harm_is_taken_back(folder: Path, acked: list[Acked]) -> None:
    """Start again, carry on, and hold the end to the oracle."""
    _carried_on(folder, "files-harm", acked)


def _heal(folder: Path, scenario: str, known: Acknowledged, ack: Ack) -> None:
    def tell(what: str, told: object) -> None:
        ack(f"{what} {told}")

    live(settings_of(folder.parent, folder), scenario, {"folder": str(folder / "world")}, None, known, tell)


def _carried_on(folder: Path, scenario: str, acked: list[Acked]) -> None:
    known = Acknowledged()
    for line in acked:
        what, _, told = str(line).partition(" ")
        known.take([{what: int(told) if what == "highest" else told}])
    witness = folder / "data" / "ledger.checkpoints"
    kept = folder / "witness-1"
    shutil.copyfile(witness, kept)
    _heal(folder, scenario, known, lambda _: None)
    require_all(folder, SCENARIOS[scenario], Files(folder / "world"), [kept], known)


def _places(folder: Path) -> RecordPlaces:
    return RecordPlaces.within(folder / "record")


def _opened(folder: Path) -> Record:
    return open_record(_places(folder), witness_interval_s=WITNESS_INTERVAL_S)


def _appending(key: str) -> Callable[[Transaction], str]:
    return lambda tx: tx.append(_draft(key)).key


def _draft(key: str) -> Draft:
    return Draft(key=key, type=EventType.STEP_NOTED, actor="tests", payload={"filler": "x" * 400})


def _signal(signal_id: str) -> Signal:
    return Signal(
        id=signal_id,
        service="shop",
        environment="production",
        at=_AT,
        received_at=_AT,
        kind=SignalKind.EXCEPTION,
        title=f"Error in {signal_id}",
    )
