"""What Linux tells of processes under `/proc`: who they are, whether they live, which locks and sockets they hold.

A pid is only a name together with its start time. Everything here only reads, and works without root as far as the
system allows: processes that may not be looked into are named, never passed over.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_WAL_WRITE_BYTE: Final = 120
"""SQLite in WAL mode: the byte of the `-shm` file whose exclusive lock is the write lock."""
_LOCK_KINDS: Final = frozenset({"POSIX", "OFDLCK", "FLOCK"})
_LISTENING: Final = "0A"
_ESTABLISHED: Final = "01"


@dataclass(frozen=True, slots=True)
class ProcessStat:
    """One process as `/proc/PID/stat` shows it."""

    pid: int
    name: str
    state: str
    parent: int
    started_at: int
    """Clock ticks from boot to its start: with the pid, the only lasting name of a process."""
    cpu_s: float
    rss_bytes: int

    @property
    def is_alive(self) -> bool:
        """Tell whether it still runs; a zombie is gone, only its parent has not noticed."""
        return self.state not in {"Z", "X", "x"}


@dataclass(frozen=True, slots=True)
class Holders:
    """Who was found holding something, and which processes could not be looked into."""

    pids: tuple[int, ...]
    hidden: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address and TCP port on which somebody listens; `0.0.0.0` and `::` are all addresses of this machine."""

    address: IPv4Address | IPv6Address
    port: int


@dataclass(frozen=True, slots=True)
class TcpSocket:
    """One TCP socket that listens or is connected, and the user it belongs to."""

    inode: str
    local: Endpoint
    remote: Endpoint
    is_listening: bool
    uid: int


@dataclass(frozen=True, slots=True)
class FileLock:
    """One lock line of `/proc/PID/fdinfo`: kind, strength and the bytes it covers."""

    kind: str
    is_write: bool
    first: int
    last: int | None
    """The last byte covered; None: to the end of the file and beyond."""

    def covers(self, byte: int) -> bool:
        return self.first <= byte and (self.last is None or byte <= self.last)


def process_stat(pid: int, proc: Path = PROC) -> ProcessStat | None:
    """Return what is known of a process, None when there is none with this pid."""
    try:
        text = (proc / str(pid) / "stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    name, rest = text[text.index("(") + 1 : text.rindex(")")], text[text.rindex(")") + 2 :].split()
    return ProcessStat(
        pid=pid,
        name=name,
        state=rest[0],
        parent=int(rest[1]),
        started_at=int(rest[19]),
        cpu_s=(int(rest[11]) + int(rest[12])) / _TICKS_PER_S,
        rss_bytes=int(rest[21]) * _PAGE_BYTES,
    )


def is_alive(pid: int, started_at: int) -> bool:
    """Tell whether the process that had this pid and start time still runs."""
    stat = process_stat(pid)
    return stat is not None and stat.started_at == started_at and stat.is_alive


def age_s(stat: ProcessStat) -> float:
    """Return how long ago the process was started."""
    uptime_s = float((PROC / "uptime").read_text().split()[0])
    return max(0.0, uptime_s - stat.started_at / _TICKS_PER_S)


def started_wall_s(stat: ProcessStat) -> float:
    """Return when the process was started, in seconds since 1970 by the clock of the machine, as files have it.

    The time of `/proc/PID` itself does not tell: it is when somebody first looked there. The kernel gives its boot in
    whole seconds, so this may be a second early.
    """
    lines = (PROC / "stat").read_text().splitlines()
    booted_s = next(int(line.split()[1]) for line in lines if line.startswith("btime "))
    return booted_s + stat.started_at / _TICKS_PER_S


def argv_of(pid: int, proc: Path = PROC) -> tuple[str, ...]:
    """Return the command line; empty for kernel threads, zombies and processes that are gone."""
    try:
        raw = (proc / str(pid) / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ()
    return tuple(part.decode("utf-8", "replace") for part in raw.rstrip(b"\0").split(b"\0")) if raw else ()


def uid_of(pid: int) -> int | None:
    """Return the effective user id, None when the process is gone."""
    try:
        lines = (PROC / str(pid) / "status").read_text(errors="replace").splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return next(int(line.split()[2]) for line in lines if line.startswith("Uid:"))


def all_pids(proc: Path = PROC) -> tuple[int, ...]:
    """Return every pid that is visible here."""
    return tuple(sorted(int(entry.name) for entry in proc.iterdir() if entry.name.isdigit()))


def write_lock_holders(path: str, among: tuple[int, ...] | None = None) -> Holders:
    """Find who holds a write lock on a file: an exclusive lock on it or, for SQLite in WAL mode, on its `-shm` byte.

    Readers of an SQLite database hold shared locks and are not found. A file that is not there has no holders.
    """
    main, shared = _identity(path), _identity(path + "-shm")
    pids: list[int] = []
    hidden: list[int] = []
    for pid in all_pids() if among is None else among:
        try:
            if _holds_write_lock(pid, main, shared):
                pids.append(pid)
        except PermissionError:
            hidden.append(pid)
    return Holders(tuple(pids), tuple(hidden))


def tcp_listeners(port: int, address: str | None = None) -> Holders:
    """Find who listens on a TCP port of this network namespace, on one address or on any."""
    sockets = {
        f"socket:[{inode}]" for inode, at in _listening_sockets(port) if address is None or at == ip_address(address)
    }
    pids: list[int] = []
    hidden: list[int] = []
    for pid in all_pids() if sockets else ():
        try:
            if any(link in sockets for _, link in descriptors_of(pid)):
                pids.append(pid)
        except PermissionError:
            hidden.append(pid)
    return Holders(tuple(pids), tuple(hidden))


def listening_at(pid: int) -> frozenset[Endpoint]:
    """Return where a process listens, as far as it may be looked into: this process always may."""
    sockets = {link for _, link in descriptors_of(pid) if link.startswith("socket:")}
    return frozenset(Endpoint(at, port) for inode, at, port in _all_listening() if f"socket:[{inode}]" in sockets)


def locks_of(pid: int, descriptor: str) -> tuple[FileLock, ...]:
    """Return the locks that were taken through one descriptor of a process."""
    try:
        lines = (PROC / str(pid) / "fdinfo" / descriptor).read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return ()
    return tuple(_lock(line) for line in lines if line.startswith("lock:"))


def _lock(line: str) -> FileLock:
    """Read `lock: 1: POSIX ADVISORY WRITE 4711 fe:00:123 120 120`."""
    words = line.split()
    kind, strength, first, last = words[2], words[4], words[-2], words[-1]
    return FileLock(
        kind=kind, is_write=strength == "WRITE", first=int(first), last=None if last == "EOF" else int(last)
    )


def _holds_write_lock(pid: int, main: tuple[int, int] | None, shared: tuple[int, int] | None) -> bool:
    for descriptor, link in descriptors_of(pid):
        found = _identity(PROC / str(pid) / "fd" / descriptor) if link.startswith("/") else None
        if found is None or found not in {main, shared}:
            continue
        locks = (lock for lock in locks_of(pid, descriptor) if lock.is_write and lock.kind in _LOCK_KINDS)
        if any(found == main or lock.covers(_WAL_WRITE_BYTE) for lock in locks):
            return True
    return False


def _identity(path: str | Path) -> tuple[int, int] | None:
    """Return device and inode, both asked the same way: on overlays `/proc/locks` names another device."""
    try:
        status = Path(path).stat()
    except (FileNotFoundError, NotADirectoryError, ProcessLookupError):
        return None
    return status.st_dev, status.st_ino


def descriptors_of(pid: int, proc: Path = PROC) -> Iterator[tuple[str, str]]:
    """Yield each open descriptor with what it points at; a process that ends meanwhile has none."""
    folder = proc / str(pid) / "fd"
    try:
        links = list(folder.iterdir())
    except (FileNotFoundError, ProcessLookupError):
        return
    for link in links:
        try:
            yield link.name, str(link.readlink())
        except (FileNotFoundError, ProcessLookupError):
            continue


def _listening_sockets(port: int) -> Iterator[tuple[str, IPv4Address | IPv6Address]]:
    return ((inode, at) for inode, at, found in _all_listening() if found == port)


def tcp_sockets(proc: Path = PROC) -> Iterator[TcpSocket]:
    """Yield every TCP socket of this network namespace that listens or is connected."""
    for words, family in _tcp_lines(proc):
        if words[3] in {_LISTENING, _ESTABLISHED}:
            local, remote = (_endpoint(written, family) for written in words[1:3])
            yield TcpSocket(words[9], local, remote, words[3] == _LISTENING, int(words[7]))


def _all_listening() -> Iterator[tuple[str, IPv4Address | IPv6Address, int]]:
    for words, family in _tcp_lines(PROC):
        if words[3] == _LISTENING:
            at = _endpoint(words[1], family)
            yield words[9], at.address, at.port


def _tcp_lines(proc: Path) -> Iterator[tuple[list[str], socket.AddressFamily]]:
    for name, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        try:
            lines = (proc / "net" / name).read_text().splitlines()[1:]
        except FileNotFoundError:  # IPv6 may be switched off.
            continue
        yield from ((line.split(), family) for line in lines)


def _endpoint(written: str, family: socket.AddressFamily) -> Endpoint:
    host, _, hexadecimal = written.partition(":")
    return Endpoint(_address(host, family), int(hexadecimal, 16))


def _address(hexadecimal: str, family: socket.AddressFamily) -> IPv4Address | IPv6Address:
    """Read an address as the kernel prints it: 32-bit words in the machine's byte order."""
    words = [int(hexadecimal[start : start + 8], 16) for start in range(0, len(hexadecimal), 8)]
    return ip_address(socket.inet_ntop(family, struct.pack(f"={len(words)}I", *words)))
