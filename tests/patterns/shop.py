"""A small service with one fault that it can have for real: `python shop.py FAULT ARGUMENT CONFIG LISTENER PID_FILE`.

It works ten times a second, answers `/metrics` at the listener that it was given (the number of a descriptor), and
tells the SDK of its first failure. CONFIG is read again on SIGHUP. It ends when its input closes.
"""

import http.client
import json
import os
import resource
import signal
import socket
import sqlite3
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grace_sdk
from pydantic import BaseModel, Field

_BEAT_S = 0.1
_NOBODY = 65534
_FEW_HANDLES = 64
_BLOCK = b"x" * 65536
PATIENCE: list[float] = []
"""How long an answer is waited for, as last read; empty: to be read."""


class Order(BaseModel):
    """What a customer sends."""

    item: str = Field(min_length=1)
    quantity: int = Field(gt=0, le=100)


def lock(database: str, _config: Path) -> None:
    """Write a row, beside whoever holds the write lock."""
    with closing(sqlite3.connect(database, timeout=0.1, isolation_level=None)) as connection:
        connection.execute("INSERT INTO orders (item) VALUES ('tea')")


def permission(file: str, _config: Path) -> None:
    """Read a file as a user who is not root."""
    os.seteuid(_NOBODY)
    try:
        Path(file).read_bytes()
    finally:
        os.seteuid(0)


def validation(body: str, _config: Path) -> None:
    """Take an order as it was sent."""
    Order.model_validate_json(body)


def timeout(address: str, config: Path) -> None:
    """Ask a neighbour, as patiently as the configuration says."""
    if not PATIENCE:
        PATIENCE.append(float(json.loads(config.read_text())["timeout_s"]))
    with socket.create_connection(("127.0.0.1", int(address)), PATIENCE[0]) as neighbour:
        neighbour.sendall(b"price?\n")
        neighbour.recv(64)


def disk(folder: str, _config: Path) -> None:
    """Keep a block of an order's history on a file system of its own."""
    file = Path(folder) / "history"
    with file.open("wb") as history:
        history.write(_BLOCK)


def handles(count: str, _config: Path) -> None:
    """Open as many files as it takes."""
    opened: list[int] = []
    try:
        opened.extend(os.open(os.devnull, os.O_RDONLY) for _ in range(int(count)))
    finally:
        for one in opened:
            os.close(one)


def dependency(port: str, _config: Path) -> None:
    """Ask the dependency."""
    with closing(http.client.HTTPConnection("127.0.0.1", int(port), timeout=2)) as connection:
        connection.request("GET", "/")
        connection.getresponse().read()


def riddle(_argument: str, _config: Path) -> None:
    """Fail in a way that nothing is known about."""
    message = "the moon is in the seventh house"
    raise LunarError(message)


class LunarError(Exception):
    """Nobody has heard of this."""


FAULTS: dict[str, Callable[[str, Path], None]] = {
    each.__name__: each for each in (lock, permission, validation, timeout, disk, handles, dependency, riddle)
}


class Pages(BaseHTTPRequestHandler):
    """Tells how the work goes."""

    done = failed = 0

    def do_GET(self) -> None:
        page = f"work_total {Pages.done + Pages.failed}\nfailed_total {Pages.failed}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Stay quiet."""


def _read_again(_signal: int, _frame: object) -> None:
    PATIENCE.clear()


def main(fault: str, argument: str, config: Path, listener: int, pid_file: Path) -> None:
    """Work until the input closes."""
    signal.signal(signal.SIGHUP, _read_again)
    pid_file.write_text(f"{os.getpid()}\n")
    if fault == "handles":
        resource.setrlimit(resource.RLIMIT_NOFILE, (_FEW_HANDLES, _FEW_HANDLES))
    grace_sdk.init()
    with ThreadingHTTPServer(("127.0.0.1", 0), Pages, bind_and_activate=False) as server:
        server.socket.close()
        server.socket = socket.socket(fileno=listener)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        over = threading.Event()
        threading.Thread(target=_wait, args=(over,), daemon=True).start()
        _work(FAULTS[fault], argument, config, over)
        server.shutdown()
    grace_sdk.close()


def _wait(over: threading.Event) -> None:
    sys.stdin.read()
    over.set()


def _work(work: Callable[[str, Path], None], argument: str, config: Path, over: threading.Event) -> None:
    told = False
    while not over.wait(_BEAT_S):
        try:
            work(argument, config)
        except Exception:  # noqa: BLE001 - whatever the fault is, it is counted and told
            Pages.failed += 1
            if not told:
                told = True
                grace_sdk.capture(labels={"engine": "sqlite", "database": argument} if work is lock else None)
        else:
            Pages.done += 1


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5]))
