"""What a write makes of a file tree, recorded before the write: the middle of a three-way check after a crash."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, cast

from pydantic import JsonValue

from grace.kit.canonical import JsonInvalidError, canonical, parse_json
from grace.kit.filesystem.entries import Entry, Tree
from grace.kit.wording import in_words

_PREFIX: Final = "files:"


def recorded(change: Mapping[str, Entry | None]) -> str:
    """Write a change as text: the new state of each object that is written; None where it goes with all below it."""
    written = {path: None if entry is None else entry.to_json() for path, entry in change.items()}
    return _PREFIX + canonical(written).decode()


def difference(before: Tree, after: Tree) -> dict[str, Entry | None]:
    """Return the change that makes `after` of `before`."""
    return {path: after.get(path) for path in {*before, *after} if before.get(path) != after.get(path)}


def applied(before: Tree, changes: Iterable[str]) -> Tree:
    """Return what a tree becomes under recorded changes, oldest first; raise ValueError for a foreign record."""
    tree = dict(before)
    for text in changes:
        for path, entry in _read(text).items():
            if entry is not None:
                tree[path] = entry
            else:
                tree = {other: kept for other, kept in tree.items() if not _is_below(other, path)}
    return tree


def _is_below(path: str, folder: str) -> bool:
    return path == folder or not folder or path.startswith(f"{folder}/")


def _read(text: str) -> dict[str, Entry | None]:
    if not text.startswith(_PREFIX):
        message = f"not a record of changed files: {text[:40]!r}"
        raise ValueError(message)
    try:
        document = cast("dict[str, dict[str, JsonValue] | None]", parse_json(text.removeprefix(_PREFIX)))
        return {path: None if entry is None else Entry.from_json(entry) for path, entry in document.items()}
    except (JsonInvalidError, KeyError, TypeError, AttributeError) as error:
        message = f"not a record of changed files: {in_words(error)}"
        raise ValueError(message) from error
