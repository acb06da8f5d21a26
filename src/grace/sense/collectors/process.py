"""Probes of processes: who runs, who listens, and who holds a lock, found through the operating system.

A process is named by its pid together with its start time in clock ticks since boot; a pid alone is reused.
"""

from __future__ import annotations

import shlex
import socket
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Final, TypeVar

from pydantic import AfterValidator, Field, JsonValue

from grace.kit.procfs import (
    Holders,
    ProcessStat,
    age_s,
    argv_of,
    is_alive,
    process_stat,
    started_wall_s,
    tcp_listeners,
    uid_of,
    write_lock_holders,
)
from grace.kit.redaction import redact_text
from grace.model.catalogue import Answers, ProbeSpec
from grace.model.quantities import AbsolutePath, Duration
from grace.model.reading import Known, Unknown
from grace.sense.collectors import Meter, Probe
from grace.sense.collectors.meters import ProbeParameters, Reads, TypedProbe, by_name, unknown
from grace.sense.collectors.viewpoint import Viewpoint

_LIMIT_S: Final = 10.0
_LONGEST_COMMAND: Final = 500
_LOOKS_A_SECOND: Final = 10.0
_MOST_WAIT_S: Final = 1.0


def _address(written: str) -> str:
    return str(ip_address(written))


class Named(ProbeParameters):
    """A process by its lasting name."""

    pid: int = Field(ge=1)
    started_at: int = Field(ge=0)


class Locked(ProbeParameters):
    """A file, and for how long the same process must be seen holding it before the answer counts."""

    path: AbsolutePath
    watch: Duration = Field(default=6.0, le=300)


class Listening(ProbeParameters):
    """A TCP port, on one address or on any."""

    port: int = Field(ge=1, le=65535)
    address: Annotated[str, AfterValidator(_address)] | None = None


class PidFile(ProbeParameters):
    """A file that holds a pid and nothing else."""

    path: AbsolutePath


class Share(Named):
    """How long to watch a process."""

    watch: Duration = Field(default=1.0, gt=0, le=60)


class Process(ProbeParameters):
    """What is told of a process."""

    pid: int
    started_at: int
    name: str
    command: str
    uid: int
    host: str
    age_s: float


class Holder(Process):
    """A process that holds a lock, on what, and how long it was seen to, without a pause and without a write."""

    holds: str
    held_s: float


class Listener(Process):
    """A process that listens, and on which port."""

    listens: int


class Written(Process):
    """A process whose pid stands in a file, and which file that is."""

    pid_file: str


P = TypeVar("P", bound=ProbeParameters)
W = TypeVar("W", Locked, Share)
_IDENTITY: Final = ("pid", "started_at")

_ALIVE: Final = ProbeSpec("process.alive", "Whether it still runs.", Named, Answers.BOOLEAN)
_LOCK_HOLDER: Final = ProbeSpec(
    "process.lock_holder",
    "The process that holds the write lock of a file or SQLite database.",
    Locked,
    Answers.OBJECT,
    shape=Holder,
    identity=_IDENTITY,
)
_LISTENER: Final = ProbeSpec(
    "process.listener",
    "The process that listens on a TCP port.",
    Listening,
    Answers.OBJECT,
    shape=Listener,
    identity=_IDENTITY,
)
_FROM_PID_FILE: Final = ProbeSpec(
    "process.from_pid_file",
    "The process whose pid a file holds.",
    PidFile,
    Answers.OBJECT,
    shape=Written,
    identity=_IDENTITY,
)
_RSS_BYTES: Final = ProbeSpec("process.rss_bytes", "Its resident memory.", Named, Answers.NUMBER, unit="bytes")
_CPU_SHARE: Final = ProbeSpec("process.cpu_share", "Its share of one core, over a moment.", Share, Answers.NUMBER)


class ProcessCollector:
    """`process.alive`, `.lock_holder`, `.listener`, `.from_pid_file`, `.rss_bytes` and `.cpu_share`."""

    def __init__(self, viewpoint: Viewpoint) -> None:
        self._clock = viewpoint.clock

    @property
    def probes(self) -> Mapping[str, Probe]:
        return by_name(
            [
                _probe(_ALIVE, Named, _alive),
                self._watching(_LOCK_HOLDER, Locked, self._lock_holder),
                _probe(_LISTENER, Listening, _listener),
                _probe(_FROM_PID_FILE, PidFile, _from_pid_file),
                _probe(_RSS_BYTES, Named, _rss),
                self._watching(_CPU_SHARE, Share, self._cpu_share),
            ]
        )

    def close(self) -> None:
        """End nothing: nothing was started."""

    def _watching(self, spec: ProbeSpec, parameters: type[W], read: Callable[[W], Known | Unknown]) -> Probe:
        def aim(given: W) -> Meter:
            return Reads(_LIMIT_S + given.watch, lambda: read(given))

        return TypedProbe(spec, parameters, aim)

    def _lock_holder(self, given: Locked) -> Known | Unknown:
        """Find the holder, then see whether it keeps holding: any pause, or any write to the file, begins anew."""
        match _only(write_lock_holders(given.path), f"the write lock of {given.path}"):
            case Unknown() as why:
                return why
            case stat:
                pass
        began_s = since_s = self._clock.monotonic()
        traces = _traces(given.path)
        while (now_s := self._clock.monotonic()) - began_s < given.watch:
            self._clock.sleep(min(_MOST_WAIT_S, given.watch / _LOOKS_A_SECOND, given.watch - (now_s - began_s)))
            if not _still_holds(stat, given.path):
                return unknown(f"process {stat.pid} let go of the write lock of {given.path} while it was watched")
            if (latest := _traces(given.path)) != traces:
                traces, since_s = latest, self._clock.monotonic()
        held_s = self._clock.monotonic() - since_s
        return _described(stat, holds=given.path, held_s=round(held_s, 3))

    def _cpu_share(self, given: Share) -> Known | Unknown:
        first, began_s = process_stat(given.pid), self._clock.monotonic()
        self._clock.sleep(given.watch)
        second, ended_s = process_stat(given.pid), self._clock.monotonic()
        if first is None or second is None or {first.started_at, second.started_at} != {given.started_at}:
            return unknown(_gone(given))
        return Known(value=(second.cpu_s - first.cpu_s) / (ended_s - began_s))


def _probe(spec: ProbeSpec, parameters: type[P], read: Callable[[P], Known | Unknown]) -> Probe:
    def aim(given: P) -> Meter:
        return Reads(_LIMIT_S, lambda: read(given))

    return TypedProbe(spec, parameters, aim)


def _alive(given: Named) -> Known | Unknown:
    return Known(value=is_alive(given.pid, given.started_at))


def _rss(given: Named) -> Known | Unknown:
    stat = process_stat(given.pid)
    if stat is None or stat.started_at != given.started_at or not stat.is_alive:
        return unknown(_gone(given))
    return Known(value=stat.rss_bytes)


def _listener(given: Listening) -> Known | Unknown:
    where = f"TCP port {given.port}" if given.address is None else f"TCP port {given.port} of {given.address}"
    match _only(tcp_listeners(given.port, given.address), where):
        case Unknown() as why:
            return why
        case stat:
            return _described(stat, listens=given.port)


_CLOCKS_DIFFER_S: Final = 2.0
"""The start of a process is told by another clock than the time of a file."""


def _from_pid_file(given: PidFile) -> Known | Unknown:
    try:
        text = Path(given.path).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        return unknown(f"{given.path} cannot be read: {error}")
    if not text.isdecimal():
        return unknown(f"{given.path} does not hold a pid")
    stat = process_stat(int(text))
    if stat is None or not stat.is_alive:
        return unknown(f"{given.path} names process {text}, which does not run")
    if Path(given.path).stat().st_mtime + _CLOCKS_DIFFER_S < started_wall_s(stat):
        return unknown(f"{given.path} is older than process {text}: the pid was given to another process")
    return _described(stat, pid_file=given.path)


def _only(holders: Holders, what: str) -> ProcessStat | Unknown:
    """Return the one process that was found; none, several, or one that is gone already is unknown."""
    match holders.pids:
        case (pid,):
            stat = process_stat(pid)
            return (
                stat if stat is not None and stat.is_alive else unknown(f"process {pid}, which held {what}, has ended")
            )
        case ():
            hidden = f"; {len(holders.hidden)} processes could not be looked into" if holders.hidden else ""
            return unknown(f"no process was found that holds {what}{hidden}")
        case several:
            return unknown(f"{len(several)} processes hold {what}: {', '.join(map(str, several))}")


def _still_holds(stat: ProcessStat, path: str) -> bool:
    return is_alive(stat.pid, stat.started_at) and write_lock_holders(path, among=(stat.pid,)).pids == (stat.pid,)


def _traces(path: str) -> tuple[tuple[int, int] | None, ...]:
    """Return what every commit changes: size and time of the file, its WAL and its journal."""
    return tuple(_trace(Path(path + suffix)) for suffix in ("", "-wal", "-journal"))


def _trace(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_size, status.st_mtime_ns


def _described(stat: ProcessStat, **more: JsonValue) -> Known | Unknown:
    uid = uid_of(stat.pid)
    if uid is None:
        return unknown(f"process {stat.pid} has ended")
    command = _command_line(argv_of(stat.pid))[:_LONGEST_COMMAND]
    told: dict[str, JsonValue] = {
        "pid": stat.pid,
        "started_at": stat.started_at,
        "name": stat.name,
        "command": command,
        "uid": uid,
        "host": socket.gethostname(),
        "age_s": round(age_s(stat), 2),
    }
    return Known(value=told | more)


def _command_line(argv: tuple[str, ...]) -> str:
    """Write a command line as a shell would read it; one that holds a secret plainly, with the secret hidden."""
    plain = " ".join(argv)
    quoted = plain if len(argv) == 1 and not plain.startswith("/") else shlex.join(argv)  # one word may be a title
    hidden = redact_text(plain)
    # Quotes could part a secret from the name that gives it away.
    return hidden if hidden != plain else redact_text(quoted)


def _gone(given: Named) -> str:
    return f"no process has pid {given.pid} and start time {given.started_at}"
