"""Refuse what could not be given back exactly, before any of it is read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from grace.kit.filesystem.entries import joined, parent_of
from grace.kit.filesystem.mounts import is_mount_point, mount_points
from grace.kit.filesystem.paths import NotExactError, Rule, lies_within, real_path
from grace.kit.filesystem.survey import Scope, Stamp, Survey

SQLITE_COMPANIONS: Final = ("-wal", "-shm", "-journal")
_SQLITE_HEADER: Final = b"SQLite format 3\0"
_DATABASE_MARKS: Final = {
    "PG_VERSION": "PostgreSQL",
    "postmaster.pid": "PostgreSQL",
    "ibdata1": "MySQL",
    "WiredTiger.lock": "MongoDB",
    "lock.mdb": "LMDB",
}
_USE_ITS_PROVIDER: Final = "Change it through the database itself: sqlite.execute records what it wrote and undoes it."


def require_outside(root: Path, forbidden: tuple[Path, ...]) -> None:
    """Refuse a root that lies in a forbidden folder, or that contains one; opens nothing."""
    place = str(root)
    for folder in map(real_path, map(str, forbidden)):
        if lies_within(place, folder) or lies_within(folder, place):
            raise _forbidden(root, Path(folder))


def require_fit(root: Path, folder: int, found: Survey, scope: Scope) -> None:
    """Raise NotExactError for the first reason why this scope, in its open folder, could not be given back exactly.

    That it lies outside of what is forbidden is asked before it is opened: see `require_outside`.
    """
    _require_no_forbidden_inode(root, found, scope)
    _require_plain_kinds(root, found)
    _require_one_file_system(root, folder, found)
    _require_inner_hard_links(root, found)
    _require_own(root, found)
    _require_no_database(root, found)
    size = sum(stamp.size for stamp in found.values() if stamp.is_file)
    if size > scope.most_bytes:
        why = f"{root} holds {size} bytes; at most {scope.most_bytes} are kept."
        raise NotExactError(Rule.TOO_LARGE, why, "Name a smaller file or folder, or raise the limit.")


def refuse_database_content(name: str, beginning: bytes) -> None:
    """Raise NotExactError for the first bytes of a SQLite database."""
    if beginning.startswith(_SQLITE_HEADER):
        raise NotExactError(Rule.DATABASE, f"{name!r} is a SQLite database.", _USE_ITS_PROVIDER)


def _forbidden(root: Path, folder: Path) -> NotExactError:
    why = f"{root} touches {folder}, which belongs to GRACE itself and is outside every rollback."
    return NotExactError(Rule.CONTROL_PLANE, why, "Name a target that is not GRACE's own.")


def _require_no_forbidden_inode(root: Path, found: Survey, scope: Scope) -> None:
    """Notice a forbidden folder also under another name, such as a bind mount."""
    for folder in scope.forbidden:
        try:
            own = folder.stat()
        except FileNotFoundError:
            continue
        if any((stamp.device, stamp.inode) == (own.st_dev, own.st_ino) for stamp in found.values()):
            raise _forbidden(root, folder)


def _named(root: Path, path: str) -> Path:
    return root / path if path else root


def _require_plain_kinds(root: Path, found: Survey) -> None:
    for path, stamp in found.items():
        if not (stamp.is_file or stamp.is_folder or stamp.is_symlink):
            why = f"{_named(root, path)} is a device, socket or pipe."
            raise NotExactError(Rule.SPECIAL, why, "Only files, folders and symlinks can be given back.")


def _require_one_file_system(root: Path, folder: int, found: Survey) -> None:
    if not found:
        return
    device = found[""].device
    elsewhere = [_named(root, path) for path, stamp in found.items() if stamp.device != device]
    for place in (*elsewhere, *_mounted(root, folder, found[""])):
        raise NotExactError(Rule.MOUNT, f"{place} is a mount point.", "Name a target without mounts inside.")


def _mounted(root: Path, folder: int, stamp: Stamp) -> list[Path]:
    """Return the mount points in a folder, or the file itself where it is one; a folder may be one, as a whole."""
    if stamp.is_folder:
        return [point for point in mount_points(root) if point != root]
    is_mounted = is_mount_point(folder, root.name)
    if is_mounted is None:
        return list(mount_points(root))
    return [root] if is_mounted else []


def _require_inner_hard_links(root: Path, found: Survey) -> None:
    names: dict[int, int] = {}
    for stamp in found.values():
        names[stamp.inode] = names.get(stamp.inode, 0) + 1
    for path, stamp in found.items():
        if not stamp.is_folder and stamp.links != names[stamp.inode]:
            outside = stamp.links - names[stamp.inode]
            why = f"{_named(root, path)} has {outside} hard link(s) outside of what would be kept."
            raise NotExactError(Rule.HARD_LINK, why, "Name a folder that contains all of its names.")


def _require_own(root: Path, found: Survey) -> None:
    """Refuse owners that this process could not give a file back to."""
    if os.geteuid() == 0:
        return
    groups = {os.getegid(), *os.getgroups()}
    for path, stamp in found.items():
        if stamp.uid != os.geteuid() or stamp.gid not in groups:
            why = f"{_named(root, path)} belongs to user {stamp.uid} and group {stamp.gid}."
            raise NotExactError(Rule.OWNER, why, "Run GRACE as the owner of the file.")


def _require_no_database(root: Path, found: Survey) -> None:
    beside = {suffix for suffix in SQLITE_COMPANIONS if os.path.lexists(f"{root}{suffix}")}
    if beside and (not found or found[""].is_file):
        raise _live_database(root)
    if any(root.name.endswith(end) and os.path.lexists(_without(str(root), end)) for end in SQLITE_COMPANIONS):
        raise _live_database(root)
    for path in _databases_inside(found):
        raise _live_database(root / path)


def _without(path: str, end: str) -> str:
    return path[: -len(end)]


def _databases_inside(found: Survey) -> Iterator[str]:
    for path in found:
        name = path.rpartition("/")[2]
        companions = [_without(path, end) for end in SQLITE_COMPANIONS if path.endswith(end)]
        yield from (database for database in companions if database in found)
        if path and name in _DATABASE_MARKS:
            yield path
        if path and {joined(parent_of(path) or "", other) for other in ("CURRENT", "LOCK")} <= found.keys():
            yield path


def _live_database(path: Path) -> NotExactError:
    kind = _DATABASE_MARKS.get(path.name, "a database")
    return NotExactError(Rule.DATABASE, f"{path} belongs to {kind} that may be in use.", _USE_ITS_PROVIDER)
