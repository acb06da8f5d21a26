"""From `capture()` in an application to the incident on the record, with everything between them real."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import grace_sdk
import pytest
from sqlalchemy import select

from grace.api.application import create_app
from grace.api.roles import Role
from grace.model.signal import Signal
from grace.record.opening import Record, RecordPlaces, open_record
from grace.record.store.tables import incidents, signals
from tests.api.houses import Engine, make_house, tokens_of
from tests.api.serving import served


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    with open_record(RecordPlaces.within(tmp_path / "record")) as opened:
        yield opened


@pytest.fixture
def dsn(record: Record) -> Iterator[str]:
    house = make_house(record, Engine())
    token = tokens_of(house)[Role.SENDER]
    with served(create_app(house)) as address:
        yield f"{address.replace('://', f'://{token}@')}/orders?environment=drill"
        grace_sdk.close(0.0)


def _insert(order: int) -> None:
    message = f"database is locked while inserting {order}, password=hunter2"
    raise TimeoutError(message)


def _fail(order: int) -> str:
    try:
        _insert(order)
    except TimeoutError:
        return grace_sdk.capture(labels={"engine": "sqlite"})
    raise AssertionError


def test_equal_failures_of_an_application_are_one_incident_with_the_right_count(dsn: str, record: Record) -> None:
    grace_sdk.init(dsn, release="1.0")
    references = [_fail(order) for order in range(250)]
    grace_sdk.capture(message="stock is low")
    assert grace_sdk.flush(30.0)
    with record.read() as connection:
        found = connection.execute(select(incidents).order_by(incidents.c.count)).all()
        kept = [Signal.from_json(doc) for doc in connection.execute(select(signals.c.doc)).scalars()]
    assert [(row.count, row.service, row.environment) for row in found] == [
        (1, "orders", "drill"),
        (250, "orders", "drill"),
    ]
    assert found[1].title.startswith("TimeoutError: database is locked while inserting")
    assert {signal.correlation_id for signal in kept} >= set(references)
    assert all(signal.labels.get("release") == "1.0" for signal in kept)
    assert "hunter2" not in str(kept)


def test_what_the_spool_kept_while_grace_was_away_arrives_once(tmp_path: Path, dsn: str, record: Record) -> None:
    spool = tmp_path / "spool"
    grace_sdk.init("http://token@127.0.0.1:9/orders?environment=drill", spool=spool)
    for order in range(20):
        _fail(order)
    grace_sdk.close(5.0)
    shutil.copytree(spool, tmp_path / "again")
    for folder in (spool, tmp_path / "again"):
        grace_sdk.init(dsn, spool=folder)
        _fail(99)
        assert grace_sdk.flush(30.0)
        grace_sdk.close(5.0)
    with record.read() as connection:
        assert connection.execute(select(incidents.c.count)).scalars().all() == [22]
