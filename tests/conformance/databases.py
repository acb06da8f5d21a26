"""Random SQLite databases with all that makes rows hard to give back, and random statements over them."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

INTEGERS: Final = ("0", "-1", "1", "9223372036854775807", "-9223372036854775808", "9007199254740993", "x'31'", "'7'")
REALS: Final = ("0.1", "-0.0", "1e300", "-1e-300", "9e999", "-9e999", "3.0", "2.5", "1.7976931348623157e308")
TEXTS: Final = (
    "'plain'",
    "'PLAIN'",
    "''",
    "'ünïcode'",
    "char(117, 776)",
    "'new' || char(10) || 'line'",
    "'nul' || char(0) || 'inside'",
    "CAST(x'ff00fe' AS TEXT)",
    "'quo''te'",
    "'12'",
    "'12.0'",
    "char(128512)",
    "printf('%0900d', 7)",
)
BLOBS: Final = ("x''", "x'00ff'", "zeroblob(3)", "x'706c61696e'", "zeroblob(700)")
VALUES: Final = (*INTEGERS, *REALS, *TEXTS, *BLOBS, "NULL")
KEYS: Final = (*INTEGERS[:6], *REALS, *TEXTS, *BLOBS)


Content: TypeAlias = dict[str, list[str]]
"""What a database says, sorted, by table and by what there is beside tables."""


@dataclass(frozen=True)
class Part:
    """One table with what belongs to it, the columns of its key, and the others."""

    name: str
    sql: tuple[str, ...]
    key: tuple[str, ...]
    columns: tuple[str, ...]
    keys: tuple[str, ...] = KEYS
    """What may stand in the first column of the key."""
    values: tuple[str, ...] = VALUES


PARTS: Final = (
    Part(
        "plain",
        (
            "CREATE TABLE plain (id INTEGER PRIMARY KEY, a TEXT COLLATE NOCASE, b REAL, c BLOB DEFAULT x'01')",
            "CREATE UNIQUE INDEX plain_a ON plain (a) WHERE a IS NOT NULL",
            "CREATE INDEX plain_b ON plain (abs(b)) WHERE b > 0",
        ),
        ("id",),
        ("a", "b", "c"),
        INTEGERS[:6],
    ),
    Part(
        "child",
        (
            (
                "CREATE TABLE child (id INTEGER PRIMARY KEY, one INTEGER, two INTEGER DEFAULT 1,\n"
                "FOREIGN KEY (one) REFERENCES plain (id) ON DELETE CASCADE ON UPDATE CASCADE,\n"
                "FOREIGN KEY (two) REFERENCES plain (id) ON DELETE SET NULL)"
            ),
        ),
        ("id",),
        ("one", "two"),
        INTEGERS[:6],
        ("0", "1", "-1", "NULL"),
    ),
    Part("bare", ("CREATE TABLE bare (k PRIMARY KEY, v) WITHOUT ROWID",), ("k",), ("v",)),
    Part(
        "folded",
        (
            (
                "CREATE TABLE folded (k TEXT COLLATE NOCASE, l REAL, v, w TEXT COLLATE RTRIM UNIQUE,\n"
                "PRIMARY KEY (l, k)) WITHOUT ROWID"
            ),
        ),
        ("l", "k"),
        ("v", "w"),
        (*REALS, *INTEGERS[:6]),
    ),
    Part("textual", ("CREATE TABLE textual (k TEXT PRIMARY KEY NOT NULL, v NUMERIC)",), ("k",), ("v",), TEXTS),
    Part(
        "weird",
        ('CREATE TABLE weird ("order" BLOB NOT NULL PRIMARY KEY, "sp ""ace" TEXT)',),
        ('"order"',),
        ('"sp ""ace"',),
    ),
    Part("floating", ("CREATE TABLE floating (k REAL PRIMARY KEY NOT NULL, v)",), ("k",), ("v",), REALS),
    Part("nullable", ("CREATE TABLE nullable (k PRIMARY KEY, v)",), ("k",), ("v",), (*KEYS, "NULL")),
    Part(
        "strict",
        ("CREATE TABLE strict (k INT PRIMARY KEY NOT NULL, v ANY, t TEXT) STRICT",),
        ("k",),
        ("v",),
        ("0", "1", "-1", "9223372036854775807"),
    ),
    Part("counted", ("CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, v)",), ("id",), ("v",), INTEGERS[:3]),
    Part(
        "made",
        ("CREATE TABLE made (id INTEGER PRIMARY KEY, v, w AS (v || '!') STORED)",),
        ("id",),
        ("v",),
        INTEGERS[:3],
    ),
    Part("keyless", ("CREATE TABLE keyless (a, v)",), ("a",), ("v",)),
    Part("words", ("CREATE VIRTUAL TABLE words USING fts5 (k, v)",), ("k",), ("v",), TEXTS, TEXTS),
    Part(
        "watched",
        (
            "CREATE TABLE watched (id INTEGER PRIMARY KEY, v)",
            "CREATE TABLE log (id INTEGER PRIMARY KEY, what)",
            "CREATE TRIGGER watched_u AFTER UPDATE ON watched BEGIN INSERT INTO log (what) VALUES (old.v); END",
            "CREATE TRIGGER watched_d BEFORE DELETE ON watched BEGIN DELETE FROM log WHERE id % 2 = 0; END",
            "CREATE TRIGGER watched_i AFTER INSERT ON watched BEGIN UPDATE log SET what = new.v WHERE id = 1; END",
        ),
        ("id",),
        ("v",),
        INTEGERS[:3],
    ),
    Part(
        "seen",
        (
            "CREATE TABLE hidden (id INTEGER PRIMARY KEY, v)",
            "CREATE VIEW seen AS SELECT id AS k, v FROM hidden",
            "CREATE TRIGGER seen_i INSTEAD OF INSERT ON seen BEGIN REPLACE INTO hidden VALUES (new.k, new.v); END",
            "CREATE TRIGGER seen_u INSTEAD OF UPDATE ON seen BEGIN UPDATE hidden SET v = new.v WHERE id = old.k; END",
            "CREATE TRIGGER seen_d INSTEAD OF DELETE ON seen BEGIN DELETE FROM hidden WHERE id = old.k; END",
        ),
        ("k",),
        ("v",),
        INTEGERS[:3],
    ),
)
FORBIDDEN: Final = (
    "ATTACH '/tmp/elsewhere.db' AS elsewhere",
    "PRAGMA user_version = 7",
    "CREATE TABLE another (id INTEGER PRIMARY KEY)",
    "DROP TABLE plain",
    "ALTER TABLE plain ADD COLUMN z",
    "VACUUM",
    "COMMIT",
    "SAVEPOINT s",
    "DELETE FROM sqlite_sequence",
    "UPDATE sqlite_schema SET sql = ''",
    "REINDEX",
    "ANALYZE",
)


def make(path: Path, chance: random.Random) -> tuple[Part, ...]:
    """Make a database of some of the parts, with rows in them; return the parts."""
    parts = (PARTS[0], *chance.sample(PARTS[1:], chance.randint(1, 4)))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA page_size = {chance.choice([512, 4096])}")
        connection.execute(f"PRAGMA encoding = '{chance.choice(['UTF-8', 'UTF-8', 'UTF-16le', 'UTF-16be'])}'")
        connection.execute(f"PRAGMA auto_vacuum = {chance.choice([0, 1, 2])}")
        connection.execute(f"PRAGMA journal_mode = {chance.choice(['wal', 'delete', 'truncate', 'persist'])}")
        for part in parts:
            for sql in part.sql:
                connection.execute(sql)
        for part in parts:
            for _ in range(chance.randint(0, 6)):
                attempted(connection, insert(part, chance, "INSERT OR IGNORE"))
        if chance.random() < 0.3 and any(part.name == "watched" for part in parts):
            connection.execute("INSERT INTO log VALUES (1, 'a'), (2, 'b'), (4, NULL)")
    return parts


def attempted(connection: sqlite3.Connection, sql: str) -> bool:
    """Run a statement that a constraint may refuse; tell whether it was run."""
    try:
        connection.execute(sql)
    except (sqlite3.IntegrityError, sqlite3.OperationalError, sqlite3.DataError):
        return False
    return True


def insert(part: Part, chance: random.Random, verb: str) -> str:
    """Return a statement that adds a row."""
    columns = (*part.key, *part.columns)
    values = [chance.choice(part.keys), *(chance.choice(part.values) for _ in columns[1:])]
    return f"{verb} INTO {part.name} ({', '.join(columns)}) VALUES ({', '.join(values)})"


def statement(parts: tuple[Part, ...], chance: random.Random) -> str:
    """Return a statement over one of the parts that changes rows, or would like to do more than that."""
    part = chance.choice(parts)
    key, column, table = part.key[0], chance.choice(part.columns), part.name
    where = f"{key} {chance.choice(['=', 'IS', '>', '<>'])} {chance.choice(part.keys)}"
    kinds: tuple[Callable[[], str], ...] = (
        lambda: f"UPDATE {table} SET {column} = {chance.choice(part.values)} WHERE {where}",
        lambda: f"UPDATE {table} SET {column} = {chance.choice(part.values)}",
        lambda: f"UPDATE OR REPLACE {table} SET {key} = {chance.choice(part.keys)} WHERE {where}",
        lambda: f"UPDATE {table} SET {column} = {key}, {key} = {chance.choice(part.keys)} WHERE {where}",
        lambda: f"DELETE FROM {table} WHERE {where}",
        lambda: f"DELETE FROM {table}",
        lambda: insert(part, chance, "INSERT"),
        lambda: insert(part, chance, "INSERT OR REPLACE"),
        lambda: insert(part, chance, "INSERT OR IGNORE"),
        lambda: f"{insert(part, chance, 'INSERT')} ON CONFLICT DO UPDATE SET {column} = {chance.choice(part.values)}",
        lambda: f"WITH n(x) AS (VALUES (1), (2)) UPDATE {table} SET {column} = (SELECT max(x) FROM n) WHERE {where}",
        lambda: f"DELETE FROM {table} WHERE {where} RETURNING {key}",
    )
    return chance.choice(FORBIDDEN) if chance.random() < 0.05 else chance.choice(kinds)()


def content(path: Path) -> Content:
    """Return all that the database says: schema, typed rows, versions; text as the bytes that are stored."""
    with closing(sqlite3.connect(path, timeout=10, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        said = {
            pragma: [str(connection.execute(f"PRAGMA {pragma}").fetchone()[0])]
            for pragma in ("user_version", "application_id", "encoding")
        }
        said["schema"] = sorted(map(repr, connection.execute("SELECT type, name, sql FROM sqlite_schema")))
        return said | {table: rows(connection, table) for table in _tables(connection)}


def _tables(connection: sqlite3.Connection) -> Iterator[str]:
    # The counter of AUTOINCREMENT is no content, and the shadows of a virtual table are its own affair.
    query = (
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'virtual')"
        " AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY 1"
    )
    return (row[0] for row in connection.execute(query).fetchall())


def rows(connection: sqlite3.Connection, table: str) -> list[str]:
    """Return the typed rows of a table in an order of their own."""
    names = [row[0] for row in connection.execute("SELECT name FROM pragma_table_xinfo(?) WHERE hidden <> 1", (table,))]
    quoted = ['"' + name.replace('"', '""') + '"' for name in names]
    typed = ", ".join(
        f"typeof({name}), CASE typeof({name}) WHEN 'text' THEN CAST({name} AS BLOB) ELSE {name} END" for name in quoted
    )
    return sorted(map(repr, connection.execute(f"SELECT {typed} FROM {table}")))
