"""What a writer can do: statements that change rows, recorded so that each row can be given back; and checkpoints."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

import apsw
from pydantic import JsonValue

from grace.kit.sqlite_child.carrying import require_carryable, with_dependents
from grace.kit.sqlite_child.connections import Database, fault_of, locking, reading, stop_when_late
from grace.kit.sqlite_child.conversation import Operation, Request
from grace.kit.sqlite_child.images import RowChange, images, touched_rows
from grace.kit.sqlite_child.protocol import FaultKind, SqliteFault, SqliteValue, from_json, to_json
from grace.kit.sqlite_child.resting import again_where_moved, looking
from grace.kit.wording import in_words

_WRITES: Final = frozenset({apsw.SQLITE_INSERT, apsw.SQLITE_UPDATE, apsw.SQLITE_DELETE})
_READS: Final = frozenset({apsw.SQLITE_SELECT, apsw.SQLITE_READ, apsw.SQLITE_FUNCTION, apsw.SQLITE_RECURSIVE})
_COLUMN_PRAGMAS: Final = frozenset({"table_info", "table_xinfo"})
_LARGEST_COPY_BYTES: Final = 64 * 1024 * 1024
_CHECKPOINTS: Final = {
    "passive": apsw.SQLITE_CHECKPOINT_PASSIVE,
    "full": apsw.SQLITE_CHECKPOINT_FULL,
    "truncate": apsw.SQLITE_CHECKPOINT_TRUNCATE,
}


@dataclass(slots=True)
class _Watch:
    """Which tables the statements write, as SQLite says while it prepares and runs them."""

    prepared: set[str] = field(default_factory=set[str])
    written: set[str] = field(default_factory=set[str])

    def authorize(
        self, action: int, first: str | None, second: str | None, database: str | None, trigger: str | None
    ) -> int:
        """Let statements read, compute and change rows of the main database; nothing else."""
        # The recording of changes itself asks for the columns of a table when it first sees it.
        if action in _READS or (action == apsw.SQLITE_PRAGMA and first in _COLUMN_PRAGMAS):
            return apsw.SQLITE_OK
        if action in _WRITES and database == "main" and first is not None and not _is_own(first):
            self.prepared.add(first)
            return apsw.SQLITE_OK
        return apsw.SQLITE_DENY

    def see(self, _kind: int, database: str, table: str, _rowid: int) -> None:
        if database == "main":
            self.written.add(table)


@dataclass(frozen=True, slots=True)
class _Recorded:
    """What statements changed, before they are committed."""

    changeset: bytes
    rows: tuple[RowChange, ...]

    def to_json(self) -> dict[str, JsonValue]:
        return {"changeset": to_json(self.changeset), "rows": [row.to_json() for row in self.rows]}


def write(request: Request) -> JsonValue:
    """Run statements in one transaction and answer `{rows, changeset_given}`; commit after the parent's go-ahead.

    The question to the parent is the record of the change. It is asked inside the transaction and only where something
    changed; while the parent makes the record durable, the write lock is held. Nothing is committed without an answer.
    """
    path = request.text("path")
    with locking(path, request, request.number("patience_s", 2.0)) as database:
        prepare(database)
        with transaction(database):
            with reading(path, request) as before:
                recorded = _run(database, before, request)
            if recorded.rows:
                request.ask(recorded.to_json())
        return {"rows": len(recorded.rows)}


def rehearse(request: Request) -> JsonValue:
    """Answer what the statements would change, on a copy in memory; of a large database only whether they may run."""
    path = request.text("path")
    with looking(path, request) as source:
        if Path(path).stat().st_size > _LARGEST_COPY_BYTES:
            return _only_prepared(source, request)
        with _copy(source, request) as copy, _copy(source, request) as before, transaction(copy, commit=False):
            recorded = _run(copy, before, request)
            return {"rows": [row.to_json() for row in recorded.rows]}


def checkpoint(request: Request) -> JsonValue:
    """Move what lies in the WAL into the database; answer `{wal_pages, moved_pages}`. The WAL file stays."""
    mode = _CHECKPOINTS.get(request.text("mode"))
    if mode is None:
        raise SqliteFault(FaultKind.BAD_REQUEST, f"A checkpoint is one of {', '.join(_CHECKPOINTS)}.")
    with locking(request.text("path"), request, request.number("patience_s", 2.0)) as database:
        list(database.rows("SELECT 1 FROM sqlite_schema LIMIT 1"))
        pages, moved = database.connection.wal_checkpoint(mode=mode)
        return {"wal_pages": pages, "moved_pages": moved}


def prepare(database: Database, *, foreign_keys: bool = True) -> None:
    """Make the connection one that keeps what it wrote and touches no page of the file before its commit."""
    for pragma, value in (
        ("foreign_keys", int(foreign_keys)),
        ("recursive_triggers", 0),
        ("synchronous", 2),
        ("cache_spill", 0),
    ):
        database.do(f"PRAGMA {pragma} = {value}")


@contextmanager
def transaction(database: Database, *, commit: bool = True) -> Generator[None]:
    """Hold the write lock; commit at the end, roll back on any exception."""
    database.do("BEGIN IMMEDIATE")
    try:
        yield
        database.do("COMMIT" if commit else "ROLLBACK")
    except BaseException:
        if database.connection.in_transaction:
            database.do("ROLLBACK")
        raise


def _run(database: Database, before: Database, request: Request) -> _Recorded:
    watch = _Watch()
    session = apsw.Session(database.connection, "main")
    session.attach()
    database.connection.authorizer = watch.authorize
    database.connection.set_update_hook(watch.see)
    try:
        for sql, bindings in _statements(request):
            for _ in database.rows(sql, bindings):
                pass
    except apsw.AuthError as error:
        why = "Only statements that insert, update or delete rows are run; this one asks for more."
        raise SqliteFault(FaultKind.BAD_QUERY, why) from error
    finally:
        database.connection.authorizer = None
        database.connection.set_update_hook(None)
    try:
        changeset = session.changeset()
    finally:
        session.close()
    return _recorded(database, before, watch, changeset, request)


def _recorded(database: Database, before: Database, watch: _Watch, changeset: bytes, request: Request) -> _Recorded:
    require_carryable(before, (name for name in watch.written | watch.prepared if not _is_own(name)))
    require_carryable(database, (name for name in watch.written if not _is_own(name)))
    touched = touched_rows(database, changeset)
    most = int(request.number("most_rows", 0))
    if len(touched) > most:
        why = f"The statements would change {len(touched)} rows; the plan allows {most}."
        raise SqliteFault(FaultKind.TOO_MANY_ROWS, why)
    was, made = images(before, touched), images(database, touched)
    rows = tuple(RowChange(table, key, was[table.name, key], made[table.name, key]) for table, key in touched)
    _require_reversible(database, changeset, rows)
    return _Recorded(changeset, rows)


def _require_reversible(database: Database, changeset: bytes, rows: tuple[RowChange, ...]) -> None:
    """Take the change back once, inside the transaction, and look: what does not come back exactly is not done."""
    database.do("SAVEPOINT there_and_back")
    try:
        apply_inverse(database, changeset)
        wrong = [row for row in rows if row.now(database) != row.before]
    finally:
        database.do("ROLLBACK TO there_and_back")
        database.do("RELEASE there_and_back")
    if wrong:
        why = f"A change of table {wrong[0].table.name!r} would not come back exactly."
        raise SqliteFault(FaultKind.NOT_REVERSIBLE, why)


def apply_inverse(database: Database, changeset: bytes) -> None:
    """Take a change back row by row, without triggers and foreign key actions; any conflict raises a fault."""
    conflicts: list[str] = []

    def stop(reason: int, change: apsw.TableChange) -> int:
        said = apsw.mapping_session_conflict.get(reason, reason)
        conflicts.append(f"{said} in table {change.name!r}" if change.name else str(said))
        return apsw.SQLITE_CHANGESET_ABORT

    database.connection.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0)
    try:
        apsw.Changeset.apply(  # pyright: ignore[reportUnknownMemberType] - the library has no types for buffers
            apsw.Changeset.invert(changeset),  # pyright: ignore[reportUnknownMemberType]
            database.connection,
            conflict=stop,
            flags=apsw.SQLITE_CHANGESETAPPLY_FKNOACTION,
        )
    except apsw.Error as error:
        why = f"The change cannot be taken back: {', '.join(conflicts) or error}."
        raise SqliteFault(FaultKind.CONFLICT, why) from error
    finally:
        database.connection.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 1)


def _only_prepared(database: Database, request: Request) -> JsonValue:
    watch = _Watch()
    database.connection.authorizer = watch.authorize
    try:
        for sql, bindings in _statements(request):
            list(database.rows(f"EXPLAIN {sql}", bindings))
    except apsw.AuthError as error:
        why = "Only statements that insert, update or delete rows are run; this one asks for more."
        raise SqliteFault(FaultKind.BAD_QUERY, why) from error
    finally:
        database.connection.authorizer = None
    require_carryable(database, with_dependents(database, watch.prepared))
    return {"rows": None}


@contextmanager
def _copy(source: Database, request: Request) -> Generator[Database]:
    copy = apsw.Connection(":memory:")
    try:
        stop_when_late(copy, request)
        # A backup that cannot read its source says nothing of the reason: a question of one's own does.
        source.value("SELECT count(*) FROM sqlite_schema")
        with copy.backup("main", source.connection, "main") as backup:
            backup.step(-1)
        prepare(Database(copy))
        yield Database(copy)
    except apsw.Error as error:
        raise fault_of(error) from error
    finally:
        copy.close()


def _statements(request: Request) -> list[tuple[str, tuple[SqliteValue, ...]]]:
    try:
        written = cast("list[dict[str, JsonValue]]", request.arguments["statements"])
        return [
            (cast("str", one["sql"]), tuple(from_json(value) for value in cast("list[JsonValue]", one["parameters"])))
            for one in written
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise SqliteFault(FaultKind.BAD_REQUEST, f"Statements cannot be read: {in_words(error)}.") from error


def _is_own(table: str) -> bool:
    return table.lower().startswith("sqlite_")


WRITE_OPERATIONS: Final[Mapping[str, Operation]] = {
    "write": write,
    "rehearse": again_where_moved(rehearse),
    "checkpoint": checkpoint,
}
