"""What a reader can do: questions to a database that change nothing in it or beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

import apsw
from pydantic import JsonValue

from grace.kit.sqlite_child.connections import Row, fault_of, locking
from grace.kit.sqlite_child.conversation import Operation, Request
from grace.kit.sqlite_child.logical import logical_digest
from grace.kit.sqlite_child.protocol import FaultKind, SqliteFault, SqliteValue, from_json, to_json
from grace.kit.sqlite_child.resting import again_where_moved, can_be_locked, looking

_MOST_ROWS: Final = 10_000
_READ_ACTIONS: Final = frozenset({apsw.SQLITE_SELECT, apsw.SQLITE_READ, apsw.SQLITE_FUNCTION, apsw.SQLITE_RECURSIVE})
_NUMBER_PRAGMAS: Final = frozenset(
    "application_id encoding freelist_count page_count page_size schema_version user_version".split()  # noqa: SIM905
)
_NAMING_PRAGMAS: Final = frozenset(
    "foreign_key_check foreign_key_list index_info index_list table_info table_list table_xinfo".split()  # noqa: SIM905
)


def _authorize(action: int, first: str | None, second: str | None, _database: str | None, _trigger: str | None) -> int:
    """Let a query read and compute; anything that writes, attaches or sets is denied before it runs."""
    pragma = (first or "").lower() if action == apsw.SQLITE_PRAGMA else ""
    reads = action in _READ_ACTIONS or pragma in _NAMING_PRAGMAS or (pragma in _NUMBER_PRAGMAS and second is None)
    return apsw.SQLITE_OK if reads else apsw.SQLITE_DENY


def rows(request: Request) -> JsonValue:
    """Answer `{columns, rows, is_cut}` of one read-only query; at most `limit` rows."""
    query, bindings = request.text("query"), _bindings(request)
    limit = min(int(request.number("limit", _MOST_ROWS)), _MOST_ROWS)
    with looking(request.text("path"), request) as database:
        database.connection.authorizer = _authorize
        cursor = database.do(query, bindings)
        found: list[Row] = []
        columns: list[JsonValue] = []
        is_cut = False
        for row in cursor:
            columns = columns or [name for name, *_ in cursor.get_description()]
            is_cut = len(found) == limit
            if is_cut:
                break
            found.append(cast("Row", row))
        cursor.close()
        return {"columns": columns, "rows": [[to_json(value) for value in row] for row in found], "is_cut": is_cut}


def _bindings(request: Request) -> tuple[SqliteValue, ...]:
    match request.arguments.get("parameters", []):
        case list() as written:
            try:
                return tuple(from_json(value) for value in written)
            except ValueError as error:
                raise SqliteFault(FaultKind.BAD_REQUEST, f"A parameter cannot be bound: {error}.") from error
        case other:
            raise SqliteFault(
                FaultKind.BAD_REQUEST, f"{request.operation} needs 'parameters' as a list, got {other!r}."
            )


def writable(request: Request) -> JsonValue:
    """Answer whether the write lock can be had within `patience_s`: it is taken and given back, nothing is written.

    Of a WAL database that nobody has open the lock is free: taking it would make files beside it.
    """
    path = request.text("path")
    patience_s = request.number("patience_s", 0.1)
    try:
        with looking(path, request, patience_s) as database:
            # An interrupted transaction is found here, where it is not rolled back.
            database.value("PRAGMA schema_version")
            if database.lies:
                return can_be_locked(path, patience_s)
        with locking(path, request, patience_s) as database:
            database.do("BEGIN IMMEDIATE")
            database.do("ROLLBACK")
            return True
    except SqliteFault as fault:
        if fault.kind is FaultKind.BUSY:
            return False
        raise


def integrity(request: Request) -> JsonValue:
    """Answer `ok` or the first fault that SQLite's own check finds; `quick` leaves out the indexes."""
    check = "quick_check" if request.arguments.get("quick") is True else "integrity_check"
    with looking(request.text("path"), request) as database:
        try:
            return cast("str", database.value(f"PRAGMA {check}(1)"))
        except apsw.CorruptError as error:
            return fault_of(error).why


def journal_mode(request: Request) -> JsonValue:
    """Answer the journal mode that the file has: `wal`, or what a new connection would use, `delete`."""
    with looking(request.text("path"), request) as database:
        return database.journal_mode()


def digest(request: Request) -> JsonValue:
    """Answer the digest of the logical content, read in one transaction."""
    with looking(request.text("path"), request) as database:
        return logical_digest(database)


READ_OPERATIONS: Final[Mapping[str, Operation]] = {
    "rows": again_where_moved(rows),
    "writable": again_where_moved(writable),
    "integrity": again_where_moved(integrity),
    "journal_mode": again_where_moved(journal_mode),
    "digest": again_where_moved(digest),
}
