"""The three-way check of a file tree: what was before, what we made of it, what is there now. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from grace.kit.filesystem.entries import FIELDS, Entry, Kind, Tree, parent_of

_WITHOUT_TIME: Final = tuple(name for name in FIELDS if name != "mtime_ns")


@dataclass(frozen=True, slots=True)
class ThreeWay:
    """What the check found, path by path."""

    give_back: tuple[str, ...]
    """We changed it and nobody else did: it becomes again what it was."""
    beside: tuple[str, ...]
    """Others changed it and we did not: it stays."""
    conflicts: tuple[str, ...]
    """We changed it and so did others, or giving it back would take away what others made: the undo stops."""


def compare(before: Tree, ours: Tree, now: Tree) -> ThreeWay:
    """Sort every path. The time of a folder does not count: it follows from its entries (see `folder_times`).

    An object between the two states, each field as before or as ours, is ours: an interrupted undo leaves such.
    """
    give_back: list[str] = []
    beside: list[str] = []
    conflicts: list[str] = []
    for path in sorted({*before, *ours, *now}):
        was, made, found = before.get(path), ours.get(path), now.get(path)
        if _same(was, made):
            if not _same(was, found):
                beside.append(path)
        elif not _same(was, found):
            (give_back if _between(was, made, found) else conflicts).append(path)
    given_back = set(give_back)
    in_the_way = {
        path
        for path in give_back
        if _would_take_more(path, before, now, given_back) or _lacks_its_twin(path, before, now, given_back)
    }
    return ThreeWay(
        give_back=tuple(path for path in give_back if path not in in_the_way),
        beside=tuple(beside),
        conflicts=tuple(sorted({*conflicts, *in_the_way})),
    )


def folder_times(before: Tree, ours: Tree, now: Tree, given_back: frozenset[str]) -> Mapping[str, int]:
    """Return the time that each folder gets that we or the undo touch.

    The time of a folder tells when its list of entries changed: with the same entries as before it is the one from
    before; with entries that others added or took, it is theirs.
    """
    final = {path: entry for path, entry in now.items() if path not in given_back}
    final |= {path: before[path] for path in given_back if path in before}
    changed = {path for path in {*before, *ours} if before.get(path) != ours.get(path)} | given_back
    touched = {parent for path in changed if (parent := parent_of(path)) is not None} | changed
    listed, wanted = _listing(final), _listing(before)
    times: dict[str, int] = {}
    for folder in (path for path in touched if path in final and final[path].kind is Kind.FOLDER):
        was, found = before.get(folder), now.get(folder)
        if was is not None and (found is None or listed.get(folder) == wanted.get(folder)):
            times[folder] = was.mtime_ns
        elif found is not None:
            times[folder] = found.mtime_ns
    return times


def _listing(tree: Tree) -> dict[str, set[str]]:
    """Return what stands directly in each folder."""
    listed: dict[str, set[str]] = {}
    for path in tree:
        parent = parent_of(path)
        if parent is not None:
            listed.setdefault(parent, set()).add(path)
    return listed


def _timeless(entry: Entry) -> Entry:
    return replace(entry, mtime_ns=0) if entry.kind is Kind.FOLDER else entry


def _same(one: Entry | None, other: Entry | None) -> bool:
    if one is None or other is None:
        return one is other
    return _timeless(one) == _timeless(other)


def _between(was: Entry | None, made: Entry | None, found: Entry | None) -> bool:
    """Tell whether what is there is ours, or half-way back.

    Which of its names a file shares does not count: while names are linked again one by one, that changes for all.
    """
    if found is None or _same(_alone(made), _alone(found)) or _same(_alone(was), _alone(found)):
        return found is not None or made is None
    if was is None or made is None or not was.kind == made.kind == found.kind:
        return False
    names = _WITHOUT_TIME if found.kind is Kind.FOLDER else FIELDS
    return all(getattr(found, name) in (getattr(was, name), getattr(made, name)) for name in names if name != "twin")


def _alone(entry: Entry | None) -> Entry | None:
    return None if entry is None else replace(entry, twin="")


def _would_take_more(path: str, before: Tree, now: Tree, given_back: set[str]) -> bool:
    """Tell whether others have put something into a folder that must go, or taken the folder that must hold this."""
    was, found = before.get(path), now.get(path)
    goes = found is not None and found.kind is Kind.FOLDER and (was is None or was.kind is not Kind.FOLDER)
    if goes and any(other not in given_back for other in now if other.startswith(f"{path}/") or (not path and other)):
        return True
    parent = parent_of(path)
    if was is None or parent is None or parent in given_back:
        return False
    holder = now.get(parent)
    return holder is None or holder.kind is not Kind.FOLDER


def _lacks_its_twin(path: str, before: Tree, now: Tree, given_back: set[str]) -> bool:
    """Tell whether this was another name of a file that others have moved, removed or changed since."""
    was = before.get(path)
    if was is None or was.twin in {"", path} or was.twin in given_back:
        return False
    return not _same(_alone(before.get(was.twin)), _alone(now.get(was.twin)))
