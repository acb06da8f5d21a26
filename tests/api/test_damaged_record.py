"""A row that cannot be read becomes a problem that says so and what to do; never a traceback, never silence."""

import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from grace.record.opening import Record
from tests.record.drafts import draft


@pytest.mark.parametrize("path", ["/api/log/entries/{index}", "/api/meta/events", "/api/log/entries"])
def test_an_unreadable_entry_is_a_problem_that_names_it(
    client: httpx.Client, record: Record, tmp_path: Path, path: str
) -> None:
    entry = record.append(draft("odd"))
    with closing(sqlite3.connect(tmp_path / "record" / "grace.db", isolation_level=None)) as connection:
        connection.execute("UPDATE ledger_payloads SET payload = '{' WHERE \"index\" = ?", (entry.index,))
    answer = client.get(path.format(index=entry.index))
    assert answer.status_code == 500
    problem = answer.json()
    assert problem["type"] == "urn:grace:problem:record-damaged"
    assert "cannot be read" in problem["detail"]
    assert "put back the newest copy" in problem["next"]


def test_what_sqlite_cannot_read_is_a_problem_that_says_so(client: httpx.Client, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "record" / "grace.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("DROP TABLE incidents")
    answer = client.get("/api/incidents")
    assert answer.status_code == 500
    assert answer.json()["type"] == "urn:grace:problem:record-damaged"
    assert "no such table: incidents" in answer.json()["detail"]
    assert answer.json()["next"] == "grace doctor"
