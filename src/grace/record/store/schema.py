"""Bring the schema up, take it down, and refuse a database that does not fit this version."""

from enum import StrEnum
from pathlib import Path
from typing import Final

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from grace.record.store.tables import metadata

HEAD: Final = "head"
BASE: Final = "base"
_MIGRATIONS: Final = Path(__file__).parent / "migrations"


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


def upgrade(engine: Engine, revision: str = HEAD) -> None:
    """Apply the migrations up to `revision`, all in one transaction."""
    with engine.begin() as connection:
        command.upgrade(_config(connection), revision)


def downgrade(engine: Engine, revision: str = BASE) -> None:
    """Take the migrations back down to `revision`, all in one transaction; the rows of dropped tables are gone."""
    with engine.begin() as connection:
        command.downgrade(_config(connection), revision)


def revision_state(engine: Engine) -> RevisionState:
    found = _found(engine)
    known = {step.revision for step in _script().walk_revisions()}
    if found is None:
        return RevisionState.EMPTY
    if found == _needed():
        return RevisionState.CURRENT
    return RevisionState.BEHIND if found in known else RevisionState.AHEAD


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


def check_drift(engine: Engine) -> tuple[str, ...]:
    """Return every difference between the schema as migrated and the tables as the code sees them; empty is good."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return tuple(repr(difference) for difference in compare_metadata(context, metadata))


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _script() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _found(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def _needed() -> str:
    head = _script().get_current_head()
    if head is None:
        message = "This installation of GRACE has no migrations; install it again."
        raise RuntimeError(message)
    return head
