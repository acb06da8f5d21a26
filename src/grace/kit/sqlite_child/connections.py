"""Open a database so that looking at it leaves no trace, and say in our words why it could not be opened or read."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeAlias, cast

import apsw

from grace.kit.sqlite_child.conversation import Request
from grace.kit.sqlite_child.protocol import FaultKind, SqliteFault, SqliteValue

Row: TypeAlias = tuple[SqliteValue, ...]

_CHECK_EVERY_STEPS: Final = 2000
_LONGEST_VALUE_BYTES: Final = 16 * 1024 * 1024
_READONLY_ROLLBACK: Final = 776
READER_PATIENCE_S: Final = 2.0
_READ: Final = apsw.SQLITE_OPEN_READONLY
_READ_AND_WRITE: Final = apsw.SQLITE_OPEN_READWRITE

_KINDS: Final[tuple[tuple[type[apsw.Error], FaultKind], ...]] = (
    (apsw.BusyError, FaultKind.BUSY),
    (apsw.LockedError, FaultKind.BUSY),
    (apsw.CantOpenError, FaultKind.CANNOT_OPEN),
    (apsw.NotADBError, FaultKind.NOT_A_DATABASE),
    (apsw.CorruptError, FaultKind.CORRUPT),
    (apsw.ReadOnlyError, FaultKind.READ_ONLY),
    (apsw.AuthError, FaultKind.BAD_QUERY),
    (apsw.SQLError, FaultKind.BAD_QUERY),
    (apsw.BindingsError, FaultKind.BAD_QUERY),
    (apsw.TooBigError, FaultKind.TOO_LARGE),
    (apsw.InterruptError, FaultKind.TIME_LIMIT),
)

_SENTENCES: Final = {
    FaultKind.BUSY: "The database is locked by another connection, for longer than was waited.",
    FaultKind.NOT_A_DATABASE: "The file is not a database that SQLite can read.",
}
"""What the library says of these depends on the call that met them, down to `not an error`."""


class Database:
    """An open connection with the few verbs that operations need; `connection` is there for what they do not cover."""

    def __init__(self, connection: apsw.Connection, *, lies: bool = False) -> None:
        self.connection = connection
        self.lies = lies
        """Whether it is a WAL database that nobody has open, read as it lies there."""

    def do(self, statement: str, bindings: Sequence[SqliteValue] = ()) -> apsw.Cursor:
        """Run one statement."""
        return self.connection.execute(statement, bindings)  # pyright: ignore[reportUnknownMemberType]

    def rows(self, query: str, bindings: Sequence[SqliteValue] = ()) -> Iterator[Row]:
        """Yield the rows of a query as they are read."""
        return cast("Iterator[Row]", self.do(query, bindings))

    def value(self, query: str) -> SqliteValue:
        """Return the first column of the first row."""
        return next(self.rows(query))[0]

    def journal_mode(self) -> str:
        """Return the journal mode that the file has; what is read as it lies is read without its WAL."""
        return "wal" if self.lies else cast("str", self.value("PRAGMA journal_mode"))


def fault_of(error: apsw.Error) -> SqliteFault:
    """Translate the library's error into a kind and a sentence."""
    kind = next((kind for cause, kind in _KINDS if isinstance(error, cause)), FaultKind.OTHER)
    if getattr(error, "extendedresult", 0) == _READONLY_ROLLBACK:
        return SqliteFault(kind, "An interrupted transaction waits to be rolled back by the database's owner.")
    if kind is FaultKind.TIME_LIMIT:
        return SqliteFault(kind, "The database gave no answer within the time limit.")
    return SqliteFault(kind, _SENTENCES.get(kind, f"SQLite says: {error}."))


@contextmanager
def reading(path: str, request: Request, patience_s: float = READER_PATIENCE_S) -> Generator[Database]:
    """Open for reading alone; files beside the database are the same afterwards as before.

    A writer that is just committing locks readers out for a moment: they wait `patience_s`. A read-only connection to a
    cleanly closed WAL database would leave `-wal` and `-shm` behind, a read-write one removes them again. But a
    read-write one would also roll back an interrupted transaction or fold in a WAL: where one lies beside the database,
    the connection is read-only.
    """
    require_file(path)
    at_rest = not Path(path + "-wal").exists() and not has_content(Path(path + "-journal"))
    flags = (_READ_AND_WRITE, _READ) if at_rest else (_READ,)
    with opened(path, flags, request, patience_s) as database:
        database.do("PRAGMA query_only = 1")
        yield database


@contextmanager
def locking(path: str, request: Request, patience_s: float) -> Generator[Database]:
    """Open for taking locks without writing; a WAL that lies there is neither folded in nor removed at the end."""
    require_file(path)
    had_wal = Path(path + "-wal").exists()
    with opened(path, (_READ_AND_WRITE,), request, patience_s) as database:
        if had_wal:
            database.connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        yield database


@contextmanager
def opened(path: str, flags: tuple[int, ...], request: Request, patience_s: float) -> Generator[Database]:
    """Open with the first of these flags that SQLite takes; it waits for locks and ends with the request."""
    try:
        connection = _open_first_possible(path, flags)
        try:
            connection.set_busy_timeout(round(min(patience_s, request.remaining_s / 2) * 1000))
            connection.limit(apsw.SQLITE_LIMIT_LENGTH, _LONGEST_VALUE_BYTES)
            stop_when_late(connection, request)
            yield Database(connection)
        finally:
            connection.close()
    except apsw.Error as error:
        raise fault_of(error) from error


def stop_when_late(connection: apsw.Connection, request: Request) -> None:
    """Interrupt whatever runs on a connection when the time of its request is over."""
    connection.set_progress_handler(lambda: request.is_late, _CHECK_EVERY_STEPS)


def _open_first_possible(path: str, flags: tuple[int, ...]) -> apsw.Connection:
    for candidate in flags[:-1]:
        try:
            return apsw.Connection(path, flags=candidate)
        except (apsw.CantOpenError, apsw.ReadOnlyError):
            continue
    return apsw.Connection(path, flags=flags[-1])


def require_file(path: str) -> None:
    """Refuse what is no file: SQLite would make one."""
    if not Path(path).is_file():
        raise SqliteFault(FaultKind.CANNOT_OPEN, f"There is no file {path}.")


def has_content(path: Path) -> bool:
    """Tell whether a file is there with anything in it."""
    return path.exists() and path.stat().st_size > 0
