"""Make a place what it should be: everything is prepared beside it, made durable, then renamed over it in one step."""

from __future__ import annotations

import base64
import ctypes
import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from grace.kit.filesystem.entries import Entry
from grace.kit.filesystem.paths import child_folder, from_text
from grace.kit.filesystem.scan import entry_of_file, read_xattrs

_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PRIVATE: Final = 0o600
_EXCHANGE: Final = 2
_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_PRIVATE_FOLDER: Final = 0o700


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a file gets beside its content. None leaves what the file system gives to a new file."""

    mode: int
    uid: int | None = None
    gid: int | None = None
    mtime_ns: int | None = None
    xattrs: tuple[tuple[str, str], ...] | None = None

    @classmethod
    def of(cls, entry: Entry) -> Attributes:
        """Return every attribute of an object as it was."""
        return cls(entry.mode, entry.uid, entry.gid, entry.mtime_ns, entry.xattrs)


def scratch_name(name: str) -> str:
    """Return the name under which what will stand at `name` is prepared: one for each place, found after a crash."""
    return f".grace-{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}.tmp"


def clear_scratch(folder: int, name: str) -> None:
    """Remove what an interrupted write of this place left behind."""
    remove(folder, scratch_name(name))


def remove(folder: int, name: str) -> None:
    """Remove a file, a symlink or a whole folder, never through a symlink; nothing there is fine."""
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return
    if stat.S_ISDIR(status.st_mode):
        shutil.rmtree(name, dir_fd=folder)
    else:
        os.unlink(name, dir_fd=folder)


def write_scratch(folder: int, name: str, content: Iterable[bytes], attributes: Attributes) -> Entry:
    """Write the file that will stand at `name`, durably, under its scratch name; return its exact state.

    On any failure nothing is left behind.
    """
    scratch = scratch_name(name)
    clear_scratch(folder, name)
    descriptor = os.open(scratch, _NEW_FILE, _PRIVATE, dir_fd=folder)
    try:
        digest, size = _write(descriptor, content)
        give_attributes(descriptor, attributes)
        os.fsync(descriptor)
        return entry_of_file(descriptor, digest, size)
    except BaseException:
        os.unlink(scratch, dir_fd=folder)
        raise
    finally:
        os.close(descriptor)


def _write(descriptor: int, content: Iterable[bytes]) -> tuple[str, int]:
    digest = hashlib.sha256()
    size = 0
    for chunk in content:
        digest.update(chunk)
        size += len(chunk)
        rest = memoryview(chunk)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    return digest.hexdigest(), size


def symlink_scratch(folder: int, name: str, entry: Entry) -> None:
    """Make the symlink that will stand at `name` under its scratch name."""
    scratch = scratch_name(name)
    clear_scratch(folder, name)
    os.symlink(from_text(entry.points_to), scratch, dir_fd=folder)
    place = f"/proc/self/fd/{folder}/{scratch}"
    status = os.lstat(place)
    if (status.st_uid, status.st_gid) != (entry.uid, entry.gid):
        os.chown(place, entry.uid, entry.gid, follow_symlinks=False)
    _give_xattrs(place, entry.xattrs)
    os.utime(place, ns=(status.st_atime_ns, entry.mtime_ns), follow_symlinks=False)


def link_scratch(folder: int, name: str, source_folder: int, source: str) -> None:
    """Make another name of an existing file under the scratch name of the place."""
    clear_scratch(folder, name)
    os.link(source, scratch_name(name), src_dir_fd=source_folder, dst_dir_fd=folder, follow_symlinks=False)


def publish(folder: int, name: str) -> None:
    """Let what was prepared take its place, in one step and durably."""
    move_over(folder, name)
    os.fsync(folder)


def move_over(folder: int, name: str) -> None:
    """Let what was prepared take its place; the caller makes the folder durable."""
    os.rename(scratch_name(name), name, src_dir_fd=folder, dst_dir_fd=folder)


def trade_places(folder: int, name: str) -> None:
    """Let what was prepared and what stands at `name` trade places in one step, also where one of them is a folder.

    What stood there is under the scratch name then; the caller removes it. Where the file system cannot trade, what
    stands there, which must be a file or an empty folder, goes first.
    """
    scratch = scratch_name(name)
    number = _exchange(folder, scratch, name)
    if number == 0:
        return
    if number not in {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP}:
        raise OSError(number, os.strerror(number), name)
    if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
        os.rmdir(name, dir_fd=folder)
    else:
        os.unlink(name, dir_fd=folder)
    move_over(folder, name)


def _exchange(folder: int, one: str, other: str) -> int:
    """Return zero, or the number of the error; some C libraries have no such call."""
    call = getattr(_LIBC, "renameat2", None)
    if call is None:
        return errno.ENOSYS
    return 0 if call(folder, os.fsencode(one), folder, os.fsencode(other), _EXCHANGE) == 0 else ctypes.get_errno()


def make_folder(folder: int, name: str) -> None:
    """Make a private folder; its attributes come last, when its entries stand."""
    os.mkdir(name, _PRIVATE_FOLDER, dir_fd=folder)


def give_folder_attributes(folder: int, name: str, attributes: Attributes) -> None:
    """Set the attributes of a folder and make them and its entries durable."""
    inner = child_folder(folder, name)
    try:
        give_attributes(inner, attributes)
        os.fsync(inner)
    finally:
        os.close(inner)


def give_attributes(descriptor: int, attributes: Attributes) -> None:
    """Set owner, extended attributes, mode and time of an open file or folder, in the order in which they survive."""
    status = os.fstat(descriptor)
    uid = status.st_uid if attributes.uid is None else attributes.uid
    gid = status.st_gid if attributes.gid is None else attributes.gid
    if (uid, gid) != (status.st_uid, status.st_gid):
        os.fchown(descriptor, uid, gid)
    if attributes.xattrs is not None:
        _give_xattrs(descriptor, attributes.xattrs)
    if stat.S_IMODE(os.fstat(descriptor).st_mode) != attributes.mode:
        os.fchmod(descriptor, attributes.mode)
    if attributes.mtime_ns is not None:
        os.utime(descriptor, ns=(status.st_atime_ns, attributes.mtime_ns))


def _give_xattrs(of: int | str, wanted: tuple[tuple[str, str], ...]) -> None:
    follow = {"follow_symlinks": False} if isinstance(of, str) else {}
    present = read_xattrs(of)
    for name, value in wanted:
        if (name, value) not in present:
            os.setxattr(of, name, base64.b64decode(value), **follow)
    for name, _ in present:
        if name not in dict(wanted):
            os.removexattr(of, name, **follow)
