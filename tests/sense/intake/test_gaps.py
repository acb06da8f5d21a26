"""What was numbered and never came is counted, from `capture()` in a process that is killed to the API."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grace_sdk
import pytest
from grace_sdk import operation
from grace_sdk.client import Client
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from grace.api.application import create_app
from grace.api.roles import Role
from grace.kit.clock import SystemClock
from grace.kit.ids import IdMint
from grace.model.signal import Signal, SignalKind
from grace.record.opening import Record, RecordPlaces, open_record
from grace.record.store.tables import incidents, senders, signals
from grace.sense.intake import SessionNews
from grace.sense.intake.acceptance import Intake
from grace.think.incidents.grouping import Incidents
from tests.api.houses import Engine, make_house, tokens_of
from tests.api.serving import served

_NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    with open_record(RecordPlaces.within(tmp_path / "record")) as opened:
        yield opened


@pytest.fixture
def intake(record: Record) -> Intake:
    return Intake(record, Incidents(IdMint(SystemClock())))


def _signal(session: str, sequence: int | None, **more: Any) -> Signal:
    told: dict[str, Any] = {"kind": SignalKind.MESSAGE, "title": "x", "service": "orders"} | more
    identity = f"{session}-{sequence}-{more}"
    return Signal(id=identity, at=_NOW, received_at=_NOW, session=session, sequence=sequence, **told)


def _account(record: Record, session: str) -> tuple[int, int, int]:
    with record.read() as connection:
        row = connection.execute(select(senders).where(senders.c.id == session)).one()
    return row.issued, row.received, row.is_over


@given(st.lists(st.lists(st.integers(1, 12), max_size=8), max_size=6))
def test_each_number_counts_once_in_whatever_order_and_however_often_it_comes(batches: list[list[int]]) -> None:
    with TemporaryDirectory() as folder, open_record(RecordPlaces.within(Path(folder) / "record")) as record:
        intake = Intake(record, Incidents(IdMint(SystemClock())))
        for batch in batches:
            intake.accept([_signal("s", number) for number in batch]).result(20)
        arrived = {number for batch in batches for number in batch}
        if arrived:
            assert _account(record, "s") == (max(arrived), len(arrived), 0)


def test_what_a_sender_says_of_itself_and_of_a_dead_process_is_noted_and_never_taken_back(
    intake: Intake, record: Record
) -> None:
    intake.accept([_signal("live", 3)], [SessionNews("live", 5, over=False, at=_NOW)]).result(20)
    intake.accept([], [SessionNews("dead", 9, over=True, at=_NOW)]).result(20)
    intake.accept([_signal("dead", 2)], [SessionNews("dead", 0, over=False, at=_NOW)]).result(20)
    assert _account(record, "live") == (5, 1, 0)
    assert _account(record, "dead") == (9, 1, 1)


def test_signals_without_a_number_have_no_account(intake: Intake, record: Record) -> None:
    intake.accept([_signal("s", None), _signal("", 1)]).result(20)
    with record.read() as connection:
        assert connection.execute(select(senders)).all() == []


def test_a_step_of_an_operation_is_kept_and_opens_no_incident(intake: Intake, record: Record) -> None:
    step = _signal("s", 1, kind=SignalKind.OPERATION, severity="info", title="checkout started")
    failed = _signal("s", 2, kind=SignalKind.OPERATION, severity="error", title="checkout failed")
    receipt = intake.accept([step, failed]).result(20)
    again = intake.accept([step]).result(20)
    with record.read() as connection:
        assert [row.title for row in connection.execute(select(incidents))] == ["checkout failed"]
        assert len(connection.execute(select(signals)).all()) == 2
    assert receipt.signals[0].incident is None
    assert receipt.signals[1].incident is not None
    assert (again.accepted, again.duplicates) == (0, 1)


_APPLICATION = """
import os, signal, sys, grace_sdk
grace_sdk.init(sys.argv[1], spool=sys.argv[2])
grace_sdk.capture(message="spooled")
grace_sdk.flush(0.5)
for number in range(7):
    grace_sdk.capture(message="lost")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_kill_lost_is_told_by_the_api(tmp_path: Path, record: Record) -> None:
    away = "http://token@127.0.0.1:9/orders?environment=drill"
    killed = subprocess.run([sys.executable, "-c", _APPLICATION, away, str(tmp_path / "spool")], check=False)
    assert killed.returncode == -signal.SIGKILL
    house = make_house(record, Engine())
    tokens = tokens_of(house)
    with served(create_app(house)) as address:
        sender = f"{address.replace('://', f'://{tokens[Role.SENDER]}@')}/orders?environment=drill"
        grace_sdk.init(sender, spool=tmp_path / "spool", operations="all")
        try:
            with operation("checkout"):
                grace_sdk.capture(message="alive")
            assert grace_sdk.flush(30.0)
        finally:
            grace_sdk.close(5.0)
        told: Any = Client(address, tokens[Role.VIEWER]).get("/api/intake/senders")
    by_state = {sender["is_over"]: sender for sender in told["items"]}
    assert {name: by_state[True][name] for name in ("service", "issued", "received", "missing")} == {
        "service": "orders",
        "issued": 8,
        "received": 1,
        "missing": 7,
    }
    # Two steps and what was captured between them.
    assert (by_state[False]["issued"], by_state[False]["missing"]) == (3, 0)
