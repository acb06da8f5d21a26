"""However many stops come, and however close, the demo ends once: with a code, and nothing left behind."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from grace.kit.clock import SystemClock

STOPPED_TWICE: Final = """
import json, os, signal, sys, threading
from grace.cli.demo import Terminal
from grace.demo import playing

def send(number):
    os.kill(os.getpid(), number)

class Interrupted(Terminal):
    def line(self, text="", style=""):
        if gap_ms < 0:
            send(second)

def stop_while_preparing(folder):
    timer.start()
    send(signal.SIGTERM)
    if gap_ms == 0:
        send(second)
    raise AssertionError("a stop raises")

for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda *_: None)
playing.prepare = stop_while_preparing
codes = []
for gap_ms in json.loads(sys.argv[2]):
    second = int(sys.argv[1])
    timer = threading.Timer(max(gap_ms, 0) / 1000, send, [second])
    codes.append(playing.play(Interrupted()))
    timer.join()
print(json.dumps(codes))
"""
"""A stop in the first breath of the demo, and one `gap_ms` later; below zero also while it says it was stopped."""
GAPS_MS: Final = (-1, 0, 0.01, 0.1, 0.5, 1, 2, 5, 10, 20, 40, 80)


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_second_stop_at_any_gap_changes_nothing(tmp_path: Path, second: signal.Signals) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STOPPED_TWICE, str(int(second)), json.dumps(GAPS_MS)],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    codes = json.loads(done.stdout)
    assert len(codes) == len(GAPS_MS)
    assert set(codes) <= {128 + signal.SIGTERM, 128 + second}, "of two at once the lower number is heard first"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("gap_s", [0.0, 0.005, 0.05, 0.3])
def test_the_whole_group_of_make_is_stopped_twice_and_nothing_stays_behind(tmp_path: Path, gap_s: float) -> None:
    playing = subprocess.Popen(
        ["make", "-f", "-", "demo"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        start_new_session=True,
    )
    with playing:
        assert playing.stdin is not None
        assert playing.stdout is not None
        assert playing.stderr is not None
        playing.stdin.write(f"demo:\n\t@{sys.executable} -m grace demo\n")
        playing.stdin.close()
        next(line for line in playing.stdout if "orders" in line)
        os.killpg(playing.pid, signal.SIGTERM)
        SystemClock().sleep(gap_s)
        os.killpg(playing.pid, signal.SIGTERM)
        said = playing.stdout.read() + playing.stderr.read()
    assert "Traceback" not in said
    assert list(tmp_path.glob("grace-demo-*")) == []
