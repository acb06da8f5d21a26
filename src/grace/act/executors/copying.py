"""A private copy of a file or folder, exact but for what a copy cannot share: what an action may try out."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from grace.kit.filesystem import writing
from grace.kit.filesystem.entries import Entry, Kind, Tree, tree_digest
from grace.kit.filesystem.paths import NotExactError, Rule, from_text, opened_folder
from grace.kit.filesystem.scan import scan, settled_scan
from grace.kit.filesystem.survey import Scope
from grace.kit.filesystem.writing import Attributes

FOLDER: Final = "copies"


@contextmanager
def copied(root: Path, before: Tree, handles: Path) -> Generator[Path]:
    """Yield the path of a copy that has the name of the original; raise NotExactError when it cannot be exact."""
    twin = next((entry.twin for entry in before.values() if entry.twin), None)
    if twin is not None:
        why = f"{root / twin} has several names, which a copy cannot keep."
        raise NotExactError(Rule.HARD_LINK, why, "Use an action that writes the file itself.")
    (handles / FOLDER).mkdir(mode=0o700, parents=True, exist_ok=True)
    with TemporaryDirectory(dir=handles / FOLDER) as made:
        copy = Path(made) / root.name
        _copy(root, before, copy)
        if steady_digest(settled_scan(copy, Scope())) != steady_digest(before):
            why = f"{root} cannot be copied exactly, or was changed meanwhile."
            raise NotExactError(Rule.CHANGING, why, "Wait until nobody writes it.")
        yield copy


def clear_copies(handles: Path) -> None:
    """Remove the copies that a killed process left behind."""
    left = handles / FOLDER
    if left.is_dir():
        shutil.rmtree(left)


def steady(entry: Entry) -> Entry:
    """Return an entry as far as it does not follow from others: the time of a folder follows from its entries."""
    return replace(entry, mtime_ns=0) if entry.kind is Kind.FOLDER else entry


def steady_digest(tree: Tree) -> str:
    """Return the digest of a tree without the times of its folders."""
    return tree_digest({path: steady(entry) for path, entry in tree.items()})


def changed(before: Tree, after: Tree) -> dict[str, Entry | None]:
    """Return what differs, as the state that each object shall have; None where it goes."""
    found: dict[str, Entry | None] = {}
    for path in sorted({*before, *after}):
        was, shall = before.get(path), after.get(path)
        if (was and steady(was)) != (shall and steady(shall)):
            found[path] = shall
    return found


def unchanged(root: Path, before: Tree, scope: Scope) -> bool:
    """Tell whether the original still is as it was copied."""
    return steady_digest(scan(root, scope)) == steady_digest(before)


def _copy(root: Path, tree: Tree, copy: Path) -> None:
    paths = sorted(tree, key=lambda path: (path.count("/") + bool(path), path))
    for path in paths:
        source, place = _at(root, path), _at(copy, path)
        match tree[path].kind:
            case Kind.FOLDER:
                place.mkdir(mode=0o700)
            case Kind.SYMLINK:
                _link(place, tree[path])
            case Kind.FILE:
                shutil.copyfile(source, place, follow_symlinks=False)
    for path in reversed(paths):
        if tree[path].kind is not Kind.SYMLINK:
            _dress(_at(copy, path), tree[path])


def _link(place: Path, entry: Entry) -> None:
    with opened_folder(place.parent) as folder:
        writing.symlink_scratch(folder, place.name, entry)
        writing.move_over(folder, place.name)


def _dress(place: Path, entry: Entry) -> None:
    descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        writing.give_attributes(descriptor, Attributes.of(entry))
    finally:
        os.close(descriptor)


def _at(root: Path, path: str) -> Path:
    return root / from_text(path) if path else root
