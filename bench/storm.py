"""What reading the API takes while 100,000 equal signals come in over HTTP, and what becomes of them.

The generator and the reader are this process, on the same machine as the server. Signals come in batches over several
connections and one by one over others; a tenth of the batches is sent twice. Meanwhile one reader asks for the status,
the incidents, one of them, the runs and the events, one after the other, as fast as it is answered.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench.intake import Server, running_server
from bench.rows import Row, against_limit, at_most

SIGNALS: Final = 100_000
LIMIT_MS: Final = 200.0
_BATCH: Final = 100
_BATCH_CONNECTIONS: Final = 6
_SINGLE_CONNECTIONS: Final = 4
_REPEATED: Final = 10
"""One batch of so many is sent again."""
_SINGLES: Final = 50
"""One signal of so many comes alone."""
_FEWEST_READS: Final = 20
_ACCEPTED: Final = 202
_OK: Final = 200
_BUSY: Final = 503
_REST_S: Final = 0.1


@dataclass(slots=True)
class Storm:
    """What was sent and answered."""

    accepted: int = 0
    duplicates: int = 0
    busy: int = 0
    """Requests that were turned away for the moment, and sent again."""
    reads_ms: list[float] = field(default_factory=list[float])
    incidents: list[dict[str, object]] = field(default_factory=list[dict[str, object]])
    runs: list[dict[str, object]] = field(default_factory=list[dict[str, object]])
    seconds: float = 0.0


def measure(signals: int = SIGNALS) -> list[Row]:
    """Raise a storm and read through it."""
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder)) as server:
        told = raise_storm(server, signals)
    p99 = percentile(told.reads_ms, 0.99)
    note = (
        f"{len(told.reads_ms)} reads beside {told.accepted} equal signals in {told.seconds:.1f} s; "
        f"{len(told.incidents)} incident, {len(told.runs)} run; the generator on the same machine"
    )
    return [against_limit("reads of the API in a storm, p99", p99, at_most(1), LIMIT_MS, "ms", note)]


def percentile(values: list[float], share: float) -> float:
    """Return the value that so many are not above."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(len(ranked) * share))]


def raise_storm(server: Server, signals: int) -> Storm:
    """Send equal signals, some of them twice, and read meanwhile; raise on an answer that is neither yes nor later."""
    return asyncio.run(_raise(server, signals))


async def _raise(server: Server, signals: int) -> Storm:
    storm, over = Storm(), asyncio.Event()
    bodies = list(_bodies(signals))
    batches = iter([body for body in bodies if body.startswith(b'{"signals"')])
    singles = iter([body for body in bodies if not body.startswith(b'{"signals"')])
    began = time.perf_counter()
    reader = asyncio.create_task(_read(server, storm, over))
    lanes = [*(batches for _ in range(_BATCH_CONNECTIONS)), *(singles for _ in range(_SINGLE_CONNECTIONS))]
    await asyncio.gather(*(_send(server, lane, storm) for lane in lanes))
    storm.seconds = time.perf_counter() - began
    over.set()
    await reader
    async with Connection.opened(server) as connection:
        storm.incidents = (await connection.get("/api/incidents?limit=100"))["items"]
        storm.runs = (await connection.get("/api/runs?limit=100"))["items"]
    return storm


async def _send(server: Server, bodies: Iterator[bytes], storm: Storm) -> None:
    async with Connection.opened(server) as connection:
        for body in bodies:
            status, answer = await connection.ask("POST", "/api/intake/native", body)
            while status == _BUSY:
                storm.busy += 1
                await asyncio.sleep(_REST_S)
                status, answer = await connection.ask("POST", "/api/intake/native", body)
            if status != _ACCEPTED:
                message = f"The server answered {status} {answer!r}."
                raise RuntimeError(message)
            receipt = json.loads(answer)
            storm.accepted += receipt["accepted"]
            storm.duplicates += receipt["duplicates"]


async def _read(server: Server, storm: Storm, over: asyncio.Event) -> None:
    """Ask for one page after the other until the storm is over, and a few times at least."""
    async with Connection.opened(server) as connection:
        incident = ""
        while not over.is_set() or len(storm.reads_ms) < _FEWEST_READS:
            for path in ("/api/autonomy/status", "/api/incidents", incident, "/api/runs", "/api/meta/events"):
                if path:
                    began = time.perf_counter()
                    page = await connection.get(path)
                    storm.reads_ms.append((time.perf_counter() - began) * 1_000)
                    if path == "/api/incidents" and page["items"]:
                        incident = f"/api/incidents/{page['items'][0]['id']}"


@dataclass(slots=True)
class Connection:
    """One connection that asks and waits for the answer."""

    server: Server
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    def opened(cls, server: Server) -> _Opening:
        return _Opening(server)

    async def get(self, path: str) -> dict[str, Any]:
        """Read one document; raise on anything else."""
        status, answer = await self.ask("GET", path)
        if status != _OK:
            message = f"{path} answered {status} {answer!r}."
            raise RuntimeError(message)
        return json.loads(answer)

    async def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Send a request and return its status and body."""
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: {self.server.host}\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {self.server.token}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self.writer.write(head.encode() + body)
        await self.writer.drain()
        told = (await self.reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
        length = next(int(line.partition(b":")[2]) for line in told if line.startswith(b"content-length"))
        return int(told[0].split()[1]), await self.reader.readexactly(length)


@dataclass(slots=True)
class _Opening:
    server: Server
    connection: Connection | None = None

    async def __aenter__(self) -> Connection:
        streams = await asyncio.open_connection(self.server.host, self.server.port)
        self.connection = Connection(self.server, *streams)
        return self.connection

    async def __aexit__(self, *_: object) -> None:
        if self.connection is not None:
            self.connection.writer.close()
            await self.connection.writer.wait_closed()


def _bodies(signals: int) -> Iterator[bytes]:
    """Write each signal once, most of them in batches, and a tenth of the batches again."""
    alone = range(0, signals, _SINGLES)
    together = [number for number in range(signals) if number % _SINGLES]
    yield from (json.dumps(_signal(number)).encode() for number in alone)
    for place, start in enumerate(range(0, len(together), _BATCH)):
        body = json.dumps({"signals": [_signal(number) for number in together[start : start + _BATCH]]}).encode()
        yield body
        if place % _REPEATED == 0:
            yield body


def _signal(number: int) -> dict[str, object]:
    message = f"cannot insert order {number}: database is locked"
    raised = {"type": "OperationalError", "module": "sqlite3", "message": message, "frames": [_FRAME], "chain": []}
    return {
        "format": 1,
        "id": f"storm-{number}",
        "service": "orders",
        "environment": "production",
        "at": "2026-01-01T00:00:00.000000Z",
        "kind": "exception",
        "severity": "error",
        "title": "sqlite3.OperationalError",
        "message": message,
        "exception": raised,
        "labels": {"engine": "sqlite"},
    }


_FRAME: Final = {"module": "orders.shop", "function": "save", "file": "orders/shop.py", "line": 12, "in_app": True}

if __name__ == "__main__":
    for row in measure():
        print(row)
