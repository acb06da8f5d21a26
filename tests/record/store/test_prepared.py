"""A prepared statement writes what the toolkit itself would write."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, bindparam, create_engine, insert, select, update
from sqlalchemy.pool import StaticPool

from grace.record.store.engine import driver_connection
from grace.record.store.prepared import Prepared
from grace.record.store.tables import halts, metadata

AT = datetime(2026, 11, 1, 12, 30, 0, 250, tzinfo=UTC)
ROW = {"id": "halt_1", "scope": "global", "reason": "é", "by": "ops", "since": AT, "doc": {"b": 1, "a": [None, 0.5]}}


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    metadata.create_all(engine, [halts])
    yield engine
    engine.dispose()


def test_what_it_writes_is_what_the_toolkit_writes(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(insert(halts), ROW)
        driver = driver_connection(connection)
        Prepared(insert(halts), *ROW).run(driver, **{**ROW, "id": "halt_2"})
        first, second = driver.execute("SELECT scope, reason, by, since, ended_at, doc FROM halts ORDER BY id")
        assert first == second
        read = connection.execute(select(halts).where(halts.c.id == "halt_2")).mappings().one()
    assert dict(read) == {**ROW, "id": "halt_2", "ended_at": None}


def test_a_change_writes_the_columns_that_it_names_and_no_other(engine: Engine) -> None:
    ending = Prepared(update(halts).where(halts.c.id == bindparam("halt")), "ended_at")
    with engine.begin() as connection:
        connection.execute(insert(halts), [ROW, {**ROW, "id": "halt_2"}])
        ending.run(driver_connection(connection), halt="halt_1", ended_at=AT)
        rows = {row["id"]: dict(row) for row in connection.execute(select(halts)).mappings()}
    assert rows == {"halt_1": {**ROW, "ended_at": AT}, "halt_2": {**ROW, "id": "halt_2", "ended_at": None}}


def test_a_value_that_is_missing_is_an_error_and_writes_nothing() -> None:
    ending = Prepared(update(halts).where(halts.c.id == bindparam("halt")), "ended_at")
    with closing(sqlite3.connect(":memory:")) as driver, pytest.raises(KeyError, match="ended_at"):
        ending.run(driver, halt="halt_1")
