"""Refuse a database that does not fit this version; a new one is made by the migrations, the only source of its schema.

Which revision a database has is read without the migration tool, so that a start on one that stands need not load it.
"""

from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Final

from sqlalchemy import Column, Engine, MetaData, PrimaryKeyConstraint, String, Table, select

from grace.record.store import migrations

_STEPS: Final = Path(migrations.__file__).parent / "versions"
_version: Final = Table("alembic_version", MetaData(), Column("version_num", String(32), nullable=False))
_version.append_constraint(PrimaryKeyConstraint("version_num", name="alembic_version_pkc"))


class RevisionState(StrEnum):
    """How the schema of a database relates to this version of GRACE."""

    EMPTY = "empty"
    CURRENT = "current"
    BEHIND = "behind"
    AHEAD = "ahead"


class SchemaMismatchError(RuntimeError):
    """The database has another schema than this version needs."""

    def __init__(self, state: RevisionState, found: str | None, needed: str, what_next: str) -> None:
        self.state = state
        self.found = found
        self.needed = needed
        super().__init__(
            f"The store's schema is {state.value}: it has revision {found or 'none'}, "
            f"this GRACE needs {needed}. {what_next}"
        )


def create(engine: Engine) -> None:
    """Make the schema of a new database by the migrations, all in one transaction."""
    # Loaded here alone: it costs a start a fifth of its time, and only the first start needs it.
    migrating = import_module(f"{__package__}.migrating")
    migrating.upgrade(engine)


def revisions() -> tuple[str, ...]:
    """Return every revision, oldest first: the files of the steps are named after them."""
    return tuple(sorted(step.name[1:5] for step in _STEPS.glob("m[0-9][0-9][0-9][0-9]_*.py")))


def revision_state(engine: Engine) -> RevisionState:
    found = _found(engine)
    if found is None:
        return RevisionState.EMPTY
    if found == _needed():
        return RevisionState.CURRENT
    return RevisionState.BEHIND if found in revisions() else RevisionState.AHEAD


def require_current(engine: Engine) -> None:
    """Do nothing when the schema fits; else raise SchemaMismatchError, which says what to do."""
    state = revision_state(engine)
    match state:
        case RevisionState.CURRENT:
            return
        case RevisionState.EMPTY | RevisionState.BEHIND:
            what_next = "Copy the database file, then run `grace store upgrade`."
        case RevisionState.AHEAD:
            what_next = "A newer GRACE wrote it: install that version again; nothing was changed."
    raise SchemaMismatchError(state, _found(engine), _needed(), what_next)


def _found(engine: Engine) -> str | None:
    with engine.connect() as connection:
        if not connection.dialect.has_table(connection, _version.name):
            return None
        return connection.execute(select(_version.c.version_num)).scalar_one_or_none()


def _needed() -> str:
    known = revisions()
    if not known:
        message = "This installation of GRACE has no migrations; install it again."
        raise RuntimeError(message)
    return known[-1]
