"""Worlds for the actions whose effect leaves this process: a program that counts its runs, a server that counts too."""

from __future__ import annotations

import random
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

_COUNT: Final = "count"


def run_a_program(world: Path, _chance: random.Random, _help: dict[str, Any]) -> dict[str, Any]:
    """Return a command that leaves one line for each time it runs."""
    return {"argv": ["/bin/sh", "-c", 'echo once >> "$1"', "sh", str(world / _COUNT)], "patience": "200ms"}


def send_a_request(_world: Path, _chance: random.Random, server: dict[str, Any]) -> dict[str, Any]:
    """Return a request that can be checked afterwards."""
    check = {"url": server["url"], "contains": "taken"}
    return {"method": "POST", "url": server["url"], "body": {"a": 1}, "check": check}


@contextmanager
def counting_server(world: Path) -> Generator[dict[str, Any]]:
    """Run a server that leaves one line for each request that would change something."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            with (world / _COUNT).open("a") as file:
                file.write("once\n")
            self._answer(b"")

        def do_GET(self) -> None:
            self._answer(b"taken" if times_done(world, {}) else b"not yet")

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in the base class
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """Say nothing of a client that was killed."""

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield {"url": f"http://127.0.0.1:{server.server_address[1]}/flag"}
        finally:
            server.shutdown()
            thread.join()


def times_done(world: Path, _parameters: dict[str, Any]) -> int:
    """Return how often it took effect."""
    counted = world / _COUNT
    return len(counted.read_text().splitlines()) if counted.exists() else 0
