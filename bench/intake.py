"""Signals accepted in a second by one `grace serve` over HTTP, each durable before its 202, and the memory it keeps.

The generator is another process on the same machine, this one. Its signals are as the SDK sends them: an exception with
ten frames, labels and context, and a message that differs each time.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psutil

from bench.rows import Row, against_limit, at_least, at_most

_SECONDS: Final = 5.0
_WARM_UP_S: Final = 1.0
_SINGLE_CONNECTIONS: Final = 64
_BATCH_CONNECTIONS: Final = 16
_BATCH: Final = 20
_AIM_SINGLE: Final = 2_000
_AIM_BATCHED: Final = 8_000
_AIM_MIB: Final = 250
_MIB: Final = 1024 * 1024
_LONGEST_STOP_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Server:
    """A running server and the token that opens its door."""

    host: str
    port: int
    token: str
    process: psutil.Process

    def resident_mib(self) -> float:
        """Return the memory that the server and its children keep."""
        family = (self.process, *self.process.children(recursive=True))
        return sum(one.memory_info().rss for one in family) / _MIB


def measure(seconds: float = _SECONDS, warm_up_s: float = _WARM_UP_S) -> list[Row]:
    """Count what one server process accepts, single and in batches, and what memory it keeps afterwards."""
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder)) as server:
        numbers = count()
        single = asyncio.run(_rate(server, numbers, _Load(_SINGLE_CONNECTIONS, 1, seconds, warm_up_s)))
        batched = asyncio.run(_rate(server, numbers, _Load(_BATCH_CONNECTIONS, _BATCH, seconds, warm_up_s)))
        resident = server.resident_mib()
    beside = "the generator on the same machine"
    return [
        _rate_row(
            "signals accepted, one a request", single, _AIM_SINGLE, f"{_SINGLE_CONNECTIONS} connections, {beside}"
        ),
        _rate_row(
            f"signals accepted, {_BATCH} a request",
            batched,
            _AIM_BATCHED,
            f"{_BATCH_CONNECTIONS} connections, {beside}",
        ),
        against_limit(
            "memory of the server and its children", resident, at_most(1), _AIM_MIB, "MiB", "after these signals"
        ),
    ]


def _rate_row(name: str, rate: float, limit: int, note: str) -> Row:
    return against_limit(name, rate, at_least(1), limit, "/s", f"each durable before its 202; {note}")


@dataclass(frozen=True, slots=True)
class _Load:
    """So many connections, so many signals a request, for so long."""

    connections: int
    size: int
    seconds: float
    warm_up_s: float


async def _rate(server: Server, numbers: Iterator[int], load: _Load) -> float:
    """Keep so many connections busy and return the signals accepted in a second; raise on any other answer."""
    loop = asyncio.get_running_loop()
    senders = [_Sender(server, load.size, numbers) for _ in range(load.connections)]
    for sender in senders:
        await loop.create_connection(lambda sender=sender: sender, server.host, server.port)
    await asyncio.sleep(load.warm_up_s)
    before, began = sum(sender.accepted for sender in senders), time.perf_counter()
    await asyncio.sleep(load.seconds)
    accepted, took = sum(sender.accepted for sender in senders) - before, time.perf_counter() - began
    for sender in senders:
        sender.stop()
    refused = [sender.refused for sender in senders if sender.refused]
    if refused:
        message = f"The server answered {refused[0]!r}."
        raise RuntimeError(message)
    return accepted / took


@dataclass(slots=True)
class _Sender(asyncio.Protocol):
    """Sends a request as soon as the last one is answered; as little work as possible, for it shares the machine."""

    server: Server
    size: int
    numbers: Iterator[int]
    accepted: int = 0
    refused: bytes = b""
    _received: bytearray = field(default_factory=bytearray)
    _transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
            self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator or len(body) < _content_length(head):
            return
        if not head.startswith(b"HTTP/1.1 202") or json.loads(body)["accepted"] != self.size:
            self.refused = bytes(self._received)
            return
        self.accepted += self.size
        self._received.clear()
        self._send()

    def stop(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _send(self) -> None:
        signals = b",".join((b"%d" % next(self.numbers)).join(_PIECES) for _ in range(self.size))
        body = signals if self.size == 1 else b'{"signals":[' + signals + b"]}"
        head = (
            f"POST /api/intake/native HTTP/1.1\r\nHost: {self.server.host}\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {self.server.token}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        if self._transport is not None:
            self._transport.write(head.encode() + body)


def _content_length(head: bytes | bytearray) -> int:
    lines = bytes(head).lower().split(b"\r\n")
    return next(int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length"))


def _frame(depth: int) -> dict[str, object]:
    return {
        "module": f"orders.part{depth}",
        "function": f"step_{depth}",
        "file": f"orders/part{depth}.py",
        "line": 10 + depth,
        "in_app": depth > 2,
    }


_SIGNAL: Final = json.dumps(
    {
        "format": 1,
        "id": "bench-NUMBER",
        "service": "orders",
        "environment": "production",
        "at": "2026-01-01T00:00:00.000000Z",
        "kind": "exception",
        "severity": "error",
        "title": "sqlite3.OperationalError",
        "message": "cannot insert order NUMBER: database is locked",
        "exception": {
            "type": "sqlite3.OperationalError",
            "module": "sqlite3",
            "message": "cannot insert order NUMBER: database is locked",
            "frames": [_frame(depth) for depth in range(10)],
            "chain": [],
        },
        "labels": {"engine": "sqlite", "database": "/srv/orders/orders.db", "route": "/orders"},
        "context": {"runtime": {"python": "3.11.7", "pid": 4312, "host": "shop-1"}},
        "correlation_id": "bench-NUMBER",
        "session": "bench",
        "sequence": 1,
    }
).encode()


_PIECES: Final = _SIGNAL.split(b"NUMBER")


@contextmanager
def running_server(folder: Path) -> Iterator[Server]:
    """Serve from an empty folder for as long as somebody measures."""
    command = [sys.executable, "-m", "grace", "serve", "--port", "0", "--data", str(folder), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=folder) as process:
        try:
            line = process.stdout.readline() if process.stdout else b""
            parts = urlsplit(json.loads(line)["address"])
            token = (folder / "token").read_text().strip()
            yield Server(parts.hostname or "", parts.port or 0, token, psutil.Process(process.pid))
        finally:
            process.terminate()
            process.wait(_LONGEST_STOP_S)


if __name__ == "__main__":
    for row in measure():
        print(row)
