import json
import random
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from grace.act.executors import Applied
from grace.act.executors.sqlite import SqliteExecutor
from grace.act.safehold.providers.sqlite import SqliteProvider
from grace.model.execution import Outcome, StepState
from grace.model.snapshot import RestoreState, SnapshotObject
from grace.model.target import Target
from grace.model.warrant import Refusal
from tests.act.workbench import HOST, Bench, KeptJournal, parsed, perform, taken

SCHEMA = """
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT NOT NULL, total REAL, note BLOB);
CREATE TABLE lines (
    order_id INTEGER REFERENCES orders(id) ON DELETE CASCADE, n INTEGER, item, PRIMARY KEY (order_id, n)
);
CREATE TABLE settings (name TEXT NOT NULL PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE audit (id INTEGER PRIMARY KEY AUTOINCREMENT, what TEXT);
CREATE TRIGGER kept_in_mind AFTER UPDATE ON settings BEGIN INSERT INTO audit (what) VALUES (old.name); END;
CREATE TABLE heap (x);
CREATE TABLE computed (id INTEGER PRIMARY KEY, a, b AS (a + 1));
CREATE TABLE loose (name TEXT PRIMARY KEY, v);
CREATE VIRTUAL TABLE words USING fts5(body);
INSERT INTO orders VALUES (1, 'ada', 10.5, x'00ff'), (2, 'bob', 2, NULL), (3, 'eve', NULL, 'text');
INSERT INTO lines VALUES (1, 1, 'tea'), (1, 2, 7), (2, 1, 9007199254740993);
INSERT INTO settings VALUES ('limit', 5), ('api_token', 'tok-123456');
INSERT INTO loose VALUES ('a', 1);
"""


@pytest.fixture(params=["wal", "delete"])
def database(bench: Bench, request: pytest.FixtureRequest) -> Path:
    return make(bench.world / "orders.db", request.param)


def make(path: Path, mode: str = "wal") -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode={mode}")
        connection.executescript(SCHEMA)
        connection.commit()
    return path


@pytest.fixture
def hands(bench: Bench) -> SqliteExecutor:
    return SqliteExecutor(bench.workplace)


@pytest.fixture
def provider(bench: Bench) -> SqliteProvider:
    return SqliteProvider(bench.surroundings)


def target(path: Path) -> Target:
    return Target(kind="sqlite", host=HOST, id=str(path))


def dump(path: Path) -> list[tuple[object, ...]]:
    """Read all content, typed; AUTOINCREMENT's counter is no content."""
    with closing(sqlite3.connect(path)) as connection:
        tables = ["orders", "lines", "settings", "audit", "heap", "loose"]
        found: list[tuple[object, ...]] = []
        for table in tables:
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            typed = ", ".join(f"typeof({name}), {name}" for name in columns)
            found += [(table, *row) for row in connection.execute(f"SELECT {typed} FROM {table}")]
        return sorted(found, key=repr)


def run(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, timeout=10)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def execute(hands: SqliteExecutor, journal: KeptJournal, path: Path, *sql: str, rows: int = 100) -> Outcome:
    given = {"statements": [{"sql": statement} for statement in sql], "at_most_rows": rows, "patience": "10s"}
    return perform(hands, "sqlite.execute", journal, path=str(path), **given)


def kept(provider: SqliteProvider, bench: Bench, path: Path) -> SnapshotObject:
    return taken(provider.take(target(path), bench.vault))


CHANGES = [
    ("UPDATE orders SET total = 99 WHERE id = 1",),
    ("UPDATE orders SET customer = 'zoe', total = NULL, note = x'01' WHERE id <= 2",),
    ("DELETE FROM lines WHERE order_id = 1", "INSERT INTO lines VALUES (1, 1, 'coffee')"),
    ("DELETE FROM orders WHERE id = 1",),  # cascades
    ("DELETE FROM lines",),
    ("INSERT INTO orders (customer, total) VALUES ('new', 1e300), ('er', -0.0)",),
    ("UPDATE settings SET value = 50 WHERE name = 'limit'",),  # fires a trigger
    ("UPDATE orders SET id = id + 100 WHERE id = 3",),
    ("INSERT INTO lines VALUES (3, 1, 9223372036854775807)",),
    ("REPLACE INTO orders VALUES (2, 'replaced', 0, NULL)",),
    ("INSERT INTO loose VALUES ('b', 2)", "DELETE FROM loose WHERE name = 'a'"),
    ("WITH w(x) AS (SELECT 3) UPDATE orders SET total = (SELECT x FROM w)",),
]


@pytest.mark.parametrize("sql", CHANGES)
def test_every_kind_of_change_comes_back_exactly(
    bench: Bench, hands: SqliteExecutor, provider: SqliteProvider, database: Path, sql: tuple[str, ...]
) -> None:
    before = dump(database)
    snapshot, journal = kept(provider, bench, database), bench.journal()
    done = execute(hands, journal, database, *sql)
    assert done.state is StepState.DONE, done.why
    assert dump(database) != before
    rehearsed = provider.restore(snapshot, None, journal.changes, bench.vault, rehearse=True)
    assert rehearsed.state is RestoreState.EQUAL
    assert dump(database) != before
    end = provider.restore(snapshot, None, journal.changes, bench.vault)
    assert end.state is RestoreState.EQUAL, end.difference
    assert dump(database) == before
    assert provider.restore(snapshot, None, journal.changes, bench.vault).state is RestoreState.UNTOUCHED


def test_a_rehearsal_shows_each_row_as_it_is_now_beside_what_would_be_put_back(
    bench: Bench, hands: SqliteExecutor, provider: SqliteProvider, database: Path
) -> None:
    snapshot, journal = kept(provider, bench, database), bench.journal()
    for total in (50, 99):
        assert (
            execute(hands, journal, database, f"UPDATE orders SET total = {total} WHERE id = 1").state is StepState.DONE
        )
    execute(hands, journal, database, "INSERT INTO loose VALUES ('b', 2)")
    rehearsed = provider.restore(snapshot, None, journal.changes, bench.vault, rehearse=True)
    assert rehearsed.now == provider.digest(target(database))
    assert rehearsed.difference.splitlines() == [
        "rows that would be put back: 2 (now → what would be put back)",
        'loose name="b": name "b" → absent, v 2 → absent',
        "orders id=1: total 99.0 → 10.5",
    ]
    run(database, "UPDATE orders SET total = 7 WHERE id = 1")
    foreign = provider.restore(snapshot, None, journal.changes, bench.vault, rehearse=True)
    assert (foreign.state, foreign.now) == (RestoreState.FOREIGN, provider.digest(target(database)))
    assert "(before → as the run left it → now)" in foreign.difference
    assert "total 50.0 → 99.0 → 7.0" in foreign.difference


def test_a_rehearsal_that_cannot_read_what_is_there_says_that_it_does_not_know(
    bench: Bench, hands: SqliteExecutor, provider: SqliteProvider, database: Path
) -> None:
    snapshot, journal = kept(provider, bench, database), bench.journal()
    execute(hands, journal, database, "UPDATE orders SET total = 99 WHERE id = 1")
    database.unlink()
    rehearsed = provider.restore(snapshot, None, journal.changes, bench.vault, rehearse=True)
    assert (rehearsed.state, rehearsed.now) == (RestoreState.FAILED, None)
    assert rehearsed.difference


def test_several_steps_come_back_newest_first(
    bench: Bench, hands: SqliteExecutor, provider: SqliteProvider, database: Path
) -> None:
    before = dump(database)
    snapshot, journal = kept(provider, bench, database), bench.journal()
    for sql in CHANGES[:3]:
        assert execute(hands, journal, database, *sql).state is StepState.DONE
    assert len(journal.changes) == 3
    assert provider.restore(snapshot, None, journal.changes, bench.vault).state is RestoreState.EQUAL
    assert dump(database) == before


def test_rows_that_others_wrote_beside_ours_stay(
    bench: Bench, hands: SqliteExecutor, provider: SqliteProvider, database: Path
) -> None:
    snapshot, journal = kept(provider, bench, database), bench.journal()
    execute(hands, journal, database, "UPDATE orders SET total = 0")
    run(database, "INSERT INTO orders VALUES (77, 'theirs', 1, NULL)", "UPDATE settings SET value = 6")
    assert provider.restore(snapshot, None, journal.changes, bench.vault).state is RestoreState.EQUAL
    found = dump(database)
    assert any("theirs" in row for row in found)
    assert ("orders", "integer", 1, "text", "ada", "real", 10.5, "blob", b"\0\xff") in found
    assert ("settings", "text", "limit", "integer", 6) in found


@pytest.mark.parametrize(
    "foreign",
    [
        "UPDATE orders SET total = 7 WHERE id = 1",
        "UPDATE orders SET note = 'also theirs' WHERE id = 1",  # a column that we did not write
        "DELETE FROM orders WHERE id = 1",
        "ALTER TABLE orders ADD COLUMN extra",
    ],
)
def test_a_row_that_others_changed_stops_the_undo_and_is_shown(
    bench: Bench, hands: SqliteExecutor, provider: SqliteProvider, database: Path, foreign: str
) -> None:
    snapshot, journal = kept(provider, bench, database), bench.journal()
    execute(hands, journal, database, "UPDATE orders SET total = 99 WHERE id IN (1, 2)")
    run(database, foreign)
    theirs = dump(database)
    end = provider.restore(snapshot, None, journal.changes, bench.vault)
    assert end.state is RestoreState.FOREIGN
    assert "orders" in end.difference
    assert dump(database) == theirs


def test_rows_of_others_that_refer_to_ours_stop_the_undo(
    bench: Bench, hands: SqliteExecutor, provider: SqliteProvider, database: Path
) -> None:
    snapshot, journal = kept(provider, bench, database), bench.journal()
    execute(hands, journal, database, "INSERT INTO orders VALUES (50, 'ours', 1, NULL)")
    run(database, "INSERT INTO lines VALUES (50, 1, 'theirs')")
    end = provider.restore(snapshot, None, journal.changes, bench.vault)
    assert end.state is RestoreState.FOREIGN
    assert "lines" in end.difference
    assert any("ours" in row for row in dump(database))


def test_a_unique_value_that_others_took_meanwhile_stops_the_undo(
    bench: Bench, hands: SqliteExecutor, provider: SqliteProvider, database: Path
) -> None:
    run(database, "CREATE UNIQUE INDEX one_each ON orders (customer)")
    snapshot, journal = kept(provider, bench, database), bench.journal()
    execute(hands, journal, database, "UPDATE orders SET customer = 'moved' WHERE id = 1")
    run(database, "INSERT INTO orders VALUES (88, 'ada', 1, NULL)")
    theirs = dump(database)
    assert provider.restore(snapshot, None, journal.changes, bench.vault).state is RestoreState.FOREIGN
    assert dump(database) == theirs


def test_the_shown_difference_keeps_secrets(
    bench: Bench, hands: SqliteExecutor, provider: SqliteProvider, database: Path
) -> None:
    run(database, "ALTER TABLE orders ADD COLUMN password TEXT")
    snapshot, journal = kept(provider, bench, database), bench.journal()
    execute(hands, journal, database, "UPDATE orders SET password = 'hunter2' WHERE id = 1")
    run(database, "UPDATE orders SET password = 'hunter3', total = 5 WHERE id = 1")
    end = provider.restore(snapshot, None, journal.changes, bench.vault)
    assert end.state is RestoreState.FOREIGN
    assert "total" in end.difference
    assert "hunter" not in end.difference


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("INSERT INTO heap VALUES (1)", "no primary key"),
        ("UPDATE computed SET a = 2", "generated"),
        ("INSERT INTO computed (a) VALUES (2)", "generated"),
        ("INSERT INTO words VALUES ('x')", ""),
        ("INSERT INTO loose VALUES (NULL, 2)", "NULL in the primary key"),
        ("DROP TABLE orders", "only"),
        ("CREATE TABLE x (y)", "only"),
        ("ALTER TABLE orders RENAME TO x", "only"),
        ("PRAGMA user_version = 5", "only"),
        ("ATTACH ':memory:' AS x", "only"),
        ("BEGIN", "only"),
        ("COMMIT", "only"),
        ("VACUUM", "transaction"),
        ("UPDATE sqlite_sequence SET seq = 0", "only"),
        ("UPDATE nowhere SET x = 1", "no such table"),
        ("UPDATE orders SET", "incomplete input"),
        ("UPDATE orders SET total = 1", "the plan allows 2"),
    ],
)
def test_what_could_not_be_taken_back_is_refused_while_planning_and_when_doing(
    bench: Bench, hands: SqliteExecutor, database: Path, sql: str, says: str
) -> None:
    before, journal = dump(database), bench.journal()
    action = hands.actions["sqlite.execute"]
    parameters = {"path": str(database), "statements": [{"sql": sql}], "at_most_rows": 2}
    predicted = action.predict(action.spec.parameters.model_validate(parameters))
    assert isinstance(predicted, Refusal)
    assert says.lower() in predicted.why.lower()
    outcome = execute(hands, journal, database, sql, rows=2)
    assert outcome.state is StepState.REFUSED
    assert says.lower() in outcome.why.lower()
    assert journal.notes == []
    assert dump(database) == before


ENDLESS = """
    UPDATE orders SET total = (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n)
"""


def test_statements_without_an_end_are_refused_soon_and_end_no_other_call(
    bench: Bench, hands: SqliteExecutor, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grace.act.executors.sqlite._REHEARSAL_S", 0.3)
    action = hands.actions["sqlite.execute"]
    given = {"path": str(database), "statements": [{"sql": ENDLESS}], "at_most_rows": 5}
    bench.workplace.sqlite.call("rehearse", {"path": str(database), "statements": []}, timeout_s=5.0)
    before = bench.workplace.sqlite.pid
    predicted = action.predict(action.spec.parameters.model_validate(given))
    assert isinstance(predicted, Refusal)
    assert (predicted.rule, predicted.next) == (
        "sqlite.time_limit",
        "Bound the statements, as with LIMIT, or give them an index.",
    )
    assert "did not end within 0.3 s" in predicted.why
    assert bench.workplace.sqlite.pid == before is not None


def test_the_prediction_shows_the_rows_and_touches_nothing(bench: Bench, hands: SqliteExecutor, database: Path) -> None:
    files = {path.name: path.read_bytes() for path in bench.world.iterdir()}
    action = hands.actions["sqlite.execute"]
    sql = [{"sql": "UPDATE settings SET value = ? WHERE name = 'limit'", "parameters": [50]}]
    predicted = action.predict(
        action.spec.parameters.model_validate({"path": str(database), "statements": sql, "at_most_rows": 5})
    )
    assert not isinstance(predicted, Refusal)
    assert predicted["rows"] == 2  # the trigger's row too
    assert 'settings name="limit": value 5 → 50' in json.dumps(predicted["changes"], ensure_ascii=False).replace(
        "\\", ""
    )
    assert {path.name: path.read_bytes() for path in bench.world.iterdir()} == files


def test_a_statement_that_fails_leaves_nothing(bench: Bench, hands: SqliteExecutor, database: Path) -> None:
    before, journal = dump(database), bench.journal()
    outcome = execute(
        hands, journal, database, "UPDATE orders SET total = 1", "INSERT INTO orders VALUES (1, 'x', 1, 1)"
    )
    assert outcome.state is StepState.FAILED
    assert "UNIQUE" in outcome.why
    assert journal.notes == []
    assert dump(database) == before


HOLDING = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
for statement in sys.argv[2].split(";"):
    connection.execute(statement)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(
    ("mode", "statements"),
    [
        ("delete", "BEGIN EXCLUSIVE"),
        ("wal", "PRAGMA locking_mode=EXCLUSIVE;BEGIN IMMEDIATE;UPDATE loose SET v = v;COMMIT"),
    ],
)
def test_planning_against_a_locked_database_says_so_and_who_holds_it(
    bench: Bench, hands: SqliteExecutor, mode: str, statements: str
) -> None:
    file = make(bench.world / "held.db", mode)
    holding = subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(file), statements], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holding:
        assert holding.stdout is not None
        assert holding.stdout.readline() == b"held\n"
        action = hands.actions["sqlite.execute"]
        sql = [{"sql": "UPDATE orders SET total = 1"}]
        given = {"path": str(file), "statements": sql, "at_most_rows": 5}
        predicted = action.predict(action.spec.parameters.model_validate(given))
    assert isinstance(predicted, Refusal)
    assert predicted.rule == "sqlite.busy"
    assert "locked by another connection" in predicted.why
    assert f"process {holding.pid} holds a lock on" in predicted.why
    assert "not an error" not in predicted.why


def test_planning_against_what_is_no_database_says_so(bench: Bench, hands: SqliteExecutor) -> None:
    file = bench.world / "notes.db"
    file.write_text("no database, but long enough to look at\n" * 200)
    action = hands.actions["sqlite.execute"]
    given = {"path": str(file), "statements": [{"sql": "UPDATE orders SET total = 1"}], "at_most_rows": 5}
    predicted = action.predict(action.spec.parameters.model_validate(given))
    assert isinstance(predicted, Refusal)
    assert predicted.rule == "sqlite.not_a_database"
    assert "is not a database that SQLite can read" in predicted.why


def test_a_locked_database_fails_in_time(bench: Bench, hands: SqliteExecutor, database: Path) -> None:
    with closing(sqlite3.connect(database)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        outcome = perform(
            hands,
            "sqlite.execute",
            bench.journal(),
            path=str(database),
            statements=[{"sql": "UPDATE orders SET total = 1"}],
            at_most_rows=5,
            patience="50ms",
        )
    assert outcome.state is StepState.FAILED
    assert "locked" in outcome.why


def test_nothing_is_committed_before_the_record_is_durable(bench: Bench, hands: SqliteExecutor, database: Path) -> None:
    before, journal = dump(database), bench.journal()
    seen: list[object] = []
    journal.on_note = lambda: seen.append(dump(database))
    assert execute(hands, journal, database, "UPDATE orders SET total = 1").state is StepState.DONE
    assert seen == [before]


def test_a_journal_that_fails_calls_the_change_off(bench: Bench, hands: SqliteExecutor, database: Path) -> None:
    before, journal = dump(database), bench.journal()

    def fail() -> None:
        raise LookupError

    journal.on_note = fail
    with pytest.raises(LookupError):
        execute(hands, journal, database, "UPDATE orders SET total = 1")
    assert dump(database) == before
    journal.on_note = lambda: None
    assert execute(hands, journal, database, "UPDATE orders SET total = 1").state is StepState.DONE


def test_the_rows_tell_whether_it_happened(
    bench: Bench, hands: SqliteExecutor, provider: SqliteProvider, database: Path
) -> None:
    action, journal = hands.actions["sqlite.execute"], bench.journal()
    parameters = action.spec.parameters.model_validate(
        {"path": str(database), "statements": [{"sql": "UPDATE orders SET total = 1"}], "at_most_rows": 5}
    )
    assert action.probe(parameters, None) is Applied.NO
    snapshot = kept(provider, bench, database)
    action.apply(parameters, journal)
    assert action.probe(parameters, journal.handle) is Applied.YES
    provider.restore(snapshot, None, journal.changes, bench.vault)
    assert action.probe(parameters, journal.handle) is Applied.NO
    run(database, "UPDATE orders SET total = 12345 WHERE id = 2")
    assert action.probe(parameters, journal.handle) is Applied.UNKNOWN


def test_a_child_that_dies_during_the_go_ahead_leaves_no_doubt(
    bench: Bench, hands: SqliteExecutor, database: Path
) -> None:
    before, journal = dump(database), bench.journal()
    journal.on_note = bench.sqlite.close
    outcome = execute(hands, journal, database, "UPDATE orders SET total = 1")
    assert outcome.state is StepState.FAILED
    assert dump(database) == before


def test_no_acknowledged_order_is_lost_while_a_change_is_made_and_undone(
    bench: Bench, hands: SqliteExecutor, provider: SqliteProvider, database: Path
) -> None:
    snapshot, journal = kept(provider, bench, database), bench.journal()
    acknowledged: list[int] = []
    stop = threading.Event()

    def take_orders() -> None:
        with closing(sqlite3.connect(database, timeout=30)) as connection:
            number = 1000
            while not stop.is_set() or number < 1050:
                number += 1
                connection.execute("INSERT INTO orders VALUES (?, 'live', 1, NULL)", (number,))
                connection.commit()
                acknowledged.append(number)
                stop.wait(0.002)  # Without a pause the rollback journal lets nobody else in at all.

    shop = threading.Thread(target=take_orders)
    shop.start()
    try:
        for _ in range(3):
            assert (
                execute(hands, journal, database, "UPDATE orders SET total = total + 1 WHERE id < 4").state
                is StepState.DONE
            )
        end = provider.restore(snapshot, None, journal.changes, bench.vault)
    finally:
        stop.set()
        shop.join()
    assert end.state is RestoreState.EQUAL, end.difference
    with closing(sqlite3.connect(database)) as connection:
        stored = {row[0] for row in connection.execute("SELECT id FROM orders WHERE id >= 1000")}
        totals = [row[0] for row in connection.execute("SELECT total FROM orders WHERE id < 4 ORDER BY id")]
    assert set(acknowledged) <= stored
    assert totals == [10.5, 2, None]


def test_a_damaged_record_touches_nothing(
    bench: Bench, hands: SqliteExecutor, provider: SqliteProvider, database: Path
) -> None:
    snapshot, journal = kept(provider, bench, database), bench.journal()
    execute(hands, journal, database, "UPDATE orders SET total = 1")
    ours = dump(database)
    (bench.own / "vault" / journal.changes[0].removeprefix("vault:")).write_bytes(b"rubbish")
    assert provider.restore(snapshot, None, journal.changes, bench.vault).state is RestoreState.FAILED
    other = bench.vault.put(b"[]")
    assert provider.restore(snapshot, None, (other,), bench.vault).state is RestoreState.FAILED
    assert dump(database) == ours


@pytest.mark.parametrize("content", [b"", b"not a database at all" * 100])
def test_what_is_no_database_is_refused(bench: Bench, provider: SqliteProvider, content: bytes) -> None:
    file = bench.world / "file"
    file.write_bytes(content)
    found = provider.take(target(file), bench.vault)
    assert isinstance(found, Refusal) or found.facts["tables"] == 0
    missing = provider.take(target(bench.world / "missing"), bench.vault)
    assert isinstance(missing, Refusal)
    own = provider.take(target(bench.own / "record.db"), bench.vault)
    assert isinstance(own, Refusal)
    assert own.rule == "files.control_plane"


def test_the_digest_is_of_what_the_database_says(bench: Bench, provider: SqliteProvider, database: Path) -> None:
    before = provider.digest(target(database))
    run(database, "UPDATE orders SET total = 1 WHERE id = 1")
    changed = provider.digest(target(database))
    run(database, "UPDATE orders SET total = 10.5 WHERE id = 1")
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("VACUUM")
    assert provider.digest(target(database)) == before != changed


@pytest.mark.parametrize("mode", ["passive", "full", "truncate"])
def test_a_checkpoint_changes_nothing_that_the_database_says(
    bench: Bench, hands: SqliteExecutor, provider: SqliteProvider, mode: str
) -> None:
    database = make(bench.world / "live.db")
    with closing(sqlite3.connect(database)) as service:
        service.execute("INSERT INTO orders VALUES (9, 'in the wal', 1, NULL)")
        service.commit()
        before = provider.digest(target(database))
        done = perform(hands, "sqlite.checkpoint", bench.journal(), path=str(database), mode=mode)
        assert done.state is StepState.DONE
        assert Path(f"{database}-wal").exists()
        assert provider.digest(target(database)) == before


def test_a_wal_that_a_dead_service_left_is_not_removed(bench: Bench, hands: SqliteExecutor) -> None:
    database = bench.world / "left.db"
    program = (
        "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('PRAGMA journal_mode=WAL');"
        "c.execute('CREATE TABLE t (id INTEGER PRIMARY KEY, v)'); c.execute('INSERT INTO t VALUES (1, 1)');"
        "c.commit(); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", program, str(database)], check=True)
    assert Path(f"{database}-wal").stat().st_size > 0
    done = execute(hands, bench.journal(), database, "UPDATE t SET v = 2")
    assert done.state is StepState.DONE, done.why
    assert Path(f"{database}-wal").stat().st_size > 0


@pytest.mark.parametrize(
    "parameters",
    [
        {"path": "/x", "statements": [], "at_most_rows": 1},
        {"path": "/x", "statements": [{"sql": "x"}]},
        {"path": "/x", "statements": [{"sql": "x"}], "at_most_rows": 0},
        {"path": "/x", "statements": [{"sql": "x"}], "at_most_rows": 10**9},
        {"path": "/x", "statements": [{"sql": "x", "parameters": [[1]]}], "at_most_rows": 1},
        {"path": "/x", "statements": [{"sql": "x", "force": True}], "at_most_rows": 1},
    ],
)
def test_parameters_out_of_bounds_are_refused(hands: SqliteExecutor, parameters: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        parsed(hands.actions["sqlite.execute"], **parameters)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made = Bench(tmp_path_factory.mktemp("shared"))
    yield made
    made.close()


def random_change(chance: random.Random) -> str:
    number = chance.randint(1, 8)
    value = chance.choice(["NULL", "1", "2.5", "'t'", "x'00'", "9223372036854775807", "'ü'", "-0.0", "1e999"])
    return chance.choice(
        [
            f"UPDATE orders SET total = {value} WHERE id % {number} = 0",
            f"UPDATE orders SET note = {value}, customer = 'c{number}' WHERE id > {number}",
            f"DELETE FROM orders WHERE id = {number}",
            f"INSERT OR IGNORE INTO orders VALUES ({number}, 'n', {value}, {value})",
            f"INSERT OR REPLACE INTO lines SELECT id, {number}, {value} FROM orders",
            f"UPDATE settings SET value = {value}",
            f"UPDATE lines SET n = n + {number * 10}",
            f"REPLACE INTO settings VALUES ('s{number}', {value})",
        ]
    )


@given(seed=st.integers(min_value=0, max_value=2**32))
@settings(max_examples=50)
def test_random_changes_are_undone_exactly_and_changes_of_others_are_spared(shared: Bench, seed: int) -> None:
    chance = random.Random(seed)
    database = shared.world / "random.db"
    for suffix in ("", "-wal", "-shm", "-journal"):
        Path(f"{database}{suffix}").unlink(missing_ok=True)
    make(database, chance.choice(["wal", "delete"]))
    hands, provider = SqliteExecutor(shared.workplace), SqliteProvider(shared.surroundings)
    before = dump(database)
    snapshot, journal = kept(provider, shared, database), shared.journal()
    for _ in range(chance.randint(1, 4)):
        execute(hands, journal, database, random_change(chance), random_change(chance))
    is_foreign = chance.random() < 0.5
    if is_foreign:
        run(database, random_change(chance))
    theirs = dump(database)
    end = provider.restore(snapshot, None, journal.changes, shared.vault)
    match end.state:
        case RestoreState.FOREIGN:
            assert is_foreign
            assert dump(database) == theirs
        case RestoreState.EQUAL | RestoreState.UNTOUCHED if not is_foreign:
            assert dump(database) == before
        case RestoreState.EQUAL | RestoreState.UNTOUCHED:
            assert provider.restore(snapshot, None, journal.changes, shared.vault).state is RestoreState.UNTOUCHED
        case RestoreState.FAILED:
            pytest.fail(end.difference)
