"""A small service of somebody's own: rooms are booked over HTTP and kept in one SQLite file."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sqlite3
import threading
from collections import Counter
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grace_sdk

SCHEMA = "CREATE TABLE IF NOT EXISTS bookings (id INTEGER PRIMARY KEY, room TEXT NOT NULL, guest TEXT NOT NULL)"
BUSY_S = 0.2
log = logging.getLogger("bookings")


class Hotel:
    """The bookings, and what /metrics tells of the requests for them."""

    def __init__(self, database: Path) -> None:
        self._connection = sqlite3.connect(database, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute(SCHEMA)
        self._answers: Counter[int] = Counter()
        self._lock = threading.Lock()

    def book(self, room: str, guest: str) -> int:
        with self._lock:
            row = self._connection.execute("INSERT INTO bookings (room, guest) VALUES (?, ?)", (room, guest))
            return row.lastrowid or 0

    def count(self) -> int:
        with self._lock:
            return int(self._connection.execute("SELECT count(*) FROM bookings").fetchone()[0])

    def answered(self, status: int) -> None:
        self._answers[status] += 1

    def metrics(self) -> str:
        lines = [
            f'bookings_requests_total{{status="{status}"}} {count}'
            for status, count in sorted(self._answers.copy().items())
        ]
        return "\n".join(["# TYPE bookings_requests_total counter", *lines, ""])


class Desk(BaseHTTPRequestHandler):
    """POST /bookings, GET /bookings/count, /healthz and /metrics."""

    hotel: Hotel

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        try:
            wish = json.loads(body)
            number = self.hotel.book(str(wish["room"]), str(wish["guest"]))
        except sqlite3.OperationalError:
            log.exception("a booking could not be kept")
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, {"error": "try again"}, is_counted=True)
        else:
            self._answer(HTTPStatus.CREATED, {"id": number}, is_counted=True)

    def do_GET(self) -> None:
        match self.path:
            case "/healthz":
                self._answer(HTTPStatus.OK, {"ok": True})
            case "/metrics":
                self._send(HTTPStatus.OK, self.hotel.metrics().encode(), "text/plain; version=0.0.4")
            case "/bookings/count":
                self._answer(HTTPStatus.OK, {"count": self.hotel.count()})
            case _:
                self._answer(HTTPStatus.NOT_FOUND, {"error": "no such page"})

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that the library gives it
        log.info(format, *args)

    def _answer(self, status: HTTPStatus, body: dict[str, Any], *, is_counted: bool = False) -> None:
        if is_counted:
            self.hotel.answered(status)
        self._send(status, json.dumps(body).encode(), "application/json")

    def _send(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    asked = parser.parse_args()
    logging.basicConfig(filename="bookings.log", level=logging.INFO)
    grace_sdk.init()
    Desk.hotel = Hotel(Path("bookings.db").resolve())
    server = ThreadingHTTPServer(("127.0.0.1", asked.port), Desk)
    Path("bookings.pid").write_text(f"{os.getpid()}\n")
    Path("bookings.port").write_text(f"{server.server_address[1]}\n")
    server.serve_forever()


if __name__ == "__main__":
    main()
