"""Take recorded changes back, row by row, in one transaction; a row that others changed stops all of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self, cast

import apsw
from pydantic import JsonValue

from grace.kit.digests import digest_of
from grace.kit.sqlite_child.carrying import referring_tables
from grace.kit.sqlite_child.connections import Database, locking
from grace.kit.sqlite_child.conversation import Operation, Request
from grace.kit.sqlite_child.images import Image, RowChange, Table, key_values, quoted, touched_rows
from grace.kit.sqlite_child.protocol import FaultKind, SqliteFault, from_json
from grace.kit.sqlite_child.resting import again_where_moved, looking
from grace.kit.sqlite_child.writing import apply_inverse, prepare, transaction
from grace.kit.wording import in_words

_MOST_SHOWN: Final = 10
_SCHEMA: Final = (
    "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY 1, 2"
)


class _ForeignError(Exception):
    """Somebody else changed what is to be taken back; carries what to show."""

    def __init__(self, difference: list[JsonValue], why: str) -> None:
        self.difference = difference
        super().__init__(why)


@dataclass(frozen=True, slots=True)
class _Change:
    """One recorded write."""

    changeset: bytes
    rows: tuple[RowChange, ...]

    @classmethod
    def from_json(cls, written: JsonValue) -> Self:
        try:
            document = cast("dict[str, JsonValue]", written)
            changeset = cast("bytes", from_json(document["changeset"]))
            rows = tuple(RowChange.from_json(row) for row in cast("list[JsonValue]", document["rows"]))
        except (KeyError, TypeError, ValueError) as error:
            raise SqliteFault(FaultKind.BAD_REQUEST, f"That is no recorded change: {in_words(error)}.") from error
        return cls(changeset, rows)

    def found(self, database: Database) -> str:
        """Return whether the rows read as `after` the change, as `before` it, or `neither`."""
        now = [row.now(database) for row in self.rows]
        if all(image == row.after for image, row in zip(now, self.rows, strict=True)):
            return "after"
        return "before" if all(image == row.before for image, row in zip(now, self.rows, strict=True)) else "neither"


def compare(request: Request) -> JsonValue:
    """Answer how the rows of one recorded change read now: as `after` it, as `before` it, or `neither`."""
    change = _Change.from_json(request.arguments.get("change"))
    path, patience_s = request.text("path"), request.number("patience_s", 2.0)
    # Our own interrupted transaction may lie there: whoever opens the database for writing rolls it back.
    recovers = request.arguments.get("recover") is True
    with locking(path, request, patience_s) if recovers else looking(path, request) as database:
        database.do("BEGIN")
        try:
            _require_same_tables(database, change)
            return change.found(database)
        except _ForeignError:
            return "neither"
        finally:
            database.do("ROLLBACK")


def undo(request: Request) -> JsonValue:
    """Take changes back, newest first, and answer `{state, why, rows}`.

    `state` is `equal` (each row reads as before, nothing else changed, committed), `untouched` (no change had been
    committed) or `foreign` (rolled back; `rows` shows whose rows differ). With `rehearse` all is rolled back, and
    beside `equal` the `rows` show how each row that would change reads now.
    """
    changes = [_Change.from_json(one) for one in cast("list[JsonValue]", request.arguments["changes"])]
    commit = request.arguments.get("rehearse") is not True
    with locking(request.text("path"), request, request.number("patience_s", 10.0)) as database:
        prepare(database, foreign_keys=False)
        try:
            with transaction(database, commit=commit):
                shown = [] if commit else _would_change(database, changes)
                is_back = _reads_as_before_all(database, changes)
                taken_back = [] if is_back else [_take_back(database, change) for change in changes]
        except _ForeignError as foreign:
            return {"state": "foreign", "why": str(foreign), "rows": foreign.difference}
    return {"state": "equal" if any(taken_back) else "untouched", "why": "", "rows": shown}


def facts(request: Request) -> JsonValue:
    """Answer what a person wants to see of a database, and the digest of its schema."""
    with looking(request.text("path"), request) as database:
        objects = [[cast("str | None", value) for value in row] for row in database.rows(_SCHEMA)]
        shown = {
            name: cast("str | int", database.value(f"PRAGMA {name}"))
            for name in ("encoding", "user_version", "application_id", "page_count", "page_size")
        }
        described = {name: shown[name] for name in ("encoding", "user_version", "application_id")}
        tables = sum(kind == "table" for kind, *_ in objects)
        return {
            "journal_mode": database.journal_mode(),
            **shown,
            "tables": tables,
            "schema_digest": digest_of({"schema": objects, **described}),
        }


def _reads_as_before_all(database: Database, changes: list[_Change]) -> bool:
    """Tell whether every row reads as before the oldest change that touched it: an undo may be done again."""
    oldest = {(row.table.name, row.key): row for change in changes for row in change.rows}
    return all(
        Table.read(database, row.table.name) == row.table and row.now(database) == row.before for row in oldest.values()
    )


def _would_change(database: Database, changes: list[_Change]) -> list[JsonValue]:
    """Return each row that would be put back: how it read before all of the changes, and how it reads now."""
    oldest = {(row.table.name, row.key): row for change in changes for row in change.rows}
    found = ((row, row.now(database)) for row in oldest.values() if Table.read(database, row.table.name) == row.table)
    return [_shown(row, now) for row, now in found if now != row.before]


def _shown(row: RowChange, now: Image) -> JsonValue:
    return {**cast("dict[str, JsonValue]", row.to_json()), "now": _now(row, now)}


def _take_back(database: Database, change: _Change) -> bool:
    """Take one change back; tell whether there was anything to take back."""
    _require_same_tables(database, change)
    match change.found(database):
        case "before":
            return False
        case "neither":
            raise _foreign_rows(database, change)
        case _:
            pass
    violated = _violations(database, change)
    session = apsw.Session(database.connection, "main")
    session.attach()
    try:
        apply_inverse(database, change.changeset)
        also = {(table.name, key) for table, key in touched_rows(database, session.changeset())}
    except SqliteFault as fault:
        if fault.kind is FaultKind.CONFLICT:
            raise _ForeignError([], fault.why) from fault
        raise
    finally:
        session.close()
    if change.found(database) != "before" or also - key_values(change.rows):
        raise SqliteFault(FaultKind.NOT_REVERSIBLE, "The rows did not come back as they were; nothing was written.")
    if orphans := _violations(database, change) - violated:
        child, parent = next(iter(orphans))[:2]
        raise _ForeignError([], f"Rows that others wrote to {child!r} refer to rows of {parent!r} that would go.")
    return True


def _require_same_tables(database: Database, change: _Change) -> None:
    for table in {row.table for row in change.rows}:
        if Table.read(database, table.name) != table:
            raise _ForeignError([], f"Table {table.name!r} was altered since the change.")


def _foreign_rows(database: Database, change: _Change) -> _ForeignError:
    shown: list[JsonValue] = []
    for row in change.rows:
        now = row.now(database)
        if now not in (row.after, row.before) or now != row.after:
            shown.append(_shown(row, now))
    why = f"{len(shown)} of {len(change.rows)} rows are no longer as the plan left them."
    return _ForeignError(shown[:_MOST_SHOWN], why)


def _now(row: RowChange, image: Image) -> JsonValue:
    return cast("dict[str, JsonValue]", RowChange(row.table, row.key, None, image).to_json())["after"]


def _violations(database: Database, change: _Change) -> Counter[tuple[str, str, str, str]]:
    """Count the rows that refer to nothing, in the tables that the change can matter to."""
    found: Counter[tuple[str, str, str, str]] = Counter()
    for table in referring_tables(database, {row.table.name for row in change.rows}):
        for child, rowid, parent, number in database.rows(f"PRAGMA foreign_key_check({quoted(table)})"):
            found[str(child), str(parent), str(rowid), str(number)] += 1
    return found


UNDO_OPERATIONS: Final[Mapping[str, Operation]] = {
    "compare": again_where_moved(compare),
    "undo": undo,
    "facts": again_where_moved(facts),
}
