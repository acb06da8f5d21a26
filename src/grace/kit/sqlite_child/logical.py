"""The digest of what a database says, never of its bytes: three different files can hold one logical content."""

from __future__ import annotations

import hashlib
import struct
from typing import Final, Protocol, cast

from grace.kit.sqlite_child.connections import Database
from grace.kit.sqlite_child.protocol import SqliteValue

_FORMAT: Final = b"grace sqlite logical content 1\n"
_TAGS: Final = {"null": b"n", "integer": b"i", "real": b"r", "text": b"t", "blob": b"b"}
_SCHEMA: Final = (
    "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite!_stat%' ESCAPE '!' ORDER BY 1, 2"
)
_TABLES: Final = (
    "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'shadow')"
    " AND name <> 'sqlite_schema' AND name NOT LIKE 'sqlite!_stat%' ESCAPE '!' ORDER BY name"
)
_COLUMNS: Final = "SELECT name, pk FROM pragma_table_xinfo(?) WHERE hidden <> 1 ORDER BY cid"


class Hashing(Protocol):
    """What takes bytes in; the end of it is the caller's."""

    def update(self, data: bytes, /) -> None: ...


def logical_digest(database: Database) -> str:
    """Return `sha256:…` over schema, typed rows in key order, user_version, application_id and encoding.

    Planner statistics (`sqlite_stat…`) are no content; virtual tables count by their schema and their shadow tables.
    """
    content = hashlib.sha256(_FORMAT)
    database.do("BEGIN")
    try:
        for pragma in ("user_version", "application_id", "encoding"):
            _add(content, pragma, str(database.value(f"PRAGMA {pragma}")))
        for row in database.rows(_SCHEMA):
            _add(content, "schema", *(str(value) for value in row))
        for (table,) in list(database.rows(_TABLES)):
            _add(content, "table", cast("str", table))
            _add_rows(content, database, cast("str", table))
    finally:
        database.do("ROLLBACK")
    return f"sha256:{content.hexdigest()}"


def _add_rows(content: Hashing, database: Database, table: str) -> None:
    """Add every row; text goes in as the bytes that are stored, so that invalid text counts too."""
    for row in database.rows(_in_key_order(database, table)):
        content.update(b"row")
        for kind, value in zip(row[::2], row[1::2], strict=True):
            _add_value(content, cast("str", kind), value)


def _in_key_order(database: Database, table: str) -> str:
    """Write the query for the typed rows; other columns settle the order where there is no key, or a key with NULLs."""
    columns = [(_quoted(cast("str", name)), cast("int", key)) for name, key in database.rows(_COLUMNS, (table,))]
    key = [name for name, place in sorted(columns, key=lambda column: column[1]) if place]
    others = [name for name, place in columns if not place]
    typed = (
        f"typeof({name}), CASE typeof({name}) WHEN 'text' THEN CAST({name} AS BLOB) ELSE {name} END"
        for name, _ in columns
    )
    order = (f"{name} COLLATE BINARY, typeof({name})" for name in key + others)
    return f"SELECT {', '.join(typed)} FROM {_quoted(table)} ORDER BY {', '.join(order)}"  # noqa: S608 - quoted names


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _add_value(content: Hashing, kind: str, value: SqliteValue) -> None:
    match value:
        case None:
            raw = b""
        case int():
            raw = str(value).encode("ascii")
        case float():
            raw = struct.pack(">d", value)
        case str():
            raw = value.encode("utf-8")
        case bytes():
            raw = value
    content.update(_TAGS[kind] + len(raw).to_bytes(8, "big") + raw)


def _add(content: Hashing, *texts: str) -> None:
    for text in texts:
        _add_value(content, "text", text)
