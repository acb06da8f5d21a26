"""A small service to break: it writes a row many times a second and counts what became of it.

`python clerk.py DATABASE PERIOD_S` prints one JSON object a line: first `{"port": N}`, where `/metrics` and `/healthz`
answer, then the first failure of each second, as it was raised. It ends when its standard input closes.
"""

import json
import select
import sqlite3
import sys
import threading
import time
import traceback
from contextlib import closing
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

_BUSY_TIMEOUT_S: Final = 0.2
_REPORT_EVERY_S: Final = 1.0


@dataclass
class Tally:
    """What became of the writes so far."""

    done: int = 0
    failed: int = 0

    def page(self) -> bytes:
        """Return the counts as a page for Prometheus."""
        rows = {"done": self.done, "failed": self.failed}
        lines = ["# TYPE clerk_writes_total counter"]
        lines += [f'clerk_writes_total{{result="{result}"}} {count}' for result, count in rows.items()]
        return ("\n".join(lines) + "\n").encode()


def main(database: str, period_s: float) -> None:
    """Write until the input ends."""
    tally = Tally()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _pages(tally))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with closing(sqlite3.connect(database, timeout=_BUSY_TIMEOUT_S, isolation_level=None)) as connection:
        _say({"port": server.server_address[1]})
        _write_on(connection, tally, period_s)
    server.shutdown()


def _write_on(connection: sqlite3.Connection, tally: Tally, period_s: float) -> None:
    said_at = -_REPORT_EVERY_S
    while not select.select([sys.stdin], [], [], period_s)[0]:
        try:
            take_order(connection)
        except sqlite3.Error as error:
            tally.failed += 1
            if time.monotonic() - said_at >= _REPORT_EVERY_S:
                said_at = time.monotonic()
                _say(_told(error))
        else:
            tally.done += 1


def take_order(connection: sqlite3.Connection) -> None:
    """Write one row."""
    connection.execute("INSERT INTO orders (taken_at) VALUES (?)", (time.time(),))


def _told(error: sqlite3.Error) -> dict[str, object]:
    frames = [
        {
            "module": "clerk",
            "function": frame.name,
            "file": Path(frame.filename).name,
            "line": frame.lineno,
            "in_app": True,
        }
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    return {"type": type(error).__name__, "module": type(error).__module__, "message": str(error), "frames": frames}


def _say(told: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def _pages(tally: Tally) -> type[BaseHTTPRequestHandler]:
    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = tally.page() if self.path == "/metrics" else b"ok\n"
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named by the standard library
            """Keep the page quiet: standard error belongs to faults."""

    return Pages


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
