"""The durable engine: it carries on and wakes up, and what it forgets does not matter."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from dbos import DBOS
from sqlalchemy import create_engine, text

from grace.act.healing.engine import DurableEngine, DurableSteps, JsonSerializer
from grace.act.healing.engine_file import EngineUnusableError
from grace.kit.clock import SystemClock

LIMIT_S = 30.0


class Walks:
    """A walk that hears a bell between two steps, and what it did."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.began = threading.Event()
        self.over = threading.Event()

    async def walk(self, run_id: str) -> str:
        steps = DurableSteps()

        async def note(word: str) -> str:
            self.done.append(word)
            return word

        await steps.step("first", lambda: note("first"))
        self.began.set()
        await steps.hear("bell", LIMIT_S)
        await steps.step("second", lambda: note("second"))
        self.over.set()
        return "ended"


@contextmanager
def engine(file: Path, walks: Walks) -> Generator[DurableEngine]:
    made = DurableEngine(file, walks.walk)
    made.launch()
    try:
        yield made
    finally:
        made.close()


def test_a_run_is_started_once_however_often_it_is_asked_for(tmp_path: Path) -> None:
    walks = Walks()
    with engine(tmp_path / "engine.db", walks) as made:
        for _ in range(3):
            made.start("run_1")
        assert walks.began.wait(LIMIT_S)
        made.ring("run_1", "bell")
        assert walks.over.wait(LIMIT_S)
    assert walks.done == ["first", "second"]


def test_a_new_run_is_begun_once_though_it_is_asked_for_again(tmp_path: Path) -> None:
    walks = Walks()
    with engine(tmp_path / "engine.db", walks) as made:
        made.begin("run_1")
        made.start("run_1")
        made.begin("run_1")
        assert walks.began.wait(LIMIT_S)
        made.ring("run_1", "bell")
        assert walks.over.wait(LIMIT_S)
    assert walks.done == ["first", "second"]


def test_a_run_that_waits_is_carried_on_after_a_restart(tmp_path: Path) -> None:
    before = Walks()
    with engine(tmp_path / "engine.db", before) as made:
        made.start("run_1")
        assert before.began.wait(LIMIT_S)
    after = Walks()
    with engine(tmp_path / "engine.db", after) as made:
        made.start("run_1")
        assert after.began.wait(LIMIT_S)
        made.ring("run_1", "bell")
        assert after.over.wait(LIMIT_S)
    assert after.done[-1] == "second"


def test_a_run_goes_on_when_every_table_of_the_engine_is_gone(tmp_path: Path) -> None:
    file = tmp_path / "engine.db"
    before = Walks()
    with engine(file, before) as made:
        made.start("run_1")
        assert before.began.wait(LIMIT_S)
    for leftover in tmp_path.glob("engine.db*"):
        leftover.unlink()
    after = Walks()
    with engine(file, after) as made:
        made.start("run_1")
        assert after.began.wait(LIMIT_S)
        made.ring("run_1", "bell")
        assert after.over.wait(LIMIT_S)
    assert after.done == ["first", "second"]


def test_a_run_of_an_older_version_is_begun_anew(tmp_path: Path) -> None:
    file = tmp_path / "engine.db"
    before = Walks()
    with engine(file, before) as made:
        made.start("run_1")
        assert before.began.wait(LIMIT_S)
    database = create_engine(f"sqlite:///{file}")
    with database.begin() as connection:
        connection.execute(text("UPDATE workflow_status SET application_version = 'older'"))
    database.dispose()
    after = Walks()
    with engine(file, after) as made:
        made.start("run_1")
        assert after.began.wait(LIMIT_S)
        assert after.done == ["first"]
        ids = [workflow.workflow_id for workflow in DBOS.list_workflows(workflow_id_prefix="run_1")]
        assert sorted(ids) == ["run_1", "run_1/2"]


@pytest.mark.parametrize(
    "value", [None, 1, "x", [1, None], {"a": {"b": 1.5}}, {"args": ("run_1",), "kwargs": {}}, {"args": 1}]
)
def test_the_serializer_gives_back_what_it_was_given(value: object) -> None:
    serializer = JsonSerializer()
    assert serializer.deserialize(serializer.serialize(value)) == value


def test_an_exception_comes_back_as_its_sentence() -> None:
    serializer = JsonSerializer()
    found = serializer.deserialize(serializer.serialize(KeyError("gone")))
    assert isinstance(found, RuntimeError)
    assert "gone" in str(found)


def test_what_is_not_json_is_refused() -> None:
    with pytest.raises(TypeError, match="JSON only"):
        JsonSerializer().serialize(object())


def test_a_run_whose_end_could_not_be_recorded_is_carried_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk ends the walk, and the engine, which lies on it too, goes on calling it live."""
    lives: list[str] = []
    fell, over = threading.Event(), threading.Event()

    async def walk(run_id: str) -> str:
        lives.append(run_id)
        if len(lives) == 1:
            fell.set()
            message = "no space left on device"
            raise OSError(message)
        over.set()
        return "ended"

    file = tmp_path / "engine.db"
    made = DurableEngine(file, walk)
    made.launch()
    try:
        made.begin("run_1")
        assert fell.wait(LIMIT_S)
        with pytest.raises(RuntimeError, match="no space left"):
            DBOS.retrieve_workflow("run_1").get_result(polling_interval_sec=0.01)
        changed = create_engine(f"sqlite:///{file}")
        with changed.begin() as connection:
            connection.execute(text("UPDATE workflow_status SET status = 'PENDING'"))
        changed.dispose()
        monkeypatch.setattr("grace.act.healing.engine.FALLEN_AFTER_S", 0.0)
        monkeypatch.setattr("grace.act.healing.engine.LONGEST_REST_S", 0.0)
        made.start("run_1")
        assert over.wait(LIMIT_S)
    finally:
        made.close()
    assert lives == ["run_1", "run_1"]


def test_a_run_that_falls_over_rests_before_it_is_carried_on_again(tmp_path: Path) -> None:
    lives: list[str] = []

    async def walk(run_id: str) -> str:
        lives.append(run_id)
        message = "fell over"
        raise RuntimeError(message)

    made = DurableEngine(tmp_path / "engine.db", walk)
    made.launch()
    try:
        made.start("run_1")
        for _ in range(5):
            with pytest.raises(RuntimeError, match="fell over"):
                DBOS.retrieve_workflow("run_1").get_result(polling_interval_sec=0.01)
            made.start("run_1")
    finally:
        made.close()
    assert lives == ["run_1"], "the second life is a second away"


def test_a_run_that_never_stops_falling_over_is_told_of_and_its_traceback_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grace.act.healing.engine.LONGEST_REST_S", 0.0)
    lives = 0
    cured = threading.Event()

    async def walk(_run_id: str) -> str:
        nonlocal lives
        lives += 1
        if lives < 5:
            message = "date value out of range"
            raise OverflowError(message)
        cured.set()
        return "ended"

    made = DurableEngine(tmp_path / "engine.db", walk)
    made.launch()
    try:
        assert made.falls() == ()
        made.begin("run_1")
        for life in range(1, 5):
            until(lambda life=life: bool(made.falls()) and made.falls()[0].times == life)
            assert made.falls()[0].why == "OverflowError: date value out of range"
            until(lambda life=life: made.start("run_1") or lives > life)
        assert cured.wait(LIMIT_S)
        until(lambda: not made.falls())
    finally:
        made.close()
    assert caplog.text.count("Traceback") == 1


def test_the_rest_of_a_run_that_fell_over_a_thousand_times_is_the_longest(tmp_path: Path) -> None:
    walks = Walks()
    with engine(tmp_path / "engine.db", walks) as made:
        made._lives["run_1"] = 5_000  # pyright: ignore[reportPrivateUsage] - weeks of rests
        made.start("run_1")
        assert walks.began.wait(LIMIT_S)


def until(holds: Callable[[], object]) -> None:
    clock = SystemClock()
    limit = clock.monotonic() + LIMIT_S
    while not holds():
        assert clock.monotonic() < limit
        clock.sleep(0.01)


def used(folder: Path) -> Path:
    """Return the file of an engine that has carried a run to its end."""
    file, walks = folder / "engine.db", Walks()
    with engine(file, walks) as made:
        made.start("run_0")
        assert walks.began.wait(LIMIT_S)
        made.ring("run_0", "bell")
        assert walks.over.wait(LIMIT_S)
    return file


def as_text(_whole: bytes) -> bytes:
    return b"this is no database\n" * 1000


def cut_short(whole: bytes) -> bytes:
    return whole[: len(whole) // 2 + 100]


def scrambled(whole: bytes) -> bytes:
    return random.Random(7).randbytes(len(whole))


def scrambled_inside(whole: bytes) -> bytes:
    return whole[:4096] + random.Random(7).randbytes(len(whole) - 4096)


@pytest.mark.parametrize("damage", [as_text, cut_short, scrambled, scrambled_inside])
def test_a_damaged_file_is_set_aside_and_runs_are_carried_on(
    tmp_path: Path, damage: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "whole").mkdir()
    damaged = damage(used(tmp_path / "whole").read_bytes())
    # In a place of its own: a connection of the engine that still closes would take its write-ahead log along.
    file = tmp_path / "engine.db"
    file.write_bytes(damaged)
    file.with_name("engine.db-wal").write_bytes(b"of the damaged one")
    walks = Walks()
    with engine(file, walks) as made:
        made.start("run_1")
        assert walks.began.wait(LIMIT_S)
        made.ring("run_1", "bell")
        assert walks.over.wait(LIMIT_S)
    (aside,) = (one for one in tmp_path.glob("engine.db.damaged-*") if not one.name.endswith(("-wal", "-shm")))
    assert aside.read_bytes() == damaged
    assert str(aside) in caplog.text
    assert "no fact is in it" in caplog.text


def test_a_locked_file_is_told_of_and_stays_where_it_is(tmp_path: Path) -> None:
    file = used(tmp_path)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(EngineUnusableError, match="another process holds it locked"):
            DurableEngine(file, Walks().walk)
    assert [one.name for one in tmp_path.glob("*damaged*")] == []


def test_a_file_that_may_not_be_written_is_told_of_and_stays_where_it_is(tmp_path: Path) -> None:
    file = used(tmp_path)
    file.write_text("no database either, which nobody may find out by moving it")
    file.chmod(0o400)
    marked = subprocess.run(["chattr", "+i", file], capture_output=True, check=False).returncode == 0
    try:
        if os.access(file, os.W_OK):
            pytest.skip("nothing here can be kept from being written by this user")
        with pytest.raises(EngineUnusableError, match="may not read and write it"):
            DurableEngine(file, Walks().walk)
        assert file.exists()
    finally:
        if marked:
            subprocess.run(["chattr", "-i", file], check=True)
    assert [one.name for one in tmp_path.glob("*damaged*")] == []


def test_a_folder_in_its_place_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "engine.db").mkdir()
    with pytest.raises(EngineUnusableError, match="it is no file"):
        DurableEngine(tmp_path / "engine.db", Walks().walk)


def test_a_run_that_fell_over_says_why(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fallen, again = threading.Event(), threading.Event()

    async def stumble(_run_id: str) -> str:
        if fallen.is_set():
            again.set()
            return "ended"
        fallen.set()
        message = "no such column: runs.doc"
        raise LookupError(message)

    made = DurableEngine(tmp_path / "engine.db", stumble)
    made.launch()
    try:
        made.begin("run_1")
        assert fallen.wait(LIMIT_S)
        clock = SystemClock()
        until = clock.monotonic() + LIMIT_S
        while not again.is_set() and clock.monotonic() < until:
            made.start("run_1")
            clock.sleep(0.05)
    finally:
        made.close()
    assert again.is_set()
    assert "run_1 fell over (LookupError: no such column: runs.doc) and is carried on" in caplog.text
    assert "Traceback" in caplog.text


def test_a_connection_that_is_given_back_after_the_end_is_closed(tmp_path: Path) -> None:
    with engine(tmp_path / "engine.db", Walks()) as made:
        held = made._database.connect()  # pyright: ignore[reportPrivateUsage]
        driver = held.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    assert driver.execute("SELECT 1").fetchone() == (1,)
    held.close()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        driver.execute("SELECT 1")
