"""Memory, disk and time have bounds, and what they cost is counted."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import grace_sdk
import pytest
from grace_sdk.buffer import Buffer
from grace_sdk.outbox import Outbox
from grace_sdk.recorder import Recorder
from grace_sdk.reporter import Progress
from hypothesis import given
from hypothesis import strategies as st

from tests.sdk.scripts import run
from tests.sdk.sink import Sink

_DEAD_SERVER = "http://token@127.0.0.1:9/orders?environment=drill"


def _progress() -> Progress:
    progress = grace_sdk.progress()
    assert progress is not None
    return progress


@given(st.lists(st.integers(0, 20_000), max_size=60), st.integers(1, 20), st.integers(10_000, 200_000))
def test_a_buffer_keeps_the_newest_within_both_bounds_and_counts_the_rest(
    lengths: list[int], capacity: int, most_bytes: int
) -> None:
    buffer = Buffer(capacity, most_bytes)
    recorder = Recorder(buffer)
    for length in lengths:
        recorder.record("message", message="x" * length)
    kept = [taken for _ in range(len(lengths)) if (taken := buffer.take())]
    assert len(kept) <= capacity
    assert sum(one.weight for one in kept) <= most_bytes
    assert len(kept) + buffer.dropped == len(lengths)
    assert [one.sequence for one in kept] == list(range(len(lengths) - len(kept) + 1, len(lengths) + 1))


def test_what_waits_in_memory_is_bounded_by_bytes_in_both_places() -> None:
    grace_sdk.init(_DEAD_SERVER, buffer_size=100_000, buffer_bytes=1_000_000)
    for _ in range(50):
        for _ in range(20):
            grace_sdk.capture(message="x" * 8_000, context={"a": "y" * 8_000})
        grace_sdk.flush(0.0)
    grace_sdk.flush(0.2)
    progress = _progress()
    assert progress.captured == 1_000 == progress.waiting + progress.dropped
    # A rendered signal has about 17,000 bytes.
    assert 0 < progress.waiting <= 1_000_000 // 16_000


def test_an_outbox_in_memory_is_bounded_by_bytes() -> None:
    outbox = Outbox(None, most_signals=10_000, most_bytes=1_000_000, most_spooled_bytes=0)
    for _ in range(50):
        outbox.put([b"{" + b" " * 99_998 + b"}"])
    assert outbox.waiting * 100_000 <= 1_000_000
    assert outbox.waiting + outbox.dropped == 50


@pytest.mark.parametrize("limit", [0, 3_000])
def test_a_disk_that_takes_no_more_is_counted_and_memory_takes_over(tmp_path: Path, sink: Sink, limit: int) -> None:
    # A limit on the size of files refuses like a full disk, in the middle of a write, and needs no root.
    code = """
import resource, sys, grace_sdk
grace_sdk.init(sys.argv[1], spool=sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
for number in range(20):
    grace_sdk.capture(message=f"note {number}", context={"a": "y" * 500})
    grace_sdk.flush(0.0)
assert grace_sdk.flush(20)
progress = grace_sdk.progress()
assert progress.disk_faults > 0 and progress.faults == 0, progress
assert (progress.delivered, progress.dropped) == (20, 0), progress
"""
    result = run(code, sink.dsn(), str(tmp_path / "spool"), str(limit))
    assert (result.returncode, result.stderr) == (0, "")
    assert len(sink.wait_for(20)) == 20


def test_a_spool_that_cannot_be_made_is_said_and_nothing_is_raised() -> None:
    code = """
import sys, grace_sdk
grace_sdk.init(sys.argv[1], spool=sys.argv[2])
grace_sdk.capture(message="x")
"""
    result = run(code, _DEAD_SERVER, "/dev/null/spool")
    assert result.returncode == 0
    assert "cannot be used" in result.stderr
    assert "Traceback" not in result.stderr


def test_several_processes_share_a_spool_folder(tmp_path: Path, sink: Sink) -> None:
    code = """
import sys, grace_sdk
grace_sdk.init(sys.argv[1], spool=sys.argv[2])
for number in range(50):
    grace_sdk.capture(message=f"{sys.argv[3]} {number}")
"""
    threads = [
        threading.Thread(target=run, args=(code, _DEAD_SERVER, str(tmp_path), f"process {number}"))
        for number in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    grace_sdk.init(sink.dsn(), spool=tmp_path)
    assert len(sink.wait_for(200)) == 200
    assert grace_sdk.flush(20.0)
    grace_sdk.close()
    assert sink.duplicates == 0
    assert list(tmp_path.iterdir()) == []


def test_a_million_characters_cost_no_more_than_their_bound(sink: Sink) -> None:
    grace_sdk.init(sink.dsn())
    long = "é" * 1_000_000
    grace_sdk.capture(ValueError(long), labels={"l": long}, context={"c": long, "d": [long] * 100})
    grace_sdk.capture(ValueError(long, long))
    grace_sdk.capture(message=long)
    assert grace_sdk.flush(20.0)
    first, second, third = sink.wait_for(3)
    for arrived in (first, second, third):
        assert len(str(arrived)) < 128 * 1024
    assert "991808 more characters" in first["message"]
    assert len(first["labels"]["l"]) == 256
    assert "more characters" in third["message"]


def test_a_recursion_to_the_limit_is_captured_inside_it(sink: Sink) -> None:
    def dive(depth: int) -> None:
        try:
            dive(depth + 1)
        except RecursionError as exc:
            if depth > sys.getrecursionlimit() // 2:
                grace_sdk.capture(exc)
            raise

    grace_sdk.init(sink.dsn(), buffer_size=10_000)
    with pytest.raises(RecursionError):
        dive(0)
    assert grace_sdk.flush(30.0)
    assert sink.signals
