"""Probes of an SQLite database, asked through a child process: this process never opens the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeVar, cast

from pydantic import Field, JsonValue

from grace.kit.sqlite_child import Role, SqliteChild, SqliteFault
from grace.model.catalogue import Answers, ProbeSpec
from grace.model.quantities import AbsolutePath, Duration
from grace.model.reading import Known, Unknown
from grace.sense.collectors import Meter, Probe
from grace.sense.collectors.meters import OVERTIME_S, ProbeParameters, Reads, TypedProbe, by_name, unknown
from grace.sense.collectors.viewpoint import Viewpoint

_MOST_ROWS: Final = 1000


class Database(ProbeParameters):
    """A database file, and how long an answer may take."""

    path: AbsolutePath
    timeout: Duration = Field(default=10.0, gt=0, le=600)


class WriteLock(Database):
    """How long to wait for the write lock before the answer is no."""

    patience: Duration = Field(default=0.1, le=60)


class Check(Database):
    """`quick` leaves out the comparison of indexes with their tables."""

    quick: bool = False
    timeout: Duration = Field(default=60.0, gt=0, le=3600)


class Whole(Database):
    """Reading a whole database may take a while."""

    timeout: Duration = Field(default=60.0, gt=0, le=3600)


class Query(Database):
    """One query that only reads, with its parameters in order."""

    query: str = Field(min_length=1, max_length=10_000)
    parameters: tuple[str | int | float | None, ...] = ()


class RowsQuery(Query):
    """At most `limit` rows; one more is an error, not a cut."""

    limit: int = Field(default=100, ge=1, le=_MOST_ROWS)


D = TypeVar("D", bound=Database)


class SqliteCollector:
    """`sqlite.writable`, `.integrity`, `.scalar`, `.rows`, `.journal_mode` and `.digest`."""

    def __init__(self, viewpoint: Viewpoint) -> None:
        self._child = SqliteChild(Role.READER)

    @property
    def probes(self) -> Mapping[str, Probe]:
        return by_name(
            [
                self._probe(
                    ProbeSpec("sqlite.writable", "Whether the write lock can be had now.", WriteLock, Answers.BOOLEAN),
                    WriteLock,
                    lambda given: self._ask("writable", given, {"patience_s": given.patience}),
                ),
                self._probe(
                    ProbeSpec("sqlite.integrity", "`ok`, or the first fault SQLite finds.", Check, Answers.TEXT),
                    Check,
                    lambda given: self._ask("integrity", given, {"quick": given.quick}),
                ),
                self._probe(
                    ProbeSpec("sqlite.scalar", "The single value of a query.", Query, Answers.ANYTHING),
                    Query,
                    self._scalar,
                ),
                self._probe(
                    ProbeSpec("sqlite.rows", "The rows of a query, each an object.", RowsQuery, Answers.LIST),
                    RowsQuery,
                    self._rows,
                ),
                self._probe(
                    ProbeSpec(
                        "sqlite.journal_mode", "How it journals, such as `wal` or `delete`.", Database, Answers.TEXT
                    ),
                    Database,
                    lambda given: self._ask("journal_mode", given, {}),
                ),
                self._probe(
                    ProbeSpec("sqlite.digest", "The digest of the logical content.", Whole, Answers.TEXT),
                    Whole,
                    lambda given: self._ask("digest", given, {}),
                ),
            ]
        )

    def close(self) -> None:
        """End the child process."""
        self._child.close()

    def _probe(self, spec: ProbeSpec, parameters: type[D], read: Callable[[D], Known | Unknown]) -> Probe:
        def aim(given: D) -> Meter:
            return Reads(given.timeout + 2 * OVERTIME_S, lambda: read(given))

        return TypedProbe(spec, parameters, aim)

    def _ask(self, operation: str, given: Database, arguments: Mapping[str, JsonValue]) -> Known | Unknown:
        try:
            found = self._child.call(operation, {"path": given.path, **arguments}, timeout_s=given.timeout)
        except SqliteFault as fault:
            return unknown(fault.why.rstrip("."))
        return Known(value=found)

    def _table(self, given: Query, limit: int) -> Known | Unknown:
        arguments: dict[str, JsonValue] = {"query": given.query, "parameters": list(given.parameters), "limit": limit}
        match self._ask("rows", given, arguments):
            case Known(value={"is_cut": True}):
                return unknown(f"the query has more than {limit} rows")
            case found:
                return found

    def _scalar(self, given: Query) -> Known | Unknown:
        match self._table(given, 1):
            case Known(value={"rows": [[value]]}):
                return Known(value=value) if value is not None else unknown("the value is NULL")
            case Known(value={"rows": []}):
                return unknown("the query has no row")
            case Known():
                return unknown("the query has more than one column")
            case found:
                return found

    def _rows(self, given: RowsQuery) -> Known | Unknown:
        match self._table(given, given.limit):
            case Known(value={"columns": list(columns), "rows": list(rows)}):
                names = cast("list[str]", columns)
                return Known(value=[dict(zip(names, cast("list[JsonValue]", row), strict=True)) for row in rows])
            case found:
                return found
