"""Rows as they are, typed, by primary key: what is compared before and after a write, and before and after its undo."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self, TypeAlias, cast

from pydantic import JsonValue

from grace.kit.sqlite_child.changesets import keyed_changes
from grace.kit.sqlite_child.connections import Database, Row
from grace.kit.sqlite_child.protocol import FaultKind, SqliteFault, SqliteValue, from_json, to_json
from grace.kit.wording import in_words

Cell: TypeAlias = tuple[str, SqliteValue]
"""SQLite's type of the value, and the value; text as the bytes that are stored."""
Image: TypeAlias = tuple[Cell, ...] | None
"""All columns of a row in the order of the table; None where there is no such row."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table as the recording of changes sees it."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    """The columns of the primary key, in its order."""

    @classmethod
    def read(cls, database: Database, name: str) -> Self:
        """Return the table as it is declared now."""
        query = "SELECT name, pk FROM pragma_table_xinfo(?) WHERE hidden = 0 ORDER BY cid"
        found = [(cast("str", column), cast("int", pk)) for column, pk in database.rows(query, (name,))]
        key = [column for column, pk in sorted(found, key=lambda item: item[1]) if pk]
        return cls(name, tuple(column for column, _ in found), tuple(key))

    def image(self, database: Database, key: Row) -> Image:
        """Return the row with this key."""
        typed = ", ".join(
            f"typeof({name}), CASE typeof({name}) WHEN 'text' THEN CAST({name} AS BLOB) ELSE {name} END"
            for name in map(quoted, self.columns)
        )
        same = " AND ".join(f"{quoted(name)} IS ?" for name in self.key)
        rows = database.rows(f"SELECT {typed} FROM {quoted(self.name)} WHERE {same}", key)  # noqa: S608 - quoted
        row = next(iter(rows), None)
        if row is None:
            return None
        return tuple((cast("str", kind), value) for kind, value in zip(row[::2], row[1::2], strict=True))


@dataclass(frozen=True, slots=True)
class RowChange:
    """One row that a write touched: its table and key, and how it read before and after."""

    table: Table
    key: Row
    before: Image
    after: Image

    def to_json(self) -> JsonValue:
        """Write the change so that every type survives."""
        return {
            "table": self.table.name,
            "columns": list(self.table.columns),
            "key_columns": list(self.table.key),
            "key": [to_json(value) for value in self.key],
            "before": _image_to_json(self.before),
            "after": _image_to_json(self.after),
        }

    @classmethod
    def from_json(cls, written: JsonValue) -> Self:
        """Read back what `to_json` wrote; raise SqliteFault for anything else."""
        try:
            document = cast("dict[str, JsonValue]", written)
            return cls(
                table=Table(
                    cast("str", document["table"]),
                    tuple(cast("list[str]", document["columns"])),
                    tuple(cast("list[str]", document["key_columns"])),
                ),
                key=tuple(from_json(value) for value in cast("list[JsonValue]", document["key"])),
                before=_image_from_json(document["before"]),
                after=_image_from_json(document["after"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            why = f"That is no recorded change of a row: {in_words(error)}."
            raise SqliteFault(FaultKind.BAD_REQUEST, why) from error

    def now(self, database: Database) -> Image:
        """Return how the row reads now."""
        return self.table.image(database, self.key)


def quoted(name: str) -> str:
    """Quote an identifier."""
    return '"' + name.replace('"', '""') + '"'


def touched_rows(database: Database, changeset: bytes) -> list[tuple[Table, Row]]:
    """Return table and key of every row in a changeset."""
    tables: dict[str, Table] = {}
    rows: list[tuple[Table, Row]] = []
    for change in keyed_changes(changeset):
        if change.table not in tables:
            tables[change.table] = Table.read(database, change.table)
        table = tables[change.table]
        rows.append((table, tuple(change.key[table.columns.index(name)] for name in table.key)))
    return rows


def images(database: Database, rows: Iterable[tuple[Table, Row]]) -> Mapping[tuple[str, Row], Image]:
    """Return how these rows read now."""
    return {(table.name, key): table.image(database, key) for table, key in rows}


def _image_to_json(image: Image) -> JsonValue:
    return None if image is None else [[kind, to_json(_readable(kind, value))] for kind, value in image]


def _image_from_json(written: JsonValue) -> Image:
    if written is None:
        return None
    cells = cast("list[tuple[str, JsonValue]]", written)
    return tuple((kind, _stored(kind, from_json(value))) for kind, value in cells)


def _readable(kind: str, value: SqliteValue) -> SqliteValue:
    """Write text as text, so that people can read the record; text that is not UTF-8 stays bytes."""
    if kind != "text" or not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _stored(kind: str, value: SqliteValue) -> SqliteValue:
    return value.encode() if kind == "text" and isinstance(value, str) else value


def key_values(rows: Iterable[RowChange]) -> frozenset[tuple[str, Row]]:
    """Name the rows by table and key."""
    return frozenset((row.table.name, row.key) for row in rows)
