"""Bring the schema of a database that stands up or down, step by step. Alembic is known here and in the steps alone."""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine

from grace.record.store import migrations
from grace.record.store.tables import metadata

HEAD: Final = "head"
BASE: Final = "base"


def upgrade(engine: Engine, revision: str = HEAD) -> None:
    """Apply the migrations up to `revision`, all in one transaction."""
    with engine.begin() as connection:
        command.upgrade(_config(connection), revision)


def downgrade(engine: Engine, revision: str = BASE) -> None:
    """Take the migrations back down to `revision`, all in one transaction; the rows of dropped tables are gone."""
    with engine.begin() as connection:
        command.downgrade(_config(connection), revision)


def check_drift(engine: Engine) -> tuple[str, ...]:
    """Return every difference between the schema as migrated and the tables as the code sees them; empty is good."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return tuple(repr(difference) for difference in compare_metadata(context, metadata))


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
