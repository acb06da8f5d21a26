"""Connections for reading are lent again and again, clean each time, and closed at the end."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from grace.record.store.engine import open_engine, open_reading_engine
from grace.record.store.readers import Readers


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    writing = open_engine(tmp_path / "grace.db")
    with writing.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE meta (key TEXT, value TEXT)")
    reading = open_reading_engine(tmp_path / "grace.db")
    yield reading
    reading.dispose()
    writing.dispose()


@pytest.fixture
def readers(engine: Engine) -> Iterator[Readers]:
    readers = Readers(engine)
    yield readers
    readers.close()


def write(folder: Path) -> None:
    with sqlite3.connect(folder / "grace.db") as other:
        other.execute("INSERT INTO meta VALUES ('a', 'b')")
    other.close()


def count(driver: sqlite3.Connection) -> int:
    found: int = driver.execute("SELECT count(*) FROM meta").fetchone()[0]
    return found


def is_closed(driver: sqlite3.Connection) -> bool:
    try:
        driver.execute("SELECT 1")
    except sqlite3.ProgrammingError:
        return True
    return False


def test_the_connection_that_was_used_last_is_lent_first(readers: Readers) -> None:
    with readers.statement() as first, readers.statement() as second:
        assert first is not second
    with readers.statement() as again:
        assert again is first


def test_a_state_stays_as_it_was_and_the_next_one_is_new(readers: Readers, tmp_path: Path) -> None:
    with readers.state() as driver:
        write(tmp_path)
        assert count(driver) == 0
    with readers.state() as again:
        assert again is driver
        assert count(again) == 1
    with readers.statement() as again:
        assert not again.in_transaction


def test_a_connection_on_which_something_went_wrong_is_not_lent_again(readers: Readers) -> None:
    with pytest.raises(sqlite3.OperationalError, match="no such table"), readers.state() as driver:
        driver.execute("SELECT * FROM nowhere")
    assert is_closed(driver)
    with readers.statement() as another:
        assert count(another) == 0


def test_a_failure_of_the_reader_itself_leaves_nothing_begun(readers: Readers) -> None:
    with pytest.raises(LookupError), readers.state() as driver:
        raise LookupError
    with readers.statement() as again:
        assert again is driver
        assert not again.in_transaction


def test_nobody_can_write_through_what_is_lent(readers: Readers) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"), readers.statement() as driver:
        driver.execute("INSERT INTO meta VALUES ('a', 'b')")


def test_what_is_lent_while_they_close_is_closed_when_it_comes_back(readers: Readers) -> None:
    with readers.statement() as idle:
        pass
    with readers.statement() as lent:
        assert lent is idle
        with readers.statement() as other:
            pass
        readers.close()
        assert is_closed(other)
        assert count(lent) == 0
    assert is_closed(lent)


def test_readers_that_nobody_closed_are_closed_when_they_go(engine: Engine) -> None:
    readers = Readers(engine)
    with readers.statement() as driver:
        pass
    del readers
    assert is_closed(driver)
