"""SQLite databases: change rows, move the WAL into the database. Exact: the `sqlite` provider takes each change back.

The database is opened in a child process alone. A change is recorded row by row inside its transaction; it is committed
only after the record is durable, so that after a crash the rows themselves tell whether it happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, TypeAlias, cast

from pydantic import BaseModel, Field, JsonValue

from grace.act.executors import Action, Applied, Journal
from grace.act.executors.workplace import Parameters, Workplace, failed, led, own, refusal, refused, unknown
from grace.kit.cuts import cut
from grace.kit.filesystem.fitness import require_outside
from grace.kit.filesystem.paths import NotExactError, Rule, canonical_path
from grace.kit.filesystem.use import uses_of
from grace.kit.sqlite_child import FaultKind, SqliteFault
from grace.kit.sqlite_child import changes as recording
from grace.model.catalogue import ActionSpec
from grace.model.execution import Outcome, StepState
from grace.model.noun import Noun
from grace.model.plan import Reversibility
from grace.model.quantities import AbsolutePath, Duration
from grace.model.reading import Unknown
from grace.model.target import Target
from grace.model.warrant import Refusal

KIND: Final = "sqlite"
_TIMEOUT_S: Final = 15.0
_REHEARSAL_S: Final = 5.0
"""What takes longer on a copy in memory would hold the write lock of a living database for too long."""
_MOST_ROWS: Final = 10_000
_MOST_STATEMENTS: Final = 100
_MOST_SHOWN: Final = 5
_REFUSES: Final = frozenset(
    {FaultKind.NOT_REVERSIBLE, FaultKind.TOO_MANY_ROWS, FaultKind.BAD_QUERY, FaultKind.BAD_REQUEST}
)
_DOUBTFUL: Final = frozenset({FaultKind.CHILD_ENDED, FaultKind.TIME_LIMIT, FaultKind.OTHER})

Bound: TypeAlias = bool | int | float | str | None


class SqliteParameters(Parameters):
    """What every action on a database takes."""

    path: AbsolutePath
    patience: Duration = Field(default=2.0, le=10, description="How long to wait for the write lock.")


class Statement(Parameters):
    """One statement that inserts, updates or deletes rows."""

    sql: str = Field(min_length=1, max_length=20_000)
    parameters: tuple[Bound, ...] = Field(default=(), max_length=500)


class SqliteExecuteParameters(SqliteParameters):
    """What `sqlite.execute` takes."""

    statements: tuple[Statement, ...] = Field(min_length=1, max_length=_MOST_STATEMENTS)
    at_most_rows: int = Field(ge=1, le=_MOST_ROWS, description="Rows that may change, those of triggers included.")


class SqliteCheckpointParameters(SqliteParameters):
    """What `sqlite.checkpoint` takes."""

    mode: Literal["passive", "full", "truncate"] = "passive"


class RowsChanged(Noun):
    """How many rows a deed changed."""

    rows: int


class Checkpointed(Noun):
    """Pages in the WAL, and how many of them are in the database now; -1 where there is no WAL."""

    wal_pages: int
    moved_pages: int


class SqliteExecute:
    """`sqlite.execute`: change rows, in one transaction, recorded before it is committed."""

    spec = ActionSpec(
        name="sqlite.execute",
        summary="Change rows of a live SQLite database in one transaction",
        parameters=SqliteExecuteParameters,
        outputs=RowsChanged,
        reversibility=Reversibility.EXACT,
        provider="sqlite",
        blast_radius="at most `at_most_rows` rows of one database",
    )

    def __init__(self, workplace: Workplace) -> None:
        self._workplace = workplace

    def targets(self, parameters: BaseModel) -> tuple[Target, ...] | Refusal:
        """Return the real path of the database."""
        return _targets(self._workplace, parameters)

    def leads(self, parameters: BaseModel) -> Mapping[str, str | Unknown]:
        """Return where the path leads now."""
        return led((own(parameters, SqliteParameters).path,))

    def predict(self, parameters: BaseModel) -> Mapping[str, JsonValue] | Refusal:
        """Return the rows that would change, as found on a copy in memory; refuse what could not be taken back."""
        wanted = own(parameters, SqliteExecuteParameters)
        try:
            path = _path(self._workplace, wanted)
            answer = self._workplace.sqlite.call("rehearse", _arguments(path, wanted), timeout_s=_REHEARSAL_S)
        except NotExactError as error:
            return refusal(error)
        except SqliteFault as fault:
            return _refused_by(fault, wanted.path)
        rows = cast("list[dict[str, JsonValue]] | None", cast("dict[str, JsonValue]", answer)["rows"])
        if rows is None:
            return {"path": str(path), "rows": None, "why": "the database is too large for a rehearsal"}
        shown: list[JsonValue] = list(recording.in_words(rows[:_MOST_SHOWN], ("before", "after")))
        return {"path": str(path), "rows": len(rows), "changes": shown}

    def apply(self, parameters: BaseModel, journal: Journal) -> Outcome:
        """Run the statements; nothing is committed before its record is durable."""
        wanted = own(parameters, SqliteExecuteParameters)
        noted: dict[str, JsonValue] = {}

        def go_ahead(change: JsonValue) -> JsonValue:
            cut("executor.sqlite.execute.changed")
            handle: dict[str, JsonValue] = {"changeset": journal.keep(recording.to_bytes(change))}
            journal.note(handle)
            noted.update(handle)
            cut("executor.sqlite.execute.before_commit")
            return True

        try:
            arguments = _arguments(_path(self._workplace, wanted), wanted)
            answer = self._workplace.sqlite.call("write", arguments, timeout_s=_TIMEOUT_S, answering=go_ahead)
        except NotExactError as error:
            return refused(error)
        except SqliteFault as fault:
            return self._faulted(wanted, fault, noted)
        cut("executor.sqlite.execute.after_commit")
        changed = RowsChanged(rows=cast("int", cast("dict[str, JsonValue]", answer)["rows"]))
        return Outcome(state=StepState.DONE, output=changed.to_json())

    def probe(self, parameters: BaseModel, handle: Mapping[str, JsonValue] | None) -> Applied:
        """Compare the rows with how they read before and after; without a record nothing was committed."""
        address = (handle or {}).get("changeset")
        if not isinstance(address, str):
            return Applied.NO
        try:
            path = _path(self._workplace, own(parameters, SqliteExecuteParameters))
            change = recording.from_bytes(self._workplace.fetch(address))
            arguments: dict[str, JsonValue] = {"path": str(path), "change": change, "recover": True}
            found = self._workplace.sqlite.call("compare", arguments, timeout_s=_TIMEOUT_S)
        except (NotExactError, SqliteFault, ValueError):
            return Applied.UNKNOWN
        return {"after": Applied.YES, "before": Applied.NO}.get(cast("str", found), Applied.UNKNOWN)

    def _faulted(self, wanted: SqliteExecuteParameters, fault: SqliteFault, noted: dict[str, JsonValue]) -> Outcome:
        """Say what a fault means: before the go-ahead nothing can have been committed, after it the rows tell."""
        if fault.kind in _REFUSES and not noted:
            return Outcome(state=StepState.REFUSED, why=f"sqlite.{fault.kind}: {fault.why}")
        if not noted or fault.kind not in _DOUBTFUL:
            return failed(fault.why)
        match self.probe(wanted, noted):
            case Applied.YES:
                return Outcome(state=StepState.DONE, output={}, why=f"found committed, although: {fault.why}")
            case Applied.NO:
                return failed(fault.why)
            case Applied.UNKNOWN:
                return unknown(fault.why)


class SqliteCheckpoint:
    """`sqlite.checkpoint`: move what lies in the WAL into the database. What the database says stays the same."""

    spec = ActionSpec(
        name="sqlite.checkpoint",
        summary="Move the write-ahead log of a SQLite database into the database",
        parameters=SqliteCheckpointParameters,
        outputs=Checkpointed,
        reversibility=Reversibility.EXACT,
        provider="sqlite",
        blast_radius="no row; the WAL file is emptied by `truncate`, never removed",
    )

    def __init__(self, workplace: Workplace) -> None:
        self._workplace = workplace

    def targets(self, parameters: BaseModel) -> tuple[Target, ...] | Refusal:
        """Return the real path of the database."""
        return _targets(self._workplace, parameters)

    def leads(self, parameters: BaseModel) -> Mapping[str, str | Unknown]:
        """Return where the path leads now."""
        return led((own(parameters, SqliteParameters).path,))

    def predict(self, parameters: BaseModel) -> Mapping[str, JsonValue] | Refusal:
        """Return the size of the WAL that would be moved."""
        try:
            path = _path(self._workplace, own(parameters, SqliteCheckpointParameters))
        except NotExactError as error:
            return refusal(error)
        wal = path.with_name(f"{path.name}-wal")
        return {"path": str(path), "wal_bytes": wal.stat().st_size if wal.exists() else 0, "rows": 0}

    def apply(self, parameters: BaseModel, journal: Journal) -> Outcome:
        """Run the checkpoint; a second one finds nothing to move."""
        wanted = own(parameters, SqliteCheckpointParameters)
        try:
            path = _path(self._workplace, wanted)
            arguments: dict[str, JsonValue] = {"path": str(path), "mode": wanted.mode, "patience_s": wanted.patience}
            answer = self._workplace.sqlite.call("checkpoint", arguments, timeout_s=_TIMEOUT_S)
        except NotExactError as error:
            return refused(error)
        except SqliteFault as fault:
            return failed(fault.why)
        cut("executor.sqlite.checkpoint.after")
        return Outcome(state=StepState.DONE, output=Checkpointed.model_validate(answer).to_json())

    def probe(self, parameters: BaseModel, handle: Mapping[str, JsonValue] | None) -> Applied:
        """Tell `no`: a checkpoint may always be done again, and nothing it does shows in what the database says."""
        return Applied.NO


class SqliteExecutor:
    """The actions on databases."""

    def __init__(self, workplace: Workplace) -> None:
        self._actions: dict[str, Action] = {
            SqliteExecute.spec.name: SqliteExecute(workplace),
            SqliteCheckpoint.spec.name: SqliteCheckpoint(workplace),
        }

    @property
    def actions(self) -> Mapping[str, Action]:
        return self._actions


def _path(workplace: Workplace, parameters: SqliteParameters) -> Path:
    path = canonical_path(parameters.path, follow=True)
    require_outside(path, workplace.forbidden)
    if not path.is_file():
        raise NotExactError(Rule.PATH_NAME, f"There is no database {path}.", "Name the file of a database.")
    return path


def _targets(workplace: Workplace, parameters: BaseModel) -> tuple[Target, ...] | Refusal:
    try:
        return (Target(kind=KIND, host=workplace.host, id=str(_path(workplace, own(parameters, SqliteParameters)))),)
    except NotExactError as error:
        return refusal(error)


def _refused_by(fault: SqliteFault, path: str) -> Refusal:
    """Say what to do about a fault while planning; of a lock also who holds it, where that can be seen."""
    rule = f"sqlite.{fault.kind}"
    match fault.kind:
        case FaultKind.BUSY:
            holders = ", ".join(_holders(Path(path)))
            why = f"{fault.why} {holders}." if holders else f"{fault.why} Who holds the lock cannot be seen."
            next_ = "Plan again when it is let go, or have its holder end."
            return Refusal(rule=rule, why=why, next=next_, is_of_now=True)
        case FaultKind.TIME_LIMIT:
            why = f"the rehearsal on a copy in memory did not end within {_REHEARSAL_S:g} s"
            next_ = "Bound the statements, as with LIMIT, or give them an index."
            return Refusal(rule=rule, why=why, next=next_, is_of_now=True)
        case FaultKind.NOT_A_DATABASE:
            return Refusal(rule=rule, why=f"{path}: {fault.why}", next="Name the file of a SQLite database.")
        case _:
            return Refusal(rule=rule, why=fault.why, next="Change the statements or the bounds.", is_of_now=True)


def _holders(path: Path) -> list[str]:
    """Name the processes that hold a lock on the database, or on the file that connections in WAL mode share."""
    real = path.resolve()
    files = [file for file in (real, real.with_name(f"{real.name}-shm")) if file.exists()]
    inodes = {(status.st_dev, status.st_ino) for status in (file.stat() for file in files)}
    return sorted({str(use) for use in uses_of(inodes) if use.is_locked}) if inodes else []


def _arguments(path: Path, wanted: SqliteExecuteParameters) -> dict[str, JsonValue]:
    statements: list[JsonValue] = [
        {"sql": one.sql, "parameters": [int(value) if isinstance(value, bool) else value for value in one.parameters]}
        for one in wanted.statements
    ]
    return {
        "path": str(path),
        "statements": statements,
        "most_rows": wanted.at_most_rows,
        "patience_s": wanted.patience,
    }


def build(workplace: Workplace) -> SqliteExecutor:
    """Make the executor; the entry point."""
    return SqliteExecutor(workplace)
