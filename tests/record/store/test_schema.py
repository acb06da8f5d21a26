import ast
from collections.abc import Generator
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text

from grace.record.opening import RecordPlaces, open_record
from grace.record.store import migrations
from grace.record.store.engine import StoreUnusableError, open_engine, open_reading_engine
from grace.record.store.migrating import check_drift, downgrade, upgrade
from grace.record.store.schema import (
    RevisionState,
    SchemaMismatchError,
    create,
    require_current,
    revision_state,
    revisions,
)


@pytest.fixture
def engine(tmp_path: Path) -> Generator[Engine]:
    engine = open_engine(tmp_path / "grace.db")
    yield engine
    engine.dispose()


def _schema(engine: Engine) -> list[tuple[str, str | None]]:
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master ORDER BY name").all()
        return [(row[0], row[1]) for row in rows]


def _structure(engine: Engine) -> list[tuple[object, ...]]:
    """Return what each table holds to, however it was written: columns in any order, keys, indexes, revision."""
    questions = (
        """SELECT t.name, c.name, c.type, c."notnull", c.dflt_value, c.pk
           FROM sqlite_master AS t, pragma_table_info(t.name) AS c WHERE t.type = 'table' ORDER BY t.name, c.name""",
        """SELECT t.name, i.name, i."unique", i.origin, i.partial, c.seqno, c.name, c."desc", c.coll
           FROM sqlite_master AS t, pragma_index_list(t.name) AS i, pragma_index_xinfo(i.name) AS c
           WHERE t.type = 'table' AND c.key ORDER BY t.name, i.name, c.seqno""",
        """SELECT name, replace(sql, tbl_name || '.', '')
           FROM sqlite_master WHERE type = 'index' AND sql LIKE '% WHERE %' ORDER BY name""",
        "SELECT 'revision', version_num FROM alembic_version",
    )
    with engine.connect() as connection:
        return [tuple(row) for question in questions for row in connection.exec_driver_sql(question)]


def test_up_and_down_and_up_again_gives_the_same_schema(engine: Engine) -> None:
    assert revision_state(engine) is RevisionState.EMPTY
    upgrade(engine)
    assert revision_state(engine) is RevisionState.CURRENT
    first = _schema(engine)
    downgrade(engine)
    assert revision_state(engine) is RevisionState.EMPTY
    assert [name for name, _ in _schema(engine) if "alembic" not in name] == []
    upgrade(engine)
    assert _schema(engine) == first


def test_the_migrations_and_the_tables_say_the_same(engine: Engine) -> None:
    upgrade(engine)
    assert check_drift(engine) == ()


def test_a_new_database_is_made_by_the_migrations(engine: Engine, tmp_path: Path) -> None:
    create(engine)
    assert revision_state(engine) is RevisionState.CURRENT
    migrated = open_engine(tmp_path / "migrated.db")
    upgrade(migrated)
    assert _structure(engine) == _structure(migrated)
    migrated.dispose()


def test_a_new_database_goes_down_and_comes_back(engine: Engine) -> None:
    create(engine)
    first = _structure(engine)
    downgrade(engine)
    create(engine)
    assert _structure(engine) == first


def test_the_files_of_the_steps_are_named_after_their_revisions() -> None:
    script = ScriptDirectory(str(Path(migrations.__file__).parent))
    assert revisions() == tuple(reversed([step.revision for step in script.walk_revisions()]))


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE runs ADD COLUMN extra TEXT",
        "ALTER TABLE runs DROP COLUMN tier",
        "DROP INDEX ix_runs_settlement_id",
        "DROP TABLE tokens",
        "CREATE TABLE stray (id INTEGER PRIMARY KEY)",
    ],
)
def test_a_drift_is_seen(engine: Engine, change: str) -> None:
    upgrade(engine)
    with engine.begin() as connection:
        connection.execute(text(change))
    assert len(check_drift(engine)) == 1


def test_a_store_that_is_behind_is_refused_with_what_to_do(engine: Engine) -> None:
    with pytest.raises(SchemaMismatchError, match="grace store upgrade") as refused:
        require_current(engine)
    assert refused.value.state is RevisionState.EMPTY


def test_a_store_of_a_newer_version_is_refused_and_left_alone(places: RecordPlaces) -> None:
    open_record(places).close()
    engine = open_engine(places.database)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    before = _schema(engine)
    with pytest.raises(SchemaMismatchError, match="newer GRACE") as refused:
        open_record(places)
    assert refused.value.found == "9999"
    assert _schema(engine) == before
    engine.dispose()


def test_a_failing_migration_leaves_nothing_behind(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE meta (in_the_way TEXT)"))
    before = _schema(engine)
    with pytest.raises(Exception, match="already exists"):
        upgrade(engine)
    assert [row for row in _schema(engine) if "alembic" not in row[0]] == before


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "grace.db"
    path.write_text("not a database, but long enough to be read as a header of one" * 100)
    engine = open_engine(path)
    with pytest.raises(StoreUnusableError, match="not a database"):
        revision_state(engine)
    engine.dispose()


def test_what_is_acknowledged_is_synced_and_readers_cannot_write(engine: Engine, tmp_path: Path) -> None:
    upgrade(engine)
    reading = open_reading_engine(tmp_path / "grace.db")
    with engine.connect() as connection, reading.connect() as reader:
        pragma = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")
        }
        assert pragma == {"journal_mode": "wal", "synchronous": 2}
        with pytest.raises(Exception, match="readonly"):
            reader.exec_driver_sql("INSERT INTO meta VALUES ('a', 'b')")
    reading.dispose()


def test_a_migration_stands_alone() -> None:
    """A published step must not change when the tables in the code change, so it imports nothing of ours."""
    steps = sorted((Path(migrations.__file__).parent / "versions").glob("m*.py"))
    assert steps
    imported = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else alias.name
        for step in steps
        for node in ast.walk(ast.parse(step.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert not {name for name in imported if name.startswith("grace")}
