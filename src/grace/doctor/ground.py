"""The data folder: whose it is, who may look in, what it lies on, how much room there is, and whether it syncs."""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from grace.doctor.saying import doubtful, failed, not_known, well
from grace.kit.clock import Clock
from grace.model.examination import CheckResult

NETWORKED: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "glusterfs", "lustre", "afs", "fuse.sshfs", "fuse.glusterfs"}
)
FLEETING: Final = {
    "tmpfs": "it lies in memory: everything is gone after a restart of the machine",
    "ramfs": "it lies in memory: everything is gone after a restart of the machine",
    "overlay": "it lies in the layer of a container, and goes with it",
    "aufs": "it lies in the layer of a container, and goes with it",
}
PRIVATE: Final = ("ledger.key", "vault.key", "token", "server.json")
LEAST_ROOM_BYTES: Final = 64 * 1024 * 1024
LITTLE_ROOM_BYTES: Final = 1024 * 1024 * 1024
LITTLE_SHARE: Final = 0.05
SLOW_SYNC_MS: Final = 50.0
_SYNCS: Final = 5
_BLOCK: Final = b"grace doctor\n" * 316
_OTHERS: Final = 0o077
_MOUNTS: Final = Path("/proc/self/mountinfo")
_ELSEWHERE: Final = "name another folder with GRACE_DATA_FOLDER"


@dataclass(frozen=True, slots=True)
class Ground:
    """The data folder and the clock that measures."""

    folder: Path
    clock: Clock

    def checks(self) -> Iterator[CheckResult]:
        """Look at the folder; where there is none yet, at the place where the first start makes it."""
        try:
            is_there = self.folder.is_dir()
        except OSError as error:
            advice = "run this as the user that GRACE runs as"
            yield not_known("folder.there", str(self.folder), f"may not be looked at: {error.strerror}", advice)
            return
        if not is_there:
            yield self._missing()
            return
        yield ownership(self.folder)
        yield from private_files(self.folder)
        yield file_system(self.folder)
        yield room(self.folder)
        yield self.writing()

    def _missing(self) -> CheckResult:
        check, about = "folder.there", str(self.folder)
        if self.folder.exists():
            return failed(check, about, "is no folder", f"move it away, or {_ELSEWHERE}")
        parent = next(one for one in self.folder.resolve().parents if one.is_dir())
        if not _may_write(parent):
            return failed(check, about, f"is not there, and {parent} may not be written", f"mkdir -p {self.folder}")
        return well(check, about, f"is not there yet: the first start makes it in {parent}")

    def writing(self) -> CheckResult:
        """Write a file that has no name, sync it several times, and say how long one took."""
        check, about = "folder.fsync", str(self.folder)
        try:
            with nameless(self.folder) as descriptor:
                times_ms = [self._sync_ms(descriptor) for _ in range(_SYNCS)]
        except OSError as error:
            who = f"user {os.geteuid()}"
            return failed(
                check, about, f"{who} cannot write there: {error.strerror}", f"chown {who[5:]} {about}, or {_ELSEWHERE}"
            )
        median_ms = round(statistics.median(times_ms), 3)
        found = f"a write is safe on disk after {median_ms:g} ms (median of {_SYNCS})"
        if median_ms > SLOW_SYNC_MS:
            advice = f"put the folder on a faster disk: every group of writes waits this long, or {_ELSEWHERE}"
            return doubtful(check, about, found, advice, median_ms, "ms")
        return well(check, about, found, median_ms, "ms")

    def _sync_ms(self, descriptor: int) -> float:
        begun = self.clock.monotonic()
        os.pwrite(descriptor, _BLOCK, 0)
        os.fsync(descriptor)
        return (self.clock.monotonic() - begun) * 1000.0


@contextmanager
def nameless(folder: Path) -> Generator[int]:
    """Open a file in the folder that nobody can see and nothing can leave behind, not even a kill; raise OSError."""
    try:
        descriptor = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except IsADirectoryError:
        descriptor = _unlinked(folder)
    except OSError as error:
        if error.errno != _NOT_OFFERED:
            raise
        descriptor = _unlinked(folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _unlinked(folder: Path) -> int:
    """Open a file and take its name away at once, where the file system knows none without."""
    descriptor, name = tempfile.mkstemp(prefix=".doctor-", dir=folder)
    Path(name).unlink()
    return descriptor


_NOT_OFFERED: Final = 95
"""EOPNOTSUPP."""


def ownership(folder: Path) -> CheckResult:
    """Look at owner and mode: what is kept there is for its owner alone."""
    check, about = "folder.owner", str(folder)
    status = folder.stat()
    mode = f"{status.st_mode & 0o7777:o}"
    found = f"belongs to user {status.st_uid}, mode {mode}"
    if status.st_uid != os.geteuid():
        advice = f"run this as user {status.st_uid}, or chown {os.geteuid()} {folder}"
        return (doubtful if os.geteuid() == 0 else failed)(check, about, f"{found}; we are {os.geteuid()}", advice)
    if status.st_mode & _OTHERS:
        return doubtful(check, about, f"{found}: others may look in", f"chmod 700 {folder}")
    return well(check, about, found)


def private_files(folder: Path) -> Iterator[CheckResult]:
    """Look at keys and tokens: who reads them can sign, decrypt or act."""
    for file in (folder / name for name in PRIVATE):
        try:
            mode = file.stat().st_mode
        except FileNotFoundError:
            continue
        except OSError as error:
            yield not_known("folder.private", str(file), str(error.strerror), f"ls -l {file}")
            continue
        if mode & _OTHERS:
            found = f"mode {mode & 0o7777:o}: others may read it"
            yield failed("folder.private", str(file), found, f"chmod 600 {file}")
        else:
            yield well("folder.private", str(file), f"mode {mode & 0o7777:o}")


def file_system(folder: Path) -> CheckResult:
    """Look at what the folder lies on."""
    try:
        return of_kind(folder, kind_of(folder, _MOUNTS.read_text(errors="replace")))
    except OSError as error:
        return not_known("folder.filesystem", str(folder), f"mounts cannot be read: {error.strerror}", "df -T")


def of_kind(folder: Path, kind: str | None) -> CheckResult:
    """Judge a kind of file system, as the kernel names it."""
    check, about = "folder.filesystem", str(folder)
    if kind is None:
        return not_known(check, about, "is on no mount that is listed", f"df -T {folder}")
    if kind in NETWORKED:
        why = f"{kind}: locks and syncs over a network are not to be relied on"
        return doubtful(check, about, why, f"put it on a local disk: {_ELSEWHERE}")
    if kind in FLEETING:
        return doubtful(check, about, f"{kind}: {FLEETING[kind]}", f"mount a disk there, or {_ELSEWHERE}")
    return well(check, about, kind)


def kind_of(folder: Path, mounts: str) -> str | None:
    """Return the kind of the file system that a folder lies on, from the text of `mountinfo`; the last mount wins."""
    real = os.path.realpath(folder)
    best, kind = "", None
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        point = _unescaped(before.split()[4])
        if (real == point or real.startswith(f"{point.rstrip('/')}/")) and len(point) >= len(best):
            best, kind = point, after.split()[0]
    return kind


def _unescaped(point: str) -> str:
    for code, letter in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        point = point.replace(code, letter)
    return point


def room(folder: Path) -> CheckResult:
    """Look at the room that is left for this user, in bytes and in names."""
    check, about = "folder.room", str(folder)
    try:
        status = os.statvfs(folder)
    except OSError as error:
        return not_known(check, about, str(error.strerror), f"df -h {folder}")
    free = status.f_bavail * status.f_frsize
    share = status.f_bavail / status.f_blocks if status.f_blocks else 1.0
    found = f"{free / 2**30:.1f} GiB free ({share:.0%})"
    advice = f"make room: df -h {folder}; du -x {folder}"
    if free < LEAST_ROOM_BYTES or (status.f_files and status.f_favail == 0):
        names = "" if status.f_favail or not status.f_files else ", and no inode is left"
        return failed(check, about, found + names, advice, float(free), "bytes")
    if free < LITTLE_ROOM_BYTES or share < LITTLE_SHARE:
        return doubtful(check, about, found, advice, float(free), "bytes")
    return well(check, about, found, float(free), "bytes")


def _may_write(folder: Path) -> bool:
    return os.access(folder, os.W_OK | os.X_OK, effective_ids=True)
