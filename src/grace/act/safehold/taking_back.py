"""Put back what a removal moved aside and could not delete: one rename, and only where it is as it was kept."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from grace.kit.filesystem import writing
from grace.kit.filesystem.entries import Entry, Kind, Tree
from grace.kit.filesystem.paths import NotExactError
from grace.kit.filesystem.places import is_taken, opened_place
from grace.kit.filesystem.scan import settled_scan
from grace.kit.filesystem.survey import Scope


def aside_of(root: Path) -> Path | None:
    """Return where what stood at a place was moved to, if anything lies there."""
    aside = root.with_name(writing.scratch_name(root.name))
    return aside if os.path.lexists(aside) else None


def take_back(root: Path, kept: Tree, scope: Scope) -> bool:
    """Let what lies aside take its empty place again if every object left of it is, byte for byte, as it was kept."""
    aside = aside_of(root)
    if aside is None or os.path.lexists(root):
        return False
    try:
        left = settled_scan(aside, scope)
    except NotExactError:
        return False
    if not left or not all(_is_as_kept(kept.get(path), entry) for path, entry in left.items()):
        return False
    with opened_place(root) as (folder, name):
        if is_taken(folder, name):
            return False
        writing.move_over(folder, name)
    return True


def _is_as_kept(was: Entry | None, found: Entry) -> bool:
    """Tell so; the time of a folder tells of the entries that went, and follows when they are given back."""
    return was is not None and _timeless(was) == _timeless(found)


def _timeless(entry: Entry) -> Entry:
    return replace(entry, mtime_ns=0) if entry.kind is Kind.FOLDER else entry
