"""For every probe: one target that is there and one that is not. A new probe without its case fails the suite."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from grace.kit.procfs import process_stat

Parameters: TypeAlias = dict[str, Any]


def metrics_page(scrape: int) -> bytes:
    """Return metrics of a service that has answered ten requests more at each scrape, one of them badly."""
    lines = ["# TYPE requests_total counter", "up 1"]
    lines += [f'requests_total{{status="{status}"}} {share * scrape}' for status, share in (("200", 9), ("500", 1))]
    return "\n".join(lines).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class World:
    """What the suite sets up: files, a database with its lock held elsewhere, pages, and what is nowhere."""

    folder: Path
    database: Path
    locked: Path
    url: str
    metrics_url: str
    port: int
    closed_url: str
    closed_port: int
    child: int


@dataclass(frozen=True, slots=True)
class Case:
    """How to aim a probe at something real, and at nothing; `settles` reads come before the one that answers."""

    real: Callable[[World], Parameters]
    nothing: Callable[[World], Parameters]
    settles: int = 0
    absence_is_known: bool = False
    """Whether the probe is asked about presence itself, so that nothing there is an answer."""


def _named(pid: int) -> Parameters:
    stat = process_stat(pid)
    assert stat is not None
    return {"pid": pid, "started_at": stat.started_at}


def _file(name: str, **more: Any) -> Case:
    return Case(
        lambda world: {"path": str(world.folder / name), **more},
        lambda world: {"path": str(world.folder / "absent.json"), **more},
    )


def _page(**more: Any) -> Case:
    return Case(lambda world: {"url": world.url, **more}, lambda world: {"url": world.closed_url, **more})


def _metrics(settles: int, **more: Any) -> Case:
    return Case(
        lambda world: {"url": world.metrics_url, **more}, lambda world: {"url": world.closed_url, **more}, settles
    )


def _database(**more: Any) -> Case:
    return Case(
        lambda world: {"path": str(world.database), **more},
        lambda world: {"path": str(world.folder / "absent.db"), **more},
    )


def _process(**more: Any) -> Case:
    return Case(lambda world: {**_named(world.child), **more}, lambda _: {"pid": os.getpid(), "started_at": 1, **more})


REQUESTS: Final = {"name": "requests_total"}

CASES: Final[dict[str, Case]] = {
    "command.exit_code": Case(
        lambda _: {"argv": [sys.executable, "-c", "pass"]}, lambda _: {"argv": ["/nonexistent/program"]}
    ),
    "command.output": Case(lambda _: {"argv": ["/bin/echo", "well"]}, lambda _: {"argv": ["/nonexistent/program"]}),
    "file.exists": Case(
        lambda world: {"path": str(world.folder / "a.json")},
        lambda world: {"path": str(world.folder / "absent")},
        absence_is_known=True,
    ),
    "file.size": _file("a.json"),
    "file.mode": _file("a.json"),
    "file.digest": _file("a.json"),
    "file.contains": _file("a.json", text="pool"),
    "file.text": _file("a.json"),
    "file.value": _file("a.json", key="pool.size"),
    "host.disk_free_share": Case(lambda world: {"path": str(world.folder)}, lambda _: {"path": "/nonexistent"}),
    "host.inodes_free_share": Case(lambda world: {"path": str(world.folder)}, lambda _: {"path": "/nonexistent"}),
    "host.memory_available_share": Case(lambda _: {}, lambda _: {"machine": "another"}),
    "host.load_per_core": Case(lambda _: {}, lambda _: {"machine": "another"}),
    "http.status": _page(),
    "http.ok": Case(lambda world: {"url": world.url}, lambda world: {"url": world.closed_url}, absence_is_known=True),
    "http.latency_ms": _page(),
    "http.json": _page(pointer="/pool"),
    "metrics.value": _metrics(0, name="up"),
    "metrics.rate": _metrics(1, name="requests_total"),
    "metrics.ratio": _metrics(1, numerator={**REQUESTS, "labels": {"status": "500"}}, denominator=REQUESTS),
    "process.alive": Case(
        lambda world: _named(world.child),
        lambda _: {"pid": os.getpid(), "started_at": 1},
        absence_is_known=True,
    ),
    "process.lock_holder": Case(
        lambda world: {"path": str(world.locked), "watch": "10ms"},
        lambda world: {"path": str(world.folder / "absent.db")},
    ),
    "process.listener": Case(lambda world: {"port": world.port}, lambda world: {"port": world.closed_port}),
    "process.from_pid_file": Case(
        lambda world: {"path": str(world.folder / "child.pid")}, lambda world: {"path": str(world.folder / "absent")}
    ),
    "process.rss_bytes": _process(),
    "process.cpu_share": _process(watch="50ms"),
    "sqlite.writable": _database(),
    "sqlite.integrity": _database(),
    "sqlite.scalar": _database(query="SELECT count(*) FROM orders"),
    "sqlite.rows": _database(query="SELECT id FROM orders"),
    "sqlite.journal_mode": _database(),
    "sqlite.digest": _database(),
}
