"""Hold the entries against the tree, and the read models against the entries: what is not as it was appended."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Connection, Table

from grace.record.ledger.auditing import Audit, audit
from grace.record.ledger.rebuild import rebuild
from grace.record.ledger.tree import TreeHead
from grace.record.store.engine import driver_connection, open_engine
from grace.record.store.projection import Projections
from grace.record.store.schema import require_current
from grace.record.store.tables import READ_MODELS

_ABSENT: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DifferentRow:
    """A row that is not as the ledger has it."""

    table: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    """Which columns differ; none where the row is missing, or stands though no entry makes it."""
    why: str


@dataclass(frozen=True, slots=True)
class Checked:
    """How the log is, how many of its entries were replayed, and which rows differ from what they make."""

    log: Audit
    replayed: int
    """None are where the log is not to be believed: nothing can be held against it then."""
    rows: tuple[DifferentRow, ...]


_Rows = dict[tuple[str, ...], dict[str, object]]


def check(database: Path, projections: Projections, witnessed: TreeHead | None) -> Checked:
    """Replay the ledger in a scratch copy beside the database and compare; the database itself is only read.

    `witnessed` is the newest checkpoint held outside, which the entries must lead to.
    The counters of incidents are rows, not entries: nothing is said of them.
    """
    with TemporaryDirectory(dir=database.parent, prefix=".check-") as folder:
        scratch = Path(folder) / database.name
        with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(scratch)) as copy:
            source.backup(copy)
        engine = open_engine(scratch)
        try:
            require_current(engine)
            with engine.begin() as connection:
                log = audit(connection, witnessed)
                return _compared(connection, projections, log) if log.is_clean else Checked(log, 0, ())
        finally:
            engine.dispose()


def _compared(connection: Connection, projections: Projections, log: Audit) -> Checked:
    standing = {table.name: _rows(connection, table) for table in READ_MODELS}
    replayed = rebuild(connection, projections)
    found = [
        row for table in READ_MODELS for row in _differences(table.name, standing[table.name], _rows(connection, table))
    ]
    return Checked(log, replayed, tuple(found))


def _rows(connection: Connection, table: Table) -> _Rows:
    """Return rows as they are stored: what somebody wrote by hand need not be what a column can hold."""
    names = [column.name for column in table.columns]
    keys = [names.index(column.name) for column in table.primary_key]
    query = f"SELECT {', '.join(map(_quoted, names))} FROM {_quoted(table.name)}"  # noqa: S608 - our own names
    rows = driver_connection(connection).execute(query).fetchall()
    return {tuple(str(row[key]) for key in keys): dict(zip(names, row, strict=True)) for row in rows}


def _quoted(name: str) -> str:
    return f'"{name}"'


def _differences(table: str, standing: _Rows, made: _Rows) -> list[DifferentRow]:
    found: list[DifferentRow] = []
    for key in sorted(standing.keys() | made.keys()):
        here, there = standing.get(key), made.get(key)
        if here is None or there is None:
            why = "is missing" if here is None else "stands there, and no entry makes it"
            found.append(DifferentRow(table, key, _ABSENT, why))
        elif here != there:
            columns = tuple(name for name in here if here[name] != there[name])
            found.append(DifferentRow(table, key, columns, f"differs in {', '.join(columns)}"))
    return found
