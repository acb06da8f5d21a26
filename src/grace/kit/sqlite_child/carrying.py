"""Refuse what a changeset cannot carry: such a write could not be taken back row by row."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, cast

from grace.kit.sqlite_child.connections import Database
from grace.kit.sqlite_child.images import quoted
from grace.kit.sqlite_child.protocol import FaultKind, SqliteFault

_OWN_TABLES: Final = "sqlite_"
_FOREIGN_KEY_ACTIONS: Final = frozenset({"CASCADE", "SET NULL", "SET DEFAULT"})


def require_carryable(database: Database, tables: Iterable[str]) -> None:
    """Raise a fault that names the first table whose rows a changeset cannot carry.

    Views pass: what their triggers write is looked at in its own table. SQLite's own tables pass: the counter behind
    AUTOINCREMENT is no content and must never go back, because others may have got the numbers since.
    """
    for name in sorted(set(tables)):
        if not name.startswith(_OWN_TABLES) and (why := _why_not(database, name)):
            raise SqliteFault(FaultKind.NOT_REVERSIBLE, f"Table {name!r} {why}")


def with_dependents(database: Database, tables: Iterable[str]) -> frozenset[str]:
    """Return the tables with all that their foreign keys would change along."""
    found: set[str] = set()
    open_ones = set(tables)
    references = _references(database)
    while open_ones:
        name = open_ones.pop()
        found.add(name)
        open_ones |= {child for child, parent in references if parent.lower() == name.lower()} - found
    return frozenset(found)


def referring_tables(database: Database, tables: Iterable[str]) -> frozenset[str]:
    """Return the tables that have a foreign key at all and are, or refer to, one of these."""
    named = {name.lower() for name in tables}
    query = (
        'SELECT t.name, f."table" FROM pragma_table_list AS t, pragma_foreign_key_list(t.name) AS f'
        " WHERE t.schema = 'main'"
    )
    pairs = [(cast("str", child), cast("str", parent)) for child, parent in database.rows(query)]
    return frozenset(child for child, parent in pairs if parent.lower() in named or child.lower() in named)


def _references(database: Database) -> list[tuple[str, str]]:
    query = (
        'SELECT t.name, f."table", f.on_update, f.on_delete FROM pragma_table_list AS t,'
        " pragma_foreign_key_list(t.name) AS f WHERE t.schema = 'main'"
    )
    return [
        (cast("str", child), cast("str", parent))
        for child, parent, on_update, on_delete in database.rows(query)
        if {on_update, on_delete} & _FOREIGN_KEY_ACTIONS
    ]


def _why_not(database: Database, name: str) -> str:
    query = "SELECT type, wr FROM pragma_table_list WHERE schema = 'main' AND lower(name) = lower(?)"
    found = next(database.rows(query, (name,)), None)
    if found is None:
        return "does not exist."
    kind, without_rowid = found
    match kind:
        case "view":
            return ""
        case "table":
            return _why_not_rows(database, name, may_lack_key=not without_rowid)
        case _:
            return f"is a {kind} table: what is written to it is not recorded row by row."


def _why_not_rows(database: Database, name: str, *, may_lack_key: bool) -> str:
    columns = list(database.rows('SELECT name, "notnull", pk, hidden, type FROM pragma_table_xinfo(?)', (name,)))
    if any(hidden for _, _, _, hidden, _ in columns):
        return "has generated columns, which a changeset does not carry."
    key = [(cast("str", column), notnull, kind) for column, notnull, pk, _, kind in columns if pk]
    if not key:
        return "has no primary key: its rows cannot be told apart. Add one, or change it by hand."
    may_be_null = [column for column, notnull, _ in key if may_lack_key and not notnull]
    is_rowid = len(key) == 1 and str(key[0][2]).upper() == "INTEGER"
    return _rows_without_key(database, name, may_be_null) if may_be_null and not is_rowid else ""


def _rows_without_key(database: Database, name: str, columns: list[str]) -> str:
    empty = " OR ".join(f"{quoted(column)} IS NULL" for column in columns)
    query = f"SELECT 1 FROM {quoted(name)} WHERE {empty} LIMIT 1"  # noqa: S608 - quoted names
    has_some = next(database.rows(query), None) is not None
    return "has rows with NULL in the primary key, which cannot be told apart." if has_some else ""
