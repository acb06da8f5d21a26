"""Databases: SQLite files by the first bytes of what a process has open or keeps beside it; servers by their program.

A file is opened for reading only, without changing its access time where the system allows it. That takes no lock and
drops none: locks belong to processes, and this one has none.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Final

from grace.sense.discovery.findings import Traced, Unseen
from grace.sense.discovery.naming import program_of
from grace.sense.discovery.processes import SeenProcess

_MAGIC: Final = b"SQLite format 3\0"
_SUFFIXES: Final = frozenset({".db", ".db3", ".sqlite", ".sqlite3"})
_ASIDE: Final = ("-wal", "-shm", "-journal")
_MOST_BESIDE: Final = 500
"""So many entries of a working folder are looked at."""
_WIDE_FOLDERS: Final = frozenset({"", "/", "/root", "/home", "/tmp", "/var", "/usr", "/etc", "/opt", "/srv"})  # noqa: S108 - named to be left alone
"""Working folders that say nothing about whose files lie in them."""
SERVERS: Final = {
    "postgres": "PostgreSQL",
    "postmaster": "PostgreSQL",
    "mysqld": "MySQL",
    "mariadbd": "MariaDB",
    "redis-server": "Redis",
    "valkey-server": "Valkey",
    "mongod": "MongoDB",
    "memcached": "memcached",
    "clickhouse-server": "ClickHouse",
    "etcd": "etcd",
    "rabbitmq-server": "RabbitMQ",
}
"""Programs that keep data for others: they are told apart by name and never asked a question over their port."""
_IMAGES: Final = {
    "postgres": "PostgreSQL",
    "mysql": "MySQL",
    "mariadb": "MariaDB",
    "redis": "Redis",
    "valkey": "Valkey",
    "mongo": "MongoDB",
    "memcached": "memcached",
    "clickhouse": "ClickHouse",
    "etcd": "etcd",
    "rabbitmq": "RabbitMQ",
}
"""The usual images of the same; a database inside a container may be seen by nothing else."""


def database_server(argv: Sequence[str]) -> str:
    """Return which database a process is, by its program; else nothing."""
    return SERVERS.get(program_of(argv), "")


def database_in(image: str, command: str) -> str:
    """Return which database a container is, by the programs in its command, else by its image; else nothing."""
    programs = (SERVERS.get(PurePosixPath(word).name, "") for word in command.split())
    named = _IMAGES.get(PurePosixPath(image.partition("@")[0]).name.partition(":")[0], "")
    return next(filter(None, programs), named)


def sqlite_files(family: Iterable[SeenProcess]) -> tuple[tuple[Traced, ...], tuple[Unseen, ...]]:
    """Return the SQLite databases of a family of processes, and the files that could not be looked into."""
    found: dict[str, Traced] = {}
    unseen: dict[str, Unseen] = {}
    for path, source in _candidates(family):
        if path in found:
            continue
        try:
            is_database = first_bytes(path, len(_MAGIC)) == _MAGIC
        except FileNotFoundError:
            continue
        except OSError as error:
            unseen[path] = Unseen(path, f"it cannot be looked into: {error.strerror}", "Run it as the file's owner.")
            continue
        if is_database:
            found[path] = Traced(path, source)
    return tuple(found[path] for path in sorted(found)), tuple(unseen[path] for path in sorted(unseen))


def _candidates(family: Iterable[SeenProcess]) -> Iterator[tuple[str, str]]:
    """Yield paths worth a look: open ones first, for these are certain."""
    members = tuple(family)
    for one in members:
        for file in one.files:
            if not file.path.endswith(_ASIDE) and file.is_here:
                yield os.path.realpath(file.path), f"open in process {one.pid} (descriptor {file.descriptor})"
    for one in members:
        for word in one.argv[1:] if one.cwd else ():
            if Path(word).suffix in _SUFFIXES:
                path = os.path.realpath(Path(one.cwd) / word)
                yield path, f"named on the command line of process {one.pid}"
    for cwd, pid in dict.fromkeys((one.cwd, one.pid) for one in members[:1]):
        for path in _beside(cwd):
            yield path, f"in the working folder of process {pid}; not open at this moment"


def _beside(cwd: str) -> list[str]:
    """Return files in a working folder, and in the folders right below it, that are named like databases."""
    if cwd in _WIDE_FOLDERS:
        return []
    folders = [Path(cwd)]
    found: list[str] = []
    try:
        with os.scandir(cwd) as entries:
            folders += [
                Path(one.path)
                for one in sorted(islice(entries, _MOST_BESIDE), key=lambda one: one.name)
                if one.is_dir(follow_symlinks=False) and not one.name.startswith(".")
            ]
        for folder in folders[:20]:
            with os.scandir(folder) as entries:
                found += [
                    os.path.realpath(one.path)
                    for one in islice(entries, _MOST_BESIDE)
                    if Path(one.name).suffix in _SUFFIXES
                ]
    except OSError:  # what lies beside is a hint; the files that are open were looked at already
        return sorted(found)
    return sorted(found)


def first_bytes(path: str, size: int) -> bytes | None:
    """Return how a regular file begins, read without a trace; None where it is no regular file; raise OSError."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags | os.O_NOATIME)
    except PermissionError:  # not ours: its access time may only be spared by its owner
        descriptor = os.open(path, flags)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        return os.pread(descriptor, size, 0)
    finally:
        os.close(descriptor)
