"""Processes: who listens, whose children they are, what they have open, and who may not be looked into."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv6Address
from pathlib import Path
from typing import Final

from grace.kit.procfs import (
    PROC,
    Endpoint,
    ProcessStat,
    TcpSocket,
    all_pids,
    argv_of,
    descriptors_of,
    process_stat,
    tcp_sockets,
)

_WITH_A_PATH: Final = 8
"""So many words has the line of a local socket that has a path."""
_GONE: Final = " (deleted)"
_ACCEPTS: Final = 0x10000
"""In the flags of a local socket: somebody listens at it."""
_NOT_FILES: Final = ("/dev/", "/proc/", "/sys/", "/memfd:", "/anon_")


class Unlisted(RuntimeError):
    """The system does not list its processes, so nothing can be found; the text says where and why."""


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file that a process has open: its descriptor, path and flags."""

    descriptor: str
    path: str
    flags: int
    link: Path
    """Where `/proc` shows it."""

    @property
    def is_here(self) -> bool:
        """Tell whether its path leads us to the same file: in a container's file system it leads elsewhere."""
        return _same(self.link, Path(self.path))

    @property
    def is_appended(self) -> bool:
        """Tell whether it is only written, and at its end, as logs are."""
        return self.flags & os.O_ACCMODE == os.O_WRONLY and bool(self.flags & os.O_APPEND)

    @property
    def is_written(self) -> bool:
        return self.flags & os.O_ACCMODE != os.O_RDONLY


@dataclass(frozen=True, slots=True)
class SeenProcess:
    """One process as `/proc` shows it. Its environment is never read."""

    stat: ProcessStat
    argv: tuple[str, ...]
    cwd: str
    """Empty where the same path is another folder for us, as in a container."""
    cgroups: tuple[str, ...]
    endpoints: tuple[Endpoint, ...] = ()
    """Where it listens."""
    talks_to: tuple[Endpoint, ...] = ()
    local: tuple[str, ...] = ()
    """The sockets in the file system at which it listens."""
    files: tuple[OpenFile, ...] = ()

    @property
    def pid(self) -> int:
        return self.stat.pid


@dataclass(frozen=True, slots=True)
class Held:
    """A listening socket whose process may not be looked into."""

    endpoint: Endpoint
    uid: int


@dataclass(frozen=True, slots=True)
class Processes:
    """What could be seen: processes by pid, those that were closed to us, and sockets of which nobody is known."""

    by_pid: Mapping[int, SeenProcess]
    hidden: tuple[int, ...] = ()
    held: tuple[Held, ...] = ()

    def family(self, pid: int, others: Collection[int] = ()) -> tuple[SeenProcess, ...]:
        """Return a process and its descendants, without those that are services of their own."""
        children: dict[int, list[int]] = {}
        for one in self.by_pid.values():
            children.setdefault(one.stat.parent, []).append(one.pid)
        return tuple(self.by_pid[one] for one in _descend(pid, children, frozenset(others) - {pid}))

    def mains(self) -> tuple[SeenProcess, ...]:
        """Return who listens; of a family that shares its sockets only the eldest, with all that they listen at."""
        listeners = {one.pid: one for one in self.by_pid.values() if one.endpoints}
        found: dict[int, set[Endpoint]] = {}
        for pid, one in listeners.items():
            found.setdefault(_eldest(pid, listeners), set()).update(one.endpoints)
        return tuple(replace(listeners[pid], endpoints=_sorted(at)) for pid, at in sorted(found.items()))


def see_processes(proc: Path = PROC) -> Processes:
    """Look at every process and every TCP socket of this network namespace; raise Unlisted where none is shown."""
    try:
        pids = all_pids(proc)
        sockets = {one.inode: one for one in tcp_sockets(proc)}
        local = _local_listeners(proc)
    except OSError as error:
        message = f"{error.filename or proc} cannot be read: {error.strerror}"
        raise Unlisted(message) from error
    seen: dict[int, SeenProcess] = {}
    hidden: list[int] = []
    taken: set[str] = set()
    for pid in pids:
        try:
            found = _look_at(pid, sockets, local, proc)
        except PermissionError:
            hidden.append(pid)
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        else:
            if found is not None:
                seen[pid], inodes = found
                taken |= inodes
    held = {Held(_plain(one.local), one.uid) for one in sockets.values() if one.is_listening and one.inode not in taken}
    return Processes(seen, tuple(hidden), tuple(sorted(held, key=lambda one: (one.endpoint.port, str(one.endpoint)))))


def owner_of(pid: int, proc: Path = PROC) -> int | None:
    """Return the user id of a process that may not be looked into."""
    try:
        return (proc / str(pid)).stat().st_uid
    except FileNotFoundError:
        return None


def _local_listeners(proc: Path) -> dict[str, str]:
    """Return the path of each socket in the file system at which somebody listens, by its inode."""
    try:
        lines = (proc / "net" / "unix").read_text(errors="replace").splitlines()[1:]
    except FileNotFoundError:  # a system without local sockets
        return {}
    named = (words for line in lines if len(words := line.split(maxsplit=7)) == _WITH_A_PATH)
    return {one[6]: one[7] for one in named if int(one[3], 16) & _ACCEPTS and one[7].startswith("/")}


def _look_at(
    pid: int, sockets: Mapping[str, TcpSocket], local: Mapping[str, str], proc: Path
) -> tuple[SeenProcess, set[str]] | None:
    """Return a process and the sockets it has open; None for a kernel thread or one that is gone."""
    stat, argv = process_stat(pid, proc), argv_of(pid, proc)
    if stat is None or not stat.is_alive or not argv:
        return None
    links = tuple(descriptors_of(pid, proc))
    at = proc / str(pid) / "cwd"
    cwd = str(at.readlink())
    inodes = {link[len("socket:[") : -1] for _, link in links if link.startswith("socket:[")}
    files = tuple(_files(pid, links, proc))
    places = tuple(sorted({local[inode] for inode in inodes if inode in local}))
    here = cwd if _same(at, Path(cwd)) else ""
    process = SeenProcess(stat, argv, here, _cgroups(pid, proc), local=places, files=files)
    return _with_sockets(process, [sockets[inode] for inode in inodes if inode in sockets]), inodes


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # what cannot be reached from here is not the same
        return False


def _with_sockets(process: SeenProcess, sockets: Iterable[TcpSocket]) -> SeenProcess:
    listens, talks = set[Endpoint](), set[Endpoint]()
    for one in sockets:
        if one.is_listening:
            listens.add(_plain(one.local))
        else:
            talks.add(_plain(one.remote))
    return replace(process, endpoints=_sorted(listens), talks_to=_sorted(talks))


def _plain(endpoint: Endpoint) -> Endpoint:
    """Write an IPv4 address that came by way of IPv6 as what it is."""
    mapped = endpoint.address.ipv4_mapped if isinstance(endpoint.address, IPv6Address) else None
    return Endpoint(mapped, endpoint.port) if mapped else endpoint


def _sorted(endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    return tuple(sorted(endpoints, key=lambda one: (one.port, one.address.version, int(one.address))))


def _files(pid: int, links: Iterable[tuple[str, str]], proc: Path) -> Iterator[OpenFile]:
    for descriptor, link in links:
        if not link.startswith("/") or link.startswith(_NOT_FILES) or link.endswith(_GONE):
            continue
        flags = _flags(proc / str(pid) / "fdinfo" / descriptor)
        if flags is not None:
            yield OpenFile(descriptor, link, flags, proc / str(pid) / "fd" / descriptor)


def _flags(file: Path) -> int | None:
    try:
        lines = file.read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    return next((int(line.split()[1], 8) for line in lines if line.startswith("flags:")), None)


def _cgroups(pid: int, proc: Path) -> tuple[str, ...]:
    try:
        lines = (proc / str(pid) / "cgroup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ()
    return tuple(dict.fromkeys(line.split(":", 2)[2] for line in lines if line.count(":") > 1))


def _descend(pid: int, children: Mapping[int, list[int]], others: frozenset[int]) -> Iterator[int]:
    if pid in others:
        return
    yield pid
    for child in sorted(children.get(pid, ())):
        yield from _descend(child, children, others)


def _eldest(pid: int, listeners: Mapping[int, SeenProcess]) -> int:
    """Climb to the eldest ancestor that listens at one of the same places."""
    parent = listeners.get(listeners[pid].stat.parent)
    if parent is None or not set(parent.endpoints) & set(listeners[pid].endpoints):
        return pid
    return _eldest(parent.pid, listeners)
