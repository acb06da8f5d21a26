"""Make the read models again from the entries alone."""

import sqlite3
from collections.abc import Iterator, Mapping
from typing import Final

from sqlalchemy import Connection, delete, select, update

from grace.model.ledger_entry import LedgerEntry
from grace.record.ledger.entries import ENTRY_COLUMNS, entry_from_row
from grace.record.ledger.reading import PAGE_SIZE
from grace.record.store.engine import driver_connection
from grace.record.store.projection import Projections, project
from grace.record.store.tables import READ_MODELS, incidents

_PAGE: Final = f"""
    SELECT {ENTRY_COLUMNS}, payload FROM ledger_entries LEFT JOIN ledger_payloads USING ("index")
    WHERE "index" > ? ORDER BY "index" LIMIT {PAGE_SIZE}
"""  # noqa: S608 - a constant list of columns


def rebuild(connection: Connection, projections: Projections) -> int:
    """Empty the read models, replay every entry, and return how many were replayed.

    It must run alone in its transaction. The counters of incidents are rows, not entries: they are carried over.
    """
    counters = _counters(connection)
    for table in READ_MODELS:
        connection.execute(delete(table))
    driver, replayed = driver_connection(connection), 0
    for entry in _entries(driver):
        project(driver, entry, projections)
        replayed += 1
    _put_back(connection, counters)
    return replayed


def _entries(driver: sqlite3.Connection) -> Iterator[LedgerEntry]:
    after = -1
    while rows := driver.execute(_PAGE, (after,)).fetchall():
        for row in rows:
            yield entry_from_row(row)
        after = rows[-1][0]


def _counters(connection: Connection) -> dict[str, dict[str, object]]:
    columns = (incidents.c.id, incidents.c.count, incidents.c.first_seen, incidents.c.last_seen)
    rows = connection.execute(select(*columns)).mappings()
    return {str(row["id"]): {key: value for key, value in row.items() if key != "id"} for row in rows}


def _put_back(connection: Connection, counters: Mapping[str, Mapping[str, object]]) -> None:
    for incident_id, kept in counters.items():
        connection.execute(update(incidents).where(incidents.c.id == incident_id).values(**kept))
