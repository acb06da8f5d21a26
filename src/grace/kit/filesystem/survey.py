"""What the file system says about a scope without reading any content: enough to refuse, and to notice a change."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, Self, TypeAlias

from grace.kit.filesystem.entries import joined
from grace.kit.filesystem.paths import NotExactError, Rule, child_folder

_DEEPEST: Final = 100


@dataclass(frozen=True, slots=True)
class Scope:
    """How much one state may cover, and the folders that it must stay away from."""

    most_bytes: int = 256 * 1024 * 1024
    most_objects: int = 10_000
    forbidden: tuple[Path, ...] = ()


class Stamp(NamedTuple):
    """One object as `stat` tells it; equal stamps before and after mean that nobody wrote in between."""

    device: int
    inode: int
    mode: int
    links: int
    uid: int
    gid: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Self:
        # By place: a stamp is made several times at every look at a file.
        return cls(
            status.st_dev,
            status.st_ino,
            status.st_mode,
            status.st_nlink,
            status.st_uid,
            status.st_gid,
            0 if stat.S_ISDIR(status.st_mode) else status.st_size,
            status.st_mtime_ns,
            status.st_ctime_ns,
        )

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.mode)

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.mode)

    @property
    def is_symlink(self) -> bool:
        return stat.S_ISLNK(self.mode)


Survey: TypeAlias = dict[str, Stamp]
"""Every object by its path below the root, whose own path is the empty text."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One object on the walk, with the open folder it lies in; the descriptor closes when the walk goes on."""

    path: str
    folder: int
    name: str
    status: os.stat_result


def survey(folder: int, name: str, scope: Scope) -> Survey:
    """Stamp every object of the scope; nothing there gives an empty survey."""
    found: Survey = {}
    for visit in walk(folder, name):
        found[visit.path] = Stamp.of(visit.status)
        if len(found) > scope.most_objects:
            why = f"There are more than {scope.most_objects} files and folders in {name!r}."
            raise NotExactError(Rule.TOO_MANY, why, "Name a smaller folder.")
    return found


def walk(folder: int, name: str, path: str = "", depth: int = 0) -> Iterator[Visit]:
    """Visit the object and all below it, folders before what they hold, never through a symlink."""
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        if path:
            raise
        return
    yield Visit(path, folder, name, status)
    if stat.S_ISDIR(status.st_mode):
        yield from _walk_inside(folder, name, path, depth)


def _walk_inside(folder: int, name: str, path: str, depth: int) -> Iterator[Visit]:
    if depth == _DEEPEST:
        why = f"{path} lies more than {_DEEPEST} folders deep."
        raise NotExactError(Rule.TOO_DEEP, why, "Name a smaller folder.")
    inner = child_folder(folder, name)
    try:
        names = os.listdir(inner)  # noqa: PTH208 - of a descriptor, which no Path can be
        for child in sorted(names, key=os.fsencode):
            yield from walk(inner, child, joined(path, child), depth + 1)
    finally:
        os.close(inner)
