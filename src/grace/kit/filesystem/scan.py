"""Read the exact state of a place, or refuse: a state that changed while it was read is no state."""

from __future__ import annotations

import base64
import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeAlias

from grace.kit.cuts import cut
from grace.kit.filesystem.entries import NOTHING, Entry, Kind, Tree
from grace.kit.filesystem.fitness import refuse_database_content, require_fit, require_outside
from grace.kit.filesystem.paths import NotExactError, Rule, child_folder, opened_folder, to_text
from grace.kit.filesystem.survey import Scope, Stamp, Survey, Visit, survey, walk

_CHUNK: Final = 1024 * 1024
_ATTEMPTS: Final = 3
_PERMISSIONS: Final = 0o7777

Taking: TypeAlias = Callable[[bytes], None]
"""Receives the content of the files, chunk by chunk, one file after the other in the order of the walk."""


class ChangedMeanwhileError(NotExactError):
    """Somebody wrote while the state was read."""


def pass_by(_chunk: bytes) -> None:
    """Let the content pass."""


def scan(root: Path, scope: Scope, taking: Taking = pass_by) -> Tree:
    """Return the state at a real path; raise NotExactError when it cannot be read or given back exactly.

    Raise ChangedMeanwhileError when it changed under the reading: what `taking` received does not count then. Of a file
    with several names the content is given once, for the first.
    """
    require_outside(root, scope.forbidden)
    try:
        with opened_folder(root.parent) as folder:
            found = survey(folder, root.name, scope)
            require_fit(root, folder, found, scope)
            tree = dict(_read_all(folder, root.name, found, taking))
            cut("filesystem.scan.read")
            if survey(folder, root.name, scope) != found:
                raise _changed(str(root))
    except FileNotFoundError as error:
        raise _changed(str(root)) from error
    except OSError as error:
        why = f"{root} cannot be read: {error.strerror} ({error.filename})."
        raise NotExactError(Rule.UNREADABLE, why, "Give GRACE the right to read it.") from error
    return tree or NOTHING


def settled_scan(root: Path, scope: Scope) -> Tree:
    """Scan, and scan again when somebody wrote meanwhile; a place that never rests is refused."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return scan(root, scope)
        except ChangedMeanwhileError:
            continue
    return scan(root, scope)


def entry_of_file(descriptor: int, sha256: str, size: int) -> Entry:
    """Describe an open file whose content is known."""
    return _described(os.fstat(descriptor), Kind.FILE, size=size, sha256=sha256, xattrs=read_xattrs(descriptor))


def read_xattrs(of: int | str) -> tuple[tuple[str, str], ...]:
    """Return every extended attribute that this process may see, as name and base64 value, by name."""
    follow = {"follow_symlinks": False} if isinstance(of, str) else {}
    try:
        names = os.listxattr(of, **follow)
        return tuple((name, base64.b64encode(os.getxattr(of, name, **follow)).decode()) for name in sorted(names))
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return ()
        raise


def _changed(name: str) -> ChangedMeanwhileError:
    return ChangedMeanwhileError(Rule.CHANGING, f"{name} changed while it was read.", "Wait until nobody writes it.")


def _read_all(folder: int, name: str, found: Survey, taking: Taking) -> Iterator[tuple[str, Entry]]:
    first = _first_names(found)
    twins: dict[str, Entry] = {}
    for visit in walk(folder, name):
        if found.get(visit.path) != Stamp.of(visit.status):
            raise _changed(visit.path or name)
        twin = first.get(visit.path)
        if twin is None:
            yield to_text(visit.path), _entry(visit, taking)
            continue
        if twin not in twins:
            twins[twin] = replace(_entry(visit, taking), twin=to_text(twin))
        yield to_text(visit.path), twins[twin]


def _first_names(found: Survey) -> dict[str, str]:
    """Return, for each file with several names, the first of them in the order of the walk."""
    several = {path: stamp for path, stamp in found.items() if stamp.is_file and stamp.links > 1}
    first: dict[int, str] = {}
    for path, stamp in several.items():
        first.setdefault(stamp.inode, path)
    return {path: first[stamp.inode] for path, stamp in several.items()}


def _entry(visit: Visit, taking: Taking) -> Entry:
    if stat.S_ISREG(visit.status.st_mode):
        return _read_file(visit, taking)
    if stat.S_ISDIR(visit.status.st_mode):
        folder = child_folder(visit.folder, visit.name)
        try:
            return _described(visit.status, Kind.FOLDER, xattrs=read_xattrs(folder))
        finally:
            os.close(folder)
    xattrs = read_xattrs(f"/proc/self/fd/{visit.folder}/{visit.name}")
    points_to = to_text(os.readlink(visit.name, dir_fd=visit.folder))
    return _described(visit.status, Kind.SYMLINK, points_to=points_to, xattrs=xattrs)


def _read_file(visit: Visit, taking: Taking) -> Entry:
    descriptor = os.open(visit.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=visit.folder)
    try:
        content = hashlib.sha256()
        size = 0
        while chunk := os.read(descriptor, _CHUNK):
            if size == 0:
                refuse_database_content(visit.path or visit.name, chunk)
            content.update(chunk)
            size += len(chunk)
            taking(chunk)
        status = os.fstat(descriptor)
        if Stamp.of(status) != Stamp.of(visit.status) or size != status.st_size:
            raise _changed(visit.path or visit.name)
        xattrs = read_xattrs(descriptor)
        return _described(status, Kind.FILE, size=size, sha256=content.hexdigest(), xattrs=xattrs)
    finally:
        os.close(descriptor)


def _described(
    status: os.stat_result,
    kind: Kind,
    *,
    size: int = 0,
    sha256: str = "",
    points_to: str = "",
    xattrs: tuple[tuple[str, str], ...] = (),
) -> Entry:
    return Entry(
        kind=kind,
        mode=stat.S_IMODE(status.st_mode) & _PERMISSIONS,
        uid=status.st_uid,
        gid=status.st_gid,
        mtime_ns=status.st_mtime_ns,
        size=size,
        sha256=sha256,
        points_to=points_to,
        xattrs=xattrs,
    )
