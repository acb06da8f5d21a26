from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import grace_sdk
import pytest
from grace_sdk.outbox import Outbox
from grace_sdk.spool import Spool

from tests.sdk.sink import Sink

_DEAD_SERVER = "http://token@127.0.0.1:9/orders?environment=drill"

_APPLICATION = """
import sys, time, grace_sdk
grace_sdk.init(sys.argv[1], spool=sys.argv[2])
for number in range(int(sys.argv[3])):
    grace_sdk.capture(message=f"note {number}")
while True:
    print(grace_sdk.progress(), flush=True)
    time.sleep(0.01)
"""


def _lines(folder: Path) -> list[bytes]:
    # A walk, not a glob: a folder that gets its name just then is looked at the next time.
    places = [Path(place) / name for place, _, names in os.walk(folder) for name in names if name.endswith(".jsonl")]
    return [line for file in sorted(places) for line in file.read_bytes().splitlines()]


def _wait_for_lines(folder: Path, count: int) -> None:
    deadline = time.monotonic() + 20
    while len(_lines(folder)) < count:
        assert time.monotonic() < deadline, f"{len(_lines(folder))} of {count} lines were spooled"
        time.sleep(0.01)


def test_signals_that_were_spooled_survive_a_kill_and_are_sent_by_the_next_process(tmp_path: Path, sink: Sink) -> None:
    application = subprocess.Popen(
        [sys.executable, "-c", _APPLICATION, _DEAD_SERVER, str(tmp_path), "120"], stdout=subprocess.DEVNULL
    )
    try:
        _wait_for_lines(tmp_path, 120)
    finally:
        application.send_signal(signal.SIGKILL)
        application.wait()
    grace_sdk.init(sink.dsn(), spool=tmp_path)
    arrived = sink.wait_for(120)
    assert [signal["title"] for signal in arrived] == [f"note {number}" for number in range(120)]
    assert grace_sdk.flush(20.0)
    grace_sdk.close()
    assert _lines(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_signals_that_were_spooled_survive_the_end_of_the_process(tmp_path: Path, sink: Sink) -> None:
    code = (
        "import sys, grace_sdk; grace_sdk.init(sys.argv[1], spool=sys.argv[2]); grace_sdk.capture(message='last words')"
    )
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", code, _DEAD_SERVER, str(tmp_path)], check=True, stderr=subprocess.DEVNULL)
    assert time.monotonic() - started < 20
    assert len(_lines(tmp_path)) == 1
    grace_sdk.init(sink.dsn(), spool=tmp_path)
    assert sink.wait_for(1)[0]["title"] == "last words"


def test_the_spool_of_a_living_process_is_left_alone(tmp_path: Path, sink: Sink) -> None:
    application = subprocess.Popen(
        [sys.executable, "-c", _APPLICATION, _DEAD_SERVER, str(tmp_path), "5"], stdout=subprocess.DEVNULL
    )
    try:
        _wait_for_lines(tmp_path, 5)
        grace_sdk.init(sink.dsn(), spool=tmp_path)
        grace_sdk.capture(message="mine")
        assert grace_sdk.flush(20.0)
        assert [signal["title"] for signal in sink.signals.values()] == ["mine"]
        assert len(_lines(tmp_path)) == 5
    finally:
        application.kill()
        application.wait()


def test_the_spool_is_private_and_holds_no_secret(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    grace_sdk.init(_DEAD_SERVER, spool=folder)
    grace_sdk.capture(message="login with password=hunter2", context={"api_key": "k-123456"})
    _wait_for_lines(folder, 1)
    (file,) = folder.rglob("*.jsonl")
    assert b"hunter2" not in file.read_bytes()
    assert b"k-123456" not in file.read_bytes()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_an_outage_of_the_server_fills_few_files(tmp_path: Path) -> None:
    grace_sdk.init(_DEAD_SERVER, spool=tmp_path)
    for number in range(30):
        grace_sdk.capture(message=f"note {number}")
        grace_sdk.flush(0.0)
        _wait_for_lines(tmp_path, number + 1)
    # The first file may be on its way while the others grow.
    assert len(list(tmp_path.rglob("*.jsonl"))) <= 3


def test_the_oldest_go_when_the_spool_is_full(tmp_path: Path) -> None:
    outbox = Outbox(Spool(tmp_path, "s"), most_signals=10, most_bytes=1_000_000, most_spooled_bytes=2_000_000)
    line = b"{" + b" " * 99_998 + b"}"
    for _ in range(50):
        outbox.put([line])
    assert sum(file.stat().st_size for file in tmp_path.rglob("*.jsonl")) <= 2_000_000
    assert outbox.dropped + outbox.waiting == 50
    assert outbox.dropped >= 30


def test_a_torn_line_and_a_line_of_rubbish_are_left_out(tmp_path: Path, sink: Sink) -> None:
    spool = Spool(tmp_path, "dead")
    file = spool.write([b'{"id":"a","title":"whole","sequence":1}'])
    with file.path.open("ab") as journal:
        journal.write(b'\0\0\0\0\n{"id":"b","title":"torn')
    spool.close()
    grace_sdk.init(sink.dsn(), spool=tmp_path)
    assert [signal["title"] for signal in sink.wait_for(1)] == ["whole"]
    assert grace_sdk.flush(20.0)
    assert len(sink.signals) == 1


def test_a_lost_acknowledgement_makes_a_duplicate_that_the_server_knows(tmp_path: Path, sink: Sink) -> None:
    first = Spool(tmp_path, "first")
    file = first.write([b'{"id":"a","title":"x","sequence":1}'])
    content = file.path.read_bytes()
    first.close()
    grace_sdk.init(sink.dsn(), spool=tmp_path)
    assert grace_sdk.flush(20.0)
    sink.wait_for(1)
    grace_sdk.close()
    second = Spool(tmp_path, "second")
    second.write([content.rstrip()])
    second.close()
    grace_sdk.init(sink.dsn(), spool=tmp_path)
    sink.wait_for_request(2)
    assert grace_sdk.flush(20.0)
    assert (len(sink.signals), sink.duplicates) == (1, 1)


def test_a_spool_that_cannot_be_made_is_logged_and_memory_is_used(
    tmp_path: Path, sink: Sink, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    grace_sdk.init(sink.dsn(), spool=tmp_path / "file")
    grace_sdk.capture(message="x")
    assert grace_sdk.flush(20.0)
    assert len(sink.signals) == 1
    assert "signals wait in memory instead" in caplog.text


def test_a_spool_that_vanishes_falls_back_to_memory(tmp_path: Path, sink: Sink) -> None:
    sink.status = 503
    folder = tmp_path / "spool"
    grace_sdk.init(sink.dsn(), spool=folder)
    for own in folder.iterdir():
        (own / "lock").unlink()
        own.rmdir()
    grace_sdk.capture(message="x")
    grace_sdk.flush(0.2)
    progress = grace_sdk.progress()
    assert progress is not None
    assert (progress.waiting, progress.disk_faults, progress.faults) == (1, 1, 0)
    sink.status = 202
    assert grace_sdk.flush(20.0)
    assert len(sink.signals) == 1
