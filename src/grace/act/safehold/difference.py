"""Say in words how two states of a tree differ, for the person who has to decide."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from grace.kit.filesystem.entries import Entry, Tree, differing_fields

_MOST_PATHS: Final = 20


def describe(paths: Iterable[str], ours: Tree, now: Tree) -> str:
    """Name each object that is not as we left it, and in what."""
    lines = [f"{path or 'the target itself'}: {_change(ours.get(path), now.get(path))}" for path in sorted(paths)]
    more = [f"and {len(lines) - _MOST_PATHS} more"] if len(lines) > _MOST_PATHS else []
    return "; ".join([*lines[:_MOST_PATHS], *more])


def _change(ours: Entry | None, now: Entry | None) -> str:
    if ours is None:
        return "somebody made it" if now is not None else "it is gone"
    if now is None:
        return "somebody removed it"
    fields = differing_fields(ours, now)
    if not fields:
        return "somebody changed or took what it needs, its folder or the file that it was another name of"
    return "somebody changed " + ", ".join(f"{name} ({_shown(ours, name)} → {_shown(now, name)})" for name in fields)


def _shown(entry: Entry, name: str) -> str:
    match name:
        case "mode":
            return f"{entry.mode:04o}"
        case "sha256":
            return entry.sha256[:12]
        case "xattrs":
            return ", ".join(key for key, _ in entry.xattrs) or "none"
        case _:
            return str(getattr(entry, name))
