"""Mean databases: two hundred random changes taken back exactly or refused, two hundred of others spared.

WITHOUT ROWID tables, generated columns, triggers, views, foreign keys with actions, keys of every type, NULL keys,
collations, partial and expression indexes, strict tables, virtual tables, text that is no text, all encodings.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from grace.act.executors.sqlite import SqliteExecutor
from grace.act.safehold.providers.sqlite import SqliteProvider
from grace.model.execution import Outcome, StepState
from grace.model.snapshot import RestoreState, SnapshotObject
from grace.model.target import Target
from grace.model.warrant import Refusal
from tests.act.workbench import HOST, Bench, KeptJournal, taken
from tests.conformance.databases import FORBIDDEN, Content, Part, attempted, content, make, statement
from tests.conformance.seeds import in_parts


@pytest.fixture(scope="module")
def bench(ground: Path) -> Iterator[Bench]:
    made = Bench(ground)
    yield made
    made.close()


@dataclass
class Tried:
    """One random change of one random database."""

    bench: Bench
    path: Path
    parts: tuple[Part, ...]
    sql: list[str]
    chance: random.Random
    before: Content
    kept: SnapshotObject
    journal: KeptJournal
    outcome: Outcome

    def undo(self) -> tuple[RestoreState, str]:
        provider = SqliteProvider(self.bench.surroundings)
        end = provider.restore(self.kept, None, self.journal.changes, self.bench.vault)
        return end.state, end.difference


def tried(bench: Bench, name: str, seed: int) -> Tried:
    """Make a database, plan a change, which must touch nothing, and make it."""
    chance = random.Random(f"{name} {seed}")
    shutil.rmtree(bench.world)
    bench.world.mkdir()
    path = bench.world / "mean.db"
    tables = make(path, chance)
    sql = [statement(tables, chance) for _ in range(chance.randint(1, 3))]
    before = content(path)
    action = SqliteExecutor(bench.workplace).actions["sqlite.execute"]
    given = {"path": str(path), "statements": [{"sql": one} for one in sql], "at_most_rows": 100, "patience": "5s"}
    parameters = action.spec.parameters.model_validate(given)
    predicted = action.predict(parameters)
    kept = taken(SqliteProvider(bench.surroundings).take(Target(kind="sqlite", host=HOST, id=str(path)), bench.vault))
    assert content(path) == before, (seed, "planning changed something", sql)
    journal = bench.journal()
    outcome = action.apply(parameters, journal)
    assert not isinstance(predicted, Refusal) or outcome.state is not StepState.DONE, (seed, predicted, sql)
    return Tried(bench, path, tables, sql, chance, before, kept, journal, outcome)


@pytest.mark.parametrize("seeds", in_parts(few=8, part=50))
def test_a_change_of_a_mean_database_is_taken_back_exactly_or_never_made(bench: Bench, seeds: range) -> None:
    ends: Counter[StepState] = Counter()
    for seed in seeds:
        one = tried(bench, "change", seed)
        ends[one.outcome.state] += 1
        if one.outcome.state is StepState.DONE:
            state, difference = one.undo()
            assert state in {RestoreState.EQUAL, RestoreState.UNTOUCHED}, (seed, one.sql, difference)
        else:
            assert one.outcome.state in {StepState.REFUSED, StepState.FAILED}, (seed, one.sql, one.outcome)
            assert one.outcome.why
        assert content(one.path) == one.before, (seed, one.sql, one.outcome)
    assert ends[StepState.DONE] >= len(seeds) / 3, "too few of the changes were made for this to say anything"


@pytest.mark.parametrize("seeds", in_parts(few=8, part=50))
def test_what_others_did_to_a_mean_database_stays_or_stops_the_undo(bench: Bench, seeds: range) -> None:
    foreign = 0
    number = seeds.start * 10
    while foreign < len(seeds):
        number += 1
        one = tried(bench, "foreign", number)
        if one.outcome.state is not StepState.DONE:
            continue
        ours = content(one.path)
        theirs = others_change(one)
        if theirs == ours:
            continue
        foreign += 1
        state, difference = one.undo()
        now = content(one.path)
        match state:
            case RestoreState.FOREIGN:
                assert difference, number
                assert now == theirs, (number, one.sql)
            case RestoreState.EQUAL | RestoreState.UNTOUCHED:
                assert counted(now) == merged(one.before, ours, theirs), (number, one.sql)
            case RestoreState.FAILED:
                pytest.fail(f"{number}: {difference}")


def others_change(one: Tried) -> Content:
    """Do something to the database in another connection, with or without its foreign keys; return what it says."""
    enforced = one.chance.randint(0, 1)
    with closing(sqlite3.connect(one.path, timeout=10, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA foreign_keys = {enforced}")
        for _ in range(one.chance.randint(1, 2)):
            sql = statement(one.parts, one.chance)
            if sql not in FORBIDDEN:
                attempted(connection, sql)
    return content(one.path)


def merged(before: Content, ours: Content, theirs: Content) -> dict[str, Counter[str]]:
    """Return what was before, without the rows that others took and with those that others put."""
    was, made, found = counted(before), counted(ours), counted(theirs)
    return {name: was[name] - (made[name] - found[name]) + (found[name] - made[name]) for name in was}


def counted(content: Content) -> dict[str, Counter[str]]:
    return {name: Counter(rows) for name, rows in content.items()}


@pytest.mark.parametrize(
    ("sql", "state"),
    [
        ("UPDATE t SET v = 1 WHERE k = 'a'", StepState.DONE),
        ("UPDATE t SET v = CAST(x'fe' AS TEXT)", StepState.DONE),
        ("REPLACE INTO t VALUES ('a', CAST(x'fe' AS TEXT)), ('b', 2)", StepState.DONE),
        ("DELETE FROM t WHERE k = 'a'", StepState.DONE),
        ("INSERT INTO t VALUES (CAST(x'fe' AS TEXT), 1)", StepState.REFUSED),
        ("UPDATE t SET k = CAST(x'fe' AS TEXT)", StepState.REFUSED),
    ],
)
def test_text_that_is_no_utf8_comes_back_where_it_names_no_row(
    bench: Bench, tmp_path: Path, sql: str, state: StepState
) -> None:
    path = tmp_path / "text.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE t (k TEXT PRIMARY KEY NOT NULL, v)")
        connection.execute("INSERT INTO t VALUES ('a', CAST(x'ff00' AS TEXT))")
    before = content(path)
    action = SqliteExecutor(bench.workplace).actions["sqlite.execute"]
    given = {"path": str(path), "statements": [{"sql": sql}], "at_most_rows": 9, "patience": "5s"}
    parameters = action.spec.parameters.model_validate(given)
    provider, journal = SqliteProvider(bench.surroundings), bench.journal()
    kept = taken(provider.take(Target(kind="sqlite", host=HOST, id=str(path)), bench.vault))
    assert isinstance(action.predict(parameters), Refusal) == (state is StepState.REFUSED)
    outcome = action.apply(parameters, journal)
    assert outcome.state is state, outcome
    assert state is StepState.DONE or "UTF-8" in outcome.why
    end = provider.restore(kept, None, journal.changes, bench.vault)
    assert end.state in {RestoreState.EQUAL, RestoreState.UNTOUCHED}, end
    assert content(path) == before


@pytest.mark.parametrize("sql", FORBIDDEN)
def test_nothing_but_rows_of_the_main_database_can_be_changed(bench: Bench, tmp_path: Path, sql: str) -> None:
    path = tmp_path / "plain.db"
    make(path, random.Random(0))
    before = content(path)
    action = SqliteExecutor(bench.workplace).actions["sqlite.execute"]
    given = {"path": str(path), "statements": [{"sql": sql}], "at_most_rows": 100, "patience": "5s"}
    parameters = action.spec.parameters.model_validate(given)
    assert isinstance(action.predict(parameters), Refusal)
    assert action.apply(parameters, bench.journal()).state is not StepState.DONE
    assert content(path) == before
    assert not Path("/tmp/elsewhere.db").exists()
