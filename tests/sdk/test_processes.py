"""Children, signals and sudden ends, with real processes."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import grace_sdk
import pytest

from tests.sdk.scripts import run, run_file, start
from tests.sdk.sink import Document, Sink

_DEAD_SERVER = "http://token@127.0.0.1:9/orders?environment=drill"
_METHODS = ("fork", "spawn", "forkserver")


def _end(process: subprocess.Popen[str], number: signal.Signals) -> tuple[int, str]:
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


def _by_title(sink: Sink) -> dict[str, Document]:
    return {arrived["title"]: arrived for arrived in sink.signals.values()}


def test_a_forked_child_reports_under_a_session_of_its_own_and_nothing_arrives_twice(sink: Sink) -> None:
    code = """
import os, sys, grace_sdk
grace_sdk.init(sys.argv[1])
for number in range(50):
    grace_sdk.capture(message=f"before {number}")
    if number == 25:
        child = os.fork()
        if child == 0:
            grace_sdk.capture(message="child")
            sys.exit(0 if grace_sdk.flush(20) else 1)
_, status = os.waitpid(child, 0)
grace_sdk.capture(message="after")
sys.exit(status)
"""
    result = run(code, sink.dsn())
    assert result.returncode == 0, result.stderr
    arrived = sink.wait_for(52)
    child = _by_title(sink)["child"]
    parents = [one for one in arrived if one is not child]
    assert len({one["session"] for one in parents}) == 1
    assert sorted(one["sequence"] for one in parents) == list(range(1, 52))
    assert (child["sequence"], child["session"] != parents[0]["session"]) == (1, True)
    assert child["context"]["runtime"]["pid"] != parents[0]["context"]["runtime"]["pid"]
    assert sink.duplicates == 0


def test_a_process_that_forks_while_its_threads_capture_gets_working_children(sink: Sink) -> None:
    code = """
import os, sys, threading, grace_sdk
grace_sdk.init(sys.argv[1], buffer_size=100_000)
stop = threading.Event()
def work():
    while not stop.is_set():
        grace_sdk.capture(message="busy")
        stop.wait(0.0005)
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads: thread.start()
children = []
for number in range(10):
    child = os.fork()
    if child == 0:
        grace_sdk.capture(message=f"child {number}")
        os._exit(0 if grace_sdk.flush(30) else 1)
    children.append(child)
statuses = [os.waitpid(child, 0)[1] for child in children]
stop.set()
for thread in threads: thread.join()
sys.exit(any(statuses) or not grace_sdk.flush(30))
"""
    result = run(code, sink.dsn())
    assert result.returncode == 0, result.stderr
    titles = _by_title(sink)
    assert {f"child {number}" for number in range(10)} <= set(titles)
    assert sink.duplicates == 0


def test_a_child_that_outlives_its_parent_does_not_hold_the_parents_spool(tmp_path: Path, sink: Sink) -> None:
    code = """
import os, signal, sys, grace_sdk
grace_sdk.init(sys.argv[1], spool=sys.argv[2])
grace_sdk.capture(message="parent")
grace_sdk.flush(0.5)
parent = os.getpid()
if os.fork():
    signal.pause()
grace_sdk.capture(message="child")
grace_sdk.flush(0.5)
os.kill(parent, signal.SIGKILL)
print("ready", flush=True)
sys.stdin.read()
"""
    parent = start(code, _DEAD_SERVER, str(tmp_path))
    try:
        assert parent.wait(timeout=60) == -signal.SIGKILL
        grace_sdk.init(sink.dsn(), spool=tmp_path)
        assert [one["title"] for one in sink.wait_for(1)] == ["parent"]
        assert grace_sdk.flush(20.0)
        assert _by_title(sink).keys() == {"parent"}
    finally:
        # The child ends with the pipe that it inherited.
        parent.communicate(timeout=60)


@pytest.mark.parametrize("method", _METHODS)
def test_children_of_every_start_method_report_what_they_capture_and_what_ends_them(
    tmp_path: Path, sink: Sink, method: str
) -> None:
    code = """
import multiprocessing, sys, grace_sdk
def work(number):
    grace_sdk.capture(message=f"work {number}", labels={"parent": str(multiprocessing.parent_process() is not None)})
    if number == 2:
        raise LookupError("no parcel")
if __name__ == "__main__":
    grace_sdk.init(sys.argv[1], labels={"zone": "a"})
    context = multiprocessing.get_context(sys.argv[2])
    children = [context.Process(target=work, args=(number,)) for number in range(3)]
    for child in children: child.start()
    for child in children: child.join()
    sys.exit([child.exitcode for child in children] != [0, 0, 1])
"""
    result = run_file(tmp_path, code, sink.dsn(), method)
    assert result.returncode == 0, result.stderr
    sink.wait_for(4)
    titles = _by_title(sink)
    assert titles.keys() == {"work 0", "work 1", "work 2", "LookupError"}
    assert {one["labels"]["zone"] for one in titles.values()} == {"a"}
    assert titles["work 0"]["labels"]["parent"] == "True"
    assert titles["LookupError"]["severity"] == "critical"
    assert titles["LookupError"]["labels"]["uncaught"] == "child process"
    assert "LookupError: no parcel" in result.stderr
    assert len({one["session"] for one in titles.values()}) == 3


@pytest.mark.parametrize("method", _METHODS)
def test_workers_of_a_pool_and_grandchildren_report(tmp_path: Path, sink: Sink, method: str) -> None:
    code = """
import multiprocessing, sys, grace_sdk
from concurrent.futures import ProcessPoolExecutor
def work(number):
    grace_sdk.capture(message=f"task {number}")
    return number
def nested(method):
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool:
        return list(pool.map(work, [100]))
if __name__ == "__main__":
    grace_sdk.init(sys.argv[1])
    context = multiprocessing.get_context(sys.argv[2])
    with context.Pool(2) as pool:
        pool.map(work, range(6))
        pool.close()
        pool.join()
    child = context.Process(target=nested, args=(sys.argv[2],))
    child.start()
    child.join()
"""
    result = run_file(tmp_path, code, sink.dsn(), method)
    assert result.returncode == 0, result.stderr
    sink.wait_for(7)
    assert _by_title(sink).keys() == {"task 100", *(f"task {number}" for number in range(6))}


def test_a_pool_that_is_ended_at_once_loses_nothing_that_was_captured(tmp_path: Path, sink: Sink) -> None:
    code = """
import multiprocessing, sys, grace_sdk
def work(number):
    grace_sdk.capture(message=f"task {number}")
if __name__ == "__main__":
    grace_sdk.init(sys.argv[1])
    with multiprocessing.get_context("fork").Pool(2) as pool:
        pool.map(work, range(6))
"""
    # Leaving the block terminates the workers with SIGTERM.
    result = run_file(tmp_path, code, sink.dsn())
    assert result.returncode == 0, result.stderr
    assert len(sink.wait_for(6)) == 6


def test_sigterm_delivers_and_then_ends_the_process_as_it_would_have(sink: Sink) -> None:
    code = """
import sys, time, grace_sdk
grace_sdk.init(sys.argv[1])
grace_sdk.capture(message="last words")
print("ready", flush=True)
while True:
    time.sleep(0.05)
"""
    process = start(code, sink.dsn())
    assert _end(process, signal.SIGTERM)[0] == -signal.SIGTERM
    assert [one["title"] for one in sink.wait_for(1)] == ["last words"]


def test_sigterm_goes_on_to_the_handler_of_the_application(sink: Sink) -> None:
    code = """
import signal, sys, time, grace_sdk
def stop(number, frame):
    grace_sdk.capture(message="stopping")
    sys.exit(7)
signal.signal(signal.SIGTERM, stop)
grace_sdk.init(sys.argv[1])
grace_sdk.capture(message="last words")
print("ready", flush=True)
while True:
    time.sleep(0.05)
"""
    process = start(code, sink.dsn())
    assert _end(process, signal.SIGTERM)[0] == 7
    assert [one["title"] for one in sink.wait_for(2)] == ["last words", "stopping"]


def test_sigterm_is_still_ignored_where_it_was(sink: Sink) -> None:
    code = """
import os, signal, sys, grace_sdk
signal.signal(signal.SIGTERM, signal.SIG_IGN)
grace_sdk.init(sys.argv[1])
os.kill(os.getpid(), signal.SIGTERM)
assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
"""
    assert run(code, sink.dsn()).returncode == 0


def test_sigterm_during_an_outage_leaves_everything_in_the_spool(tmp_path: Path, sink: Sink) -> None:
    code = """
import sys, time, grace_sdk
grace_sdk.init(sys.argv[1], spool=sys.argv[2])
for number in range(100):
    grace_sdk.capture(message=f"note {number}")
print("ready", flush=True)
while True:
    time.sleep(0.05)
"""
    process = start(code, _DEAD_SERVER, str(tmp_path))
    assert _end(process, signal.SIGTERM)[0] == -signal.SIGTERM
    grace_sdk.init(sink.dsn(), spool=tmp_path)
    assert len(sink.wait_for(100)) == 100


def test_a_thread_may_call_init(sink: Sink) -> None:
    code = """
import sys, threading, grace_sdk
thread = threading.Thread(target=grace_sdk.init, args=(sys.argv[1],))
thread.start(); thread.join()
grace_sdk.capture(message="x")
"""
    result = run(code, sink.dsn())
    assert (result.returncode, result.stderr) == (0, "")
    assert len(sink.wait_for(1)) == 1


def test_a_kill_loses_little_and_the_gap_is_told(tmp_path: Path, sink: Sink) -> None:
    code = """
import sys, time, grace_sdk
grace_sdk.init(sys.argv[1], spool=sys.argv[2])
for number in range(1, 1_000_000):
    grace_sdk.capture(message=f"note {number}")
    time.sleep(0.005)
    if number == 100:
        print("ready", flush=True)
"""
    process = start(code, _DEAD_SERVER, str(tmp_path))
    assert _end(process, signal.SIGKILL)[0] == -signal.SIGKILL
    grace_sdk.init(sink.dsn(), spool=tmp_path)
    sink.wait_for(50)
    assert grace_sdk.flush(20.0)
    sequences = sorted(one["sequence"] for one in sink.signals.values())
    (over,) = {one["issued"] for one in sink.sessions if one["over"]}
    assert sequences == list(range(1, len(sequences) + 1))
    lost = over - len(sequences)
    # At one capture in 5 ms or more, 250 ms are at most 50.
    assert 0 <= lost <= 50
    assert grace_sdk.progress() is not None
    grace_sdk.close()
    assert list(tmp_path.iterdir()) == []


def test_a_capture_that_a_kill_caught_unspooled_is_counted(tmp_path: Path, sink: Sink) -> None:
    code = """
import os, signal, sys, grace_sdk
grace_sdk.init(sys.argv[1], spool=sys.argv[2])
grace_sdk.capture(message="spooled")
grace_sdk.flush(0.5)
for number in range(7):
    grace_sdk.capture(message="lost")
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert run(code, _DEAD_SERVER, str(tmp_path)).returncode == -signal.SIGKILL
    grace_sdk.init(sink.dsn(), spool=tmp_path)
    sink.wait_for(1)
    assert grace_sdk.flush(20.0)
    sink.wait_for_session(lambda one: one["over"] and one["issued"] == 8)
    assert _by_title(sink).keys() == {"spooled"}


def test_what_a_dead_process_lost_is_told_even_when_it_left_no_signal(tmp_path: Path, sink: Sink) -> None:
    code = """
import os, signal, sys, grace_sdk
grace_sdk.init(sys.argv[1], spool=sys.argv[2])
for number in range(3):
    grace_sdk.capture(message="lost")
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert run(code, _DEAD_SERVER, str(tmp_path)).returncode == -signal.SIGKILL
    grace_sdk.init(_DEAD_SERVER, spool=tmp_path)
    # Told again and again until someone listens, also by the next process.
    grace_sdk.flush(0.5)
    grace_sdk.close(0.0)
    grace_sdk.init(sink.dsn(), spool=tmp_path)
    sink.wait_for_session(lambda one: one["over"] and one["issued"] == 3)


@pytest.mark.slow
def test_a_living_process_takes_over_what_a_dead_neighbour_left(tmp_path: Path, sink: Sink) -> None:
    grace_sdk.init(sink.dsn(), spool=tmp_path)
    grace_sdk.capture(message="mine")
    assert grace_sdk.flush(20.0)
    code = """
import os, signal, sys, grace_sdk
grace_sdk.init(sys.argv[1], spool=sys.argv[2])
grace_sdk.capture(message="left")
grace_sdk.flush(0.5)
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert run(code, _DEAD_SERVER, str(tmp_path)).returncode == -signal.SIGKILL
    assert sink.wait_for(2)[1]["title"] in {"mine", "left"}
    sink.wait_for_session(lambda one: one["over"] and one["issued"] == 1)
