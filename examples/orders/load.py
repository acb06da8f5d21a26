"""Post orders at a steady rate and record every one that was acknowledged.

    python load.py --address http://127.0.0.1:8080 --record acknowledged.txt --rate 40

`--record` gets one line per acknowledged order: its id and the time. `--status` gets one JSON line per second. SIGTERM
ends it; the last status line is also printed. `missing_orders` afterwards names the orders that a database lost.
"""

import argparse
import http.client
import itertools
import json
import math
import signal
import sqlite3
import sys
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit

ANSWER_TIMEOUT_S = 10
STATUS_EVERY_S = 1.0
CREATED = 201
STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT}


def missing_orders(record: Path, database: Path) -> list[int]:
    """Return the ids of acknowledged orders that the database does not hold; reads only."""
    lines = record.read_text(encoding="ascii").splitlines(keepends=True)
    acknowledged = {int(line.split()[0]) for line in lines if line.endswith("\n")}
    with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        stored = {number for (number,) in connection.execute("SELECT id FROM orders")}
    return sorted(acknowledged - stored)


class Tally:
    """What became of the requests; for many threads."""

    def __init__(self, record: TextIO) -> None:
        self._record = record
        self._lock = threading.Lock()
        self._statuses: Counter[str] = Counter()
        self._acknowledged = 0
        self._connection_errors = 0
        self._took_ms: list[float] = []
        self._told = 0

    def note(self, status: int, order_id: int | None, took_ms: float) -> None:
        """Count one answer; an acknowledged order is on record before anything else happens."""
        with self._lock:
            if order_id is not None:
                self._record.write(f"{order_id} {time.time():.6f}\n")
                self._acknowledged += 1
            self._statuses[str(status)] += 1
            self._took_ms.append(took_ms)

    def note_connection_error(self) -> None:
        """Count one request without an answer."""
        with self._lock:
            self._connection_errors += 1

    def line(self, *, final: bool) -> str:
        """Return the counts since the start as JSON, with the latency since the last line (final: since the start)."""
        with self._lock:
            took_ms = sorted(self._took_ms[0 if final else self._told :])
            self._told = len(self._took_ms)
            failed = sum(count for status, count in self._statuses.items() if int(status) >= 400)  # noqa: PLR2004
            counts = {
                "at": round(time.time(), 3),
                "sent": self._statuses.total() + self._connection_errors,
                "acknowledged": self._acknowledged,
                "failed": failed + self._connection_errors,
                "connection_errors": self._connection_errors,
                "statuses": dict(self._statuses),
            }
        latency = {"p50_ms": _quantile(took_ms, 0.5), "p95_ms": _quantile(took_ms, 0.95)}
        return json.dumps({**counts, **latency, "final": final})


class Pace:
    """Hand out moments that lie evenly apart; who comes late does not make up for it."""

    def __init__(self, rate: float) -> None:
        self._interval_s = 1 / rate
        self._lock = threading.Lock()
        self._next = time.monotonic()

    def wait(self, stopping: threading.Event) -> None:
        """Return at the next moment, or when stopping."""
        with self._lock:
            moment = max(self._next, time.monotonic())
            self._next = moment + self._interval_s
        stopping.wait(moment - time.monotonic())


class Client:
    """One connection, opened again when it breaks."""

    def __init__(self, address: str, tally: Tally) -> None:
        parts = urlsplit(address)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=ANSWER_TIMEOUT_S)
        self._tally = tally

    def send(self, method: str, path: str, body: dict[str, object] | None = None) -> None:
        """Send one request and note what came of it."""
        began = time.monotonic()
        try:
            content = None if body is None else json.dumps(body)
            self._connection.request(method, path, content, {"Content-Type": "application/json"})
            answer = self._connection.getresponse()
            said = answer.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            self._tally.note_connection_error()
            return
        order_id = json.loads(said)["id"] if answer.status == CREATED else None
        self._tally.note(answer.status, order_id, (time.monotonic() - began) * 1000)


def main() -> None:
    """Run until SIGTERM, SIGINT or the end of `--seconds`."""
    options = _options()
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)  # before any thread, so that all of them inherit it
    stopping = threading.Event()
    with options.record.open("a", buffering=1, encoding="ascii") as record:
        tally = Tally(record)
        threads = _threads(options, tally, stopping)
        for thread in threads:
            thread.start()
        _report_until_told(options.seconds, tally, options.status)
        stopping.set()
        for thread in threads:
            thread.join()
    last = tally.line(final=True)
    _append(options.status, last)
    print(last)


def _threads(options: argparse.Namespace, tally: Tally, stopping: threading.Event) -> list[threading.Thread]:
    items = itertools.cycle(options.items.split(","))
    threads: list[threading.Thread] = []
    if options.rate:
        pace = Pace(options.rate)
        threads += [
            threading.Thread(target=_post_orders, args=(Client(options.address, tally), pace, items, stopping))
            for _ in range(options.workers)
        ]
    if options.reports:
        client, pace = Client(options.address, tally), Pace(options.reports)
        threads.append(threading.Thread(target=_ask_for_reports, args=(client, pace, stopping)))
    return threads


def _post_orders(client: Client, pace: Pace, items: "itertools.cycle[str]", stopping: threading.Event) -> None:
    pace.wait(stopping)
    while not stopping.is_set():
        client.send("POST", "/orders", {"item": next(items), "quantity": 1, "customer": "load"})
        pace.wait(stopping)


def _ask_for_reports(client: Client, pace: Pace, stopping: threading.Event) -> None:
    pace.wait(stopping)
    while not stopping.is_set():
        client.send("GET", "/report")
        pace.wait(stopping)


def _report_until_told(seconds: float | None, tally: Tally, status: Path | None) -> None:
    end = math.inf if seconds is None else time.monotonic() + seconds
    while (left_s := min(STATUS_EVERY_S, end - time.monotonic())) > 0:
        if signal.sigtimedwait(STOP_SIGNALS, left_s) is not None:
            return
        _append(status, tally.line(final=False))


def _append(path: Path | None, line: str) -> None:
    if path is not None:
        with path.open("a", encoding="ascii") as file:
            file.write(line + "\n")


def _quantile(ascending: list[float], share: float) -> float | None:
    return round(ascending[int(share * (len(ascending) - 1))], 2) if ascending else None


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Post orders at a steady rate and record every acknowledged one.")
    parser.add_argument("--address", required=True, help="such as http://127.0.0.1:8080")
    parser.add_argument("--record", type=Path, required=True, help="file that gets the acknowledged ids")
    parser.add_argument("--status", type=Path, help="file that gets one JSON line per second")
    parser.add_argument("--rate", type=float, default=40, help="orders per second, 0 for none (default: %(default)s)")
    parser.add_argument("--items", default="coffee,tea,cake", help="ordered in turn (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=32, help="connections (default: %(default)s)")
    parser.add_argument("--reports", type=float, default=0, help="reports per second, by one slow client (default: 0)")
    parser.add_argument("--seconds", type=float, help="end by itself after this time")
    options = parser.parse_args()
    if options.rate < 0 or options.reports < 0 or options.workers < 1:
        parser.error("--rate and --reports must not be negative, and --workers at least 1")
    return options


if __name__ == "__main__":
    sys.exit(main())
