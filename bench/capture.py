"""What capture() costs the caller, beside `sentry_sdk.capture_exception`: same exception, same process, alternating.

Both have their default options and a live transport to one server on the loopback interface that takes everything.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, NoReturn

import grace_sdk
import sentry_sdk

from bench.rows import Aim, Row, at_most

_ROUNDS: Final = 1_500
_WARM_UP: Final = 50
_FRAMES: Final = 10
_NS_IN_US: Final = 1_000
_AIM_RATIO: Final = 1 / 25


def measure(rounds: int = _ROUNDS, warm_up: int = _WARM_UP) -> list[Row]:
    """Compare medians and 99th percentiles in microseconds, and tell whether every capture was delivered."""
    with _server() as port:
        grace_sdk.init(f"http://token@127.0.0.1:{port}/bench?environment=drill", buffer_size=2 * (rounds + warm_up))
        sentry_sdk.init(f"http://key@127.0.0.1:{port}/1")
        try:
            ours, peer = (
                times[warm_up:]
                for times in _alternate(rounds + warm_up, grace_sdk.capture, sentry_sdk.capture_exception)
            )
            delivered = grace_sdk.flush(60.0)
        finally:
            grace_sdk.close()
            sentry_sdk.get_client().close(timeout=2.0)
    note = f"{_FRAMES} frames, {rounds} alternating rounds; " + ("all delivered" if delivered else "NOT ALL DELIVERED")
    return [
        _row("capture(), median", statistics.median(ours), statistics.median(peer), at_most(_AIM_RATIO), note),
        _row("capture(), p99", _p99(ours), _p99(peer), None, ""),
    ]


def _row(name: str, ours: float, peer: float, aim: Aim | None, note: str) -> Row:
    return Row(name, ours, peer, "µs", "sentry_sdk.capture_exception", ours / peer, aim, note)


def _alternate(rounds: int, *captures: Callable[[BaseException], object]) -> tuple[list[float], ...]:
    """Time each capture in turn, so that what else the machine does falls on both alike."""
    times: tuple[list[float], ...] = tuple([] for _ in captures)
    for _ in range(rounds):
        # A new one each round: sentry_sdk leaves out an exception that it has just seen.
        exc = _raised(_FRAMES)
        for capture, taken in zip(captures, times, strict=True):
            began = time.perf_counter_ns()
            capture(exc)
            ended = time.perf_counter_ns()
            taken.append((ended - began) / _NS_IN_US)
    return times


def _raised(frames: int) -> BaseException:
    try:
        _fail(frames - 2)
    except TimeoutError as exc:
        return exc


def _fail(depth: int) -> NoReturn:
    if depth > 0:
        _fail(depth - 1)
    message = "database is locked"
    raise TimeoutError(message)


def _p99(times: list[float]) -> float:
    return statistics.quantiles(times, n=100)[-1]


class _Handler(BaseHTTPRequestHandler):
    """Take everything; answer as each side's own server would."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        is_ours = self.path.startswith("/api/intake")
        # A signal's id is the only member of the wire format whose name ends like this.
        accepted = body.count(b'"format":1,"id":')
        content = b'{"accepted":%d,"duplicates":0,"signals":[]}' % accepted if is_ours else b"{}"
        self.send_response(202 if is_ours else 200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the standard library
        return


@contextmanager
def _server() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


if __name__ == "__main__":
    for row in measure():
        print(row)
