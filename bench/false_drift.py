"""How often the benchmark gate calls idle noise worse, and how often it sees what really is worse.

Both sides of an A/A comparison are drawn from one long series of real request times against a server on this machine,
shuffled, so that there is nothing to find: every violation is false. Then one side is slowed down, and every pass is a
miss. By chance alone Cliff's delta passes 0.2 in 14 % of comparisons of 20 samples, in 4 % of 50 and in 0.7 % of 100:
a clause that decides wants a hundred. Stretches as they came are told beside it: there the machine's own drift is part
of what is found.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from bench.rows import Row, against_limit, at_most
from grace.act.verification.benchmarks import numbers_in
from grace.act.verification.statistics import worsening
from grace.kit.clock import SystemClock
from grace.model.reading import Reading
from grace.sense.collectors.eyes import Eyes
from grace.sense.collectors.http import HttpCollector
from grace.sense.collectors.viewpoint import Viewpoint

SERIES = 2000
ROUNDS = 2000
COUNTS = (20, 100)
FEW = 50
LIMIT = 0.20
SLOWDOWN = 1.5
SEED = 20261101


def measure(series_length: int = SERIES, rounds: int = ROUNDS, counts: tuple[int, ...] = COUNTS) -> list[Row]:
    """Return the shares of false alarms and of misses, for benchmarks of 20 and of 100 samples."""
    series = request_times(series_length)
    shuffled = random.Random(SEED).sample(series, len(series))
    return [row for count in counts for row in _rows(series, shuffled, count, rounds)]


def _rows(series: Sequence[float], shuffled: Sequence[float], count: int, rounds: int) -> list[Row]:
    by_chance, as_it_came = share_worse(shuffled, count, rounds), share_worse(series, count, rounds)
    missed = 1 - share_worse(shuffled, count, rounds, slowdown=SLOWDOWN)
    alarms, misses = (15, 20) if count < FEW else (1, 5)
    note = f"{as_it_came:.1%} between stretches as they came, the machine's own drift included"
    named = f"benchmark gate, {count} samples"
    return [
        against_limit(f"{named}, false alarms", by_chance * 100, at_most(1), alarms, "%", note),
        against_limit(f"{named}, misses at {SLOWDOWN:g} times", missed * 100, at_most(1), misses, "%"),
    ]


def request_times(count: int) -> tuple[float, ...]:
    """Return the milliseconds of real requests, each on its own connection, as the probe measures them."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in the base class
            pass

    clock = SystemClock()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        meter = Eyes([HttpCollector(Viewpoint(clock))]).aim(
            "http.latency_ms", {"url": f"http://127.0.0.1:{server.server_port}/"}
        )
        readings = [Reading(at=clock.now(), found=meter.read()) for _ in range(count)]
        server.shutdown()
        thread.join()
    return numbers_in(readings)


def share_worse(series: Sequence[float], count: int, rounds: int, slowdown: float = 1.0) -> float:
    """Return the share of comparisons of two stretches that are called worse, one of them slowed down."""
    chance = random.Random(SEED)
    worse = 0
    for _ in range(rounds):
        first, second = _apart(chance, len(series), count)
        before, now = series[first : first + count], series[second : second + count]
        worse += worsening([value * slowdown for value in now], before).amount > LIMIT
    return worse / rounds


def _apart(chance: random.Random, length: int, count: int) -> tuple[int, int]:
    """Choose two stretches that share no value."""
    while True:
        first, second = chance.randrange(length - count), chance.randrange(length - count)
        if abs(first - second) >= count:
            return first, second
