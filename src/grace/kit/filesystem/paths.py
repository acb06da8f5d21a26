"""One name for one place, and folders opened without following a symlink."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Final

_FOLDER: Final = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NOT_UTF8: Final = "\0"
_OPEN: Final = "/proc/self/fd/"
_GONE: Final = " (deleted)"
"""What the kernel adds to the name of what is open and no longer stands there."""


class Rule(StrEnum):
    """Why a place is not one that can be kept, written or given back exactly."""

    CHANGING = "files.changing"
    CONTROL_PLANE = "files.control_plane"
    DATABASE = "files.database"
    IN_USE = "files.in_use"
    LINK = "files.link"
    HARD_LINK = "files.hard_link"
    MARKED = "files.marked"
    MOUNT = "files.mount"
    OWNER = "files.owner"
    PATH_FOLDER = "path.folder"
    PATH_MOVED = "path.moved"
    PATH_NAME = "path.name"
    SPECIAL = "files.special"
    TOO_DEEP = "files.too_deep"
    TOO_LARGE = "files.too_large"
    TOO_MANY = "files.too_many"
    UNREADABLE = "files.unreadable"


class NotExactError(Exception):
    """What cannot be read, given back or written exactly: the rule, one plain sentence, and what to do next."""

    def __init__(self, rule: Rule, why: str, way_out: str = "") -> None:
        self.rule = rule
        self.why = why
        self.way_out = way_out
        super().__init__(why)


def canonical_path(written: str | Path, *, follow: bool) -> Path:
    """Return the real path of a place that may not exist yet; its folder must exist.

    With `follow` the last component is resolved as well (for what is written *through* a symlink); without it the
    symlink itself is meant.
    """
    given = Path(written)
    if not given.is_absolute() or not given.name or given.name == "..":
        raise NotExactError(Rule.PATH_NAME, f"{str(written)!r} names no file or folder.", "Give an absolute path.")
    try:
        path = Path(real_path(str(given))) if follow else Path(real_path(str(given.parent))) / given.name
        str(path).encode()
    except (OSError, ValueError) as error:
        raise NotExactError(Rule.PATH_NAME, f"{str(written)!r} cannot be resolved: {error}.") from error
    if not path.name:
        raise NotExactError(Rule.PATH_NAME, "The root folder is no target.", "Name one file or folder below it.")
    if not path.parent.is_dir():
        raise NotExactError(Rule.PATH_FOLDER, f"The folder {path.parent} does not exist.", "Make it first.")
    return path


def real_path(path: str) -> str:
    """Return what `os.path.realpath` returns; where no symlink is on the way, one look of the kernel's tells."""
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)  # Closing such a one drops no lock.
    except OSError:
        return os.path.realpath(path)
    try:
        is_real = _stands_at(descriptor, path)
    finally:
        os.close(descriptor)
    return path if is_real else os.path.realpath(path)


@contextmanager
def opened_folder(folder: Path) -> Generator[int]:
    """Open a real path; raise NotExactError when a symlink has come to stand in it."""
    descriptor = _open_if_real(str(folder))
    if descriptor is None:
        descriptor = _open_by_parts(folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _open_if_real(folder: str) -> int | None:
    """Open a folder at once; None where that does not show that no symlink was on the way."""
    try:
        descriptor = os.open(folder, _FOLDER | os.O_RDONLY)
    except OSError:
        return None
    if _stands_at(descriptor, folder):
        return descriptor
    os.close(descriptor)
    return None


def _open_by_parts(folder: Path) -> int:
    descriptor = os.open("/", _FOLDER | os.O_PATH)
    try:
        for part in folder.parts[1:]:
            inner = _step(descriptor, part, folder)
            os.close(descriptor)
            descriptor = inner
        return os.open(".", _FOLDER | os.O_RDONLY, dir_fd=descriptor)
    finally:
        os.close(descriptor)


def _stands_at(descriptor: int, path: str) -> bool:
    """Tell whether the kernel names what is open by this very path, and so followed no symlink to it."""
    try:
        named = os.readlink(f"{_OPEN}{descriptor}")  # noqa: PTH115 - text in, text out
    except OSError:
        return False
    return named == path and not path.endswith(_GONE)


def _step(descriptor: int, part: str, folder: Path) -> int:
    try:
        return os.open(part, _FOLDER | os.O_PATH, dir_fd=descriptor)
    except (NotADirectoryError, FileNotFoundError) as error:
        why = f"{folder} is no longer a real folder: {part!r} is gone, or no folder."
        raise NotExactError(Rule.PATH_MOVED, why, "Plan again with the path as it is now.") from error


def child_folder(parent: int, name: str) -> int:
    """Open a folder inside an open one, never through a symlink; the caller closes it."""
    return os.open(name, _FOLDER | os.O_RDONLY, dir_fd=parent)


def to_text(path: str) -> str:
    """Write a path of the file system as text that JSON can carry, also where a name in it is not UTF-8."""
    return "/".join(map(_name_to_text, path.split("/")))


def from_text(text: str) -> str:
    """Read back what `to_text` wrote."""
    return "/".join(map(_name_from_text, text.split("/")))


def _name_to_text(name: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError:
        return _NOT_UTF8 + os.fsencode(name).hex()
    return name


def _name_from_text(text: str) -> str:
    return os.fsdecode(bytes.fromhex(text[1:])) if text.startswith(_NOT_UTF8) else text


def is_within(path: Path, folder: Path) -> bool:
    """Tell whether a real path is a real folder or lies below it."""
    return lies_within(str(path), str(folder))


def lies_within(place: str, folder: str) -> bool:
    """Tell the same of real paths as text: they are compared at every read of a scope."""
    return place == folder or place.startswith(folder if folder.endswith("/") else f"{folder}/")
