"""The child that talks to SQLite: one for many threads, dead with its parent, replaced when it is stuck."""

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from grace.kit.procfs import is_alive, process_stat
from grace.kit.sqlite_child import FaultKind, Role, SqliteChild, SqliteFault
from grace.kit.sqlite_child.conversation import Request
from grace.kit.sqlite_child.protocol import SqliteValue, from_json, from_line, to_json, to_line

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "a.db"
    program = (
        f"import sqlite3; c = sqlite3.connect({str(made)!r}); c.execute('CREATE TABLE t (a)'); c.commit(); c.close()"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    return made


@pytest.fixture
def child() -> Iterator[SqliteChild]:
    with SqliteChild(Role.READER) as made:
        yield made


def ask(child: SqliteChild, path: Path, query: str = "SELECT 1", timeout_s: float = 5.0) -> JsonValue:
    return child.call("rows", {"path": str(path), "query": query}, timeout_s=timeout_s)


def started(child: SqliteChild) -> tuple[int, int]:
    assert child.pid is not None
    stat = process_stat(child.pid)
    assert stat is not None
    return stat.pid, stat.started_at


@given(st.none() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text() | st.binary())
def test_every_value_that_sqlite_knows_survives_the_way(value: SqliteValue) -> None:
    line = to_line({"value": to_json(value)})
    assert line.count(b"\n") == 1
    back = from_json(from_line(line)["value"])
    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize("value", [True, [1], {"a": 1}, {"$blob": "a", "b": 1}])
def test_a_value_that_sqlite_has_no_type_for_is_refused(value: JsonValue) -> None:
    with pytest.raises(ValueError, match="SQLite has no type"):
        from_json(value)


def test_no_child_runs_before_it_is_needed_or_after_it_is_closed(path: Path) -> None:
    child = SqliteChild(Role.READER)
    assert child.pid is None
    ask(child, path)
    name = started(child)
    child.close()
    assert not is_alive(*name)
    assert child.pid is None
    ask(child, path)
    child.close()


def test_a_slow_question_delays_no_other(child: SqliteChild, path: Path) -> None:
    failed: SimpleQueue[FaultKind] = SimpleQueue()

    def slow() -> None:
        try:
            ask(child, path, ENDLESS, timeout_s=2.0)
        except SqliteFault as fault:
            failed.put(fault.kind)

    ask(child, path)
    thread = threading.Thread(target=slow)
    thread.start()
    for _ in range(20):
        ask(child, path)
    assert thread.is_alive()
    thread.join()
    assert failed.get() is FaultKind.TIME_LIMIT


def test_many_threads_get_their_own_answers(child: SqliteChild, path: Path) -> None:
    answers: dict[int, JsonValue] = {}

    def work(number: int) -> None:
        answers[number] = ask(child, path, f"SELECT {number}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: {"columns": [str(number)], "rows": [[number]], "is_cut": False} for number in range(30)}


def test_a_child_that_is_stuck_is_ended_and_the_next_call_has_a_new_one(child: SqliteChild, path: Path) -> None:
    ask(child, path)
    first = started(child)
    os.kill(first[0], signal.SIGSTOP)
    with pytest.raises(SqliteFault, match="gave no answer within") as caught:
        ask(child, path, timeout_s=0.1)
    assert caught.value.kind is FaultKind.TIME_LIMIT
    assert not is_alive(*first)
    ask(child, path)
    assert started(child) != first


def test_a_child_that_dies_fails_its_callers_and_nobody_else(child: SqliteChild, path: Path) -> None:
    ask(child, path)
    first = started(child)
    timer = threading.Timer(0.05, os.kill, (first[0], signal.SIGKILL))
    timer.start()
    with pytest.raises(SqliteFault) as caught:
        ask(child, path, ENDLESS, timeout_s=10)
    timer.join()
    assert caught.value.kind is FaultKind.CHILD_ENDED
    ask(child, path)


def test_the_child_dies_with_its_parent(path: Path) -> None:
    program = (
        "import os, signal, sys; from grace.kit.sqlite_child import Role, SqliteChild; c = SqliteChild(Role.READER);"
        f"c.call('journal_mode', {{'path': {str(path)!r}}}, timeout_s=5); print(c.pid, flush=True);"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    # The child holds no end of this pipe: it closes when the parent is gone, and the child is killed by then.
    out, _ = parent.communicate()
    pid = int(out)
    stat = process_stat(pid)
    if stat is not None and stat.is_alive:
        os.waitid(os.P_PID, pid, os.WEXITED) if stat.parent == os.getpid() else _await_end(pid, stat.started_at)
    assert not is_alive(pid, stat.started_at if stat else 0)


def _await_end(pid: int, started_at: int) -> None:
    """Wait for the end of a process that is not our child, as the kernel tells it."""

    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if is_alive(pid, started_at):
            select.select([descriptor], [], [], 10)
    finally:
        os.close(descriptor)


def test_an_operation_that_is_not_there_is_a_bad_request(child: SqliteChild, path: Path) -> None:
    with pytest.raises(SqliteFault, match="cannot 'write'") as caught:
        child.call("write", {"path": str(path)}, timeout_s=1)
    assert caught.value.kind is FaultKind.BAD_REQUEST
    with pytest.raises(SqliteFault, match="needs 'path' as a text"):
        child.call("digest", {}, timeout_s=1)


def test_this_process_never_opens_the_database(child: SqliteChild, path: Path) -> None:
    opened: list[str] = []
    tape = {"on": True}

    def hear(event: str, args: tuple[object, ...]) -> None:
        if tape["on"] and event == "open" and str(path) in str(args[0]):
            opened.append(str(args[0]))

    sys.addaudithook(hear)
    try:
        for operation in ("writable", "integrity", "journal_mode", "digest"):
            child.call(operation, {"path": str(path)}, timeout_s=5)
    finally:
        tape["on"] = False
    assert opened == []


def test_an_operation_may_ask_its_parent_before_it_goes_on() -> None:
    sent: list[object] = []
    replies: SimpleQueue[JsonValue | None] = SimpleQueue()
    request = Request(1, "write", {}, deadline=time.monotonic() + 60, send=sent.append, replies=replies)
    replies.put({"go": True})
    assert request.ask({"changeset": "abc"}) == {"go": True}
    assert sent == [{"id": 1, "ask": {"changeset": "abc"}}]
    replies.put(None)
    with pytest.raises(SqliteFault) as caught:
        request.ask({"changeset": "abc"})
    assert caught.value.kind is FaultKind.CANCELLED
