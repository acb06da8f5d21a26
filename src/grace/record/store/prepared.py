"""Statements that are compiled once: what runs with nearly every commit is spared the way through the toolkit."""

import sqlite3
from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import Delete, Dialect, Insert, Select, Update
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.types import TypeEngine

Value = object
"""What a column's type takes: a time, a document, a text, a number, or None."""

_DIALECT: Final[Dialect] = SQLiteDialect_pysqlite(paramstyle="named")


class Prepared:
    """One statement as the driver takes it. Values are written as the types of their columns write them."""

    __slots__ = ("_text", "_written")

    def __init__(self, statement: Insert | Update | Delete | Select[*tuple[Any, ...]], *columns: str) -> None:
        """Compile; `columns` are those that an insert or update writes, besides what its `where` is given."""
        compiled = statement.compile(dialect=_DIALECT, column_keys=columns or None)
        self._text = str(compiled)
        writers = {name: _writer(bound.type) for name, bound in compiled.binds.items()}
        self._written = tuple((name, write) for name, write in writers.items() if write is not None)

    def run(self, driver: sqlite3.Connection, /, **values: Value) -> sqlite3.Cursor:
        """Run with a value for each name; raise `sqlite3.Error` as the driver does."""
        for name, write in self._written:
            values[name] = write(values[name])
        return driver.execute(self._text, values)


def _writer(type_: TypeEngine[Any]) -> Callable[[Any], Any] | None:
    return type_.dialect_impl(_DIALECT).bind_processor(_DIALECT)
