"""Rows that nobody can have appended: told of by what they are, at the start and when they are read."""

import sqlite3
from contextlib import closing

import pytest

from grace.kit.clock import VirtualClock
from grace.model.approval import Approval
from grace.record.opening import Record, RecordPlaces, open_record
from grace.record.reading import noun_at, noun_in
from grace.record.store.damage import RecordDamagedError
from grace.record.store.engine import StoreUnusableError
from tests.record.drafts import draft, drafts

NEWEST = 'WHERE "index" = (SELECT max("index") FROM {table})'


def change(places: RecordPlaces, statement: str) -> None:
    """Do to the database what somebody with a shell would do."""
    with closing(sqlite3.connect(places.database, isolation_level=None)) as connection:
        connection.execute(statement)


@pytest.fixture
def filled(places: RecordPlaces) -> RecordPlaces:
    with open_record(places, clock=VirtualClock()) as record:
        record.append_all(drafts(20))
    return places


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("ledger_payloads", "payload", "'{'"),
        ("ledger_payloads", "payload", "'[1]'"),
        ("ledger_payloads", "payload", "'\"text\"'"),
        ("ledger_payloads", "payload", "x'ff00'"),
        ("ledger_payloads", "payload", "''"),
        ("ledger_entries", "type", "'no.such.event'"),
        ("ledger_entries", "at", "'yesterday'"),
        ("ledger_entries", "at", "x'00'"),
    ],
)
def test_an_unreadable_newest_entry_refuses_the_start_and_says_what_to_do(
    filled: RecordPlaces, table: str, column: str, value: str
) -> None:
    change(filled, f"UPDATE {table} SET {column} = {value} {NEWEST.format(table=table)}")
    with pytest.raises(RecordDamagedError, match=r"entry 19 cannot be read .*put back the newest copy"):
        open_record(filled)


def test_an_unreadable_older_entry_is_told_when_it_is_read(filled: RecordPlaces) -> None:
    change(filled, "UPDATE ledger_payloads SET payload = '{' WHERE \"index\" = 7")
    with open_record(filled) as record:
        assert record.entry(6) is not None
        for reads in (lambda: record.entry(7), lambda: list(record.entries()), record.rebuild):
            with pytest.raises(RecordDamagedError, match="entry 7 cannot be read"):
                reads()


def test_a_payload_that_is_another_noun_is_told_when_it_is_read(record: Record) -> None:
    entry = record.append(draft("odd"))
    with pytest.raises(RecordDamagedError, match=f"entry {entry.index} is no Approval"):
        noun_at(record.find, "odd", Approval)
    with pytest.raises(RecordDamagedError, match=r"should hold a Approval.*grace store rebuild"):
        noun_in("{", Approval)


@pytest.mark.parametrize("part", [3, 2])
def test_a_database_that_was_cut_is_told_of(filled: RecordPlaces, part: int) -> None:
    whole = filled.database.read_bytes()
    filled.database.write_bytes(whole[: len(whole) // part])
    with pytest.raises(StoreUnusableError, match="SQLite says"):
        open_record(filled)
