"""Make objects of a file tree again what they were: each in one rename, foreign work never overwritten.

It can be interrupted anywhere and done again: what was given back already is recognised as such.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from grace.act.safehold.contents import Contents, KeptTree
from grace.kit.cuts import cut
from grace.kit.filesystem import writing
from grace.kit.filesystem.entries import Entry, Kind, Tree, depth_of, differing_fields, parent_of
from grace.kit.filesystem.paths import NotExactError, from_text, opened_folder
from grace.kit.filesystem.places import is_taken, opened_place, stands_as_found
from grace.kit.filesystem.writing import Attributes


class ForeignMeanwhileError(Exception):
    """Somebody changed an object between the check and the moment at which it was to be given back."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(f"{path or 'the target itself'} was changed while the undo was under way")


@dataclass(slots=True)
class GivingBack:
    """One undo of one tree: where it stands, what was kept of it, and what was found there."""

    root: Path
    kept: KeptTree
    contents: Contents
    now: Tree
    _aside: str | None = None
    """The folder that is being built under its scratch name."""

    def perform(self, paths: tuple[str, ...], times: Mapping[str, int]) -> None:
        """Give back these paths, then set the times of folders.

        Raise OSError or ForeignMeanwhileError with every object whole, in one state or the other.
        """
        for path in sorted(paths, key=depth_of, reverse=True):
            if path in self.now and path not in self.kept.entries:
                self._remove(path)
        wanted = [path for path in sorted(paths, key=depth_of) if path in self.kept.entries]
        built: set[str] = set()
        for path in wanted:
            if path not in built and not self._is_later_twin(path):
                built |= self._make(path)
        for path in filter(self._is_later_twin, wanted):
            self._make_file(path, self.kept.entries[path])
        for path in sorted(times.keys() | self._folders_around(paths), key=depth_of, reverse=True):
            self._finish_folder(path, times, is_given_back=path in paths)

    def _remove(self, path: str) -> None:
        """Remove what was not there before."""
        with opened_place(self._where(path)) as (folder, name):
            self._require_as_found(path, folder, name)
            if self.now[path].kind is Kind.FOLDER:
                os.rmdir(name, dir_fd=folder)
            else:
                os.unlink(name, dir_fd=folder)
        cut("safehold.files.removed")

    def _make(self, path: str) -> set[str]:
        """Make one object, a missing folder with everything in it; return what was made."""
        was = self.kept.entries[path]
        match was.kind:
            case Kind.FOLDER if self._stands_as(path) is not Kind.FOLDER:
                return self._build_folder(path)
            case Kind.FOLDER:
                pass
            case Kind.SYMLINK:
                with opened_place(self._where(path)) as (folder, name):
                    writing.symlink_scratch(folder, name, was)
                    self._replace(path, folder, name)
            case Kind.FILE:
                self._make_file(path, was)
        return {path}

    def _make_file(self, path: str, was: Entry) -> None:
        with opened_place(self._where(path)) as (folder, name):
            if self._differs_in_mode_alone(path, was):
                self._require_as_found(path, folder, name)
                os.chmod(name, was.mode, dir_fd=folder)
            else:
                self._prepare_file(path, was, folder, name)
                self._replace(path, folder, name)
        cut("safehold.files.made")

    def _build_folder(self, top: str) -> set[str]:
        """Build a missing folder beside its place and let it appear whole."""
        below = [path for path in self.kept.entries if path.startswith(f"{top}/") or (not top and path)]
        inside = [path for path in sorted(below, key=depth_of) if not self._is_later_twin(path)]
        folders = [path for path in (top, *inside) if self.kept.entries[path].kind is Kind.FOLDER]
        with opened_place(self._where(top)) as (folder, name):
            writing.clear_scratch(folder, name)
            writing.make_folder(folder, writing.scratch_name(name))
        self._aside = top
        for path in inside:
            if path in folders:
                with opened_place(self._where(path)) as (folder, name):
                    writing.make_folder(folder, name)
            else:
                self._make(path)
        for path in reversed(folders):
            self._give_folder(path, Attributes.of(self.kept.entries[path]))
        self._aside = None
        with opened_place(self._where(top)) as (folder, name):
            self._replace(top, folder, name)
        return {top, *inside}

    def _prepare_file(self, path: str, was: Entry, folder: int, name: str) -> None:
        if was.twin in ("", path):
            writing.write_scratch(folder, name, self.contents.of(path), Attributes.of(was))
            return
        with opened_place(self._where(was.twin)) as (first_folder, first_name):
            writing.link_scratch(folder, name, first_folder, first_name)

    def _replace(self, path: str, folder: int, name: str) -> None:
        """Let what was prepared take its place; a folder and what is none trade places, and the old one goes."""
        cut("safehold.files.prepared")
        standing = self._stands_as(path)
        if standing is not None:
            self._require_as_found(path, folder, name)
        elif is_taken(folder, name):
            raise ForeignMeanwhileError(path)
        if standing is not None and Kind.FOLDER in (standing, self.kept.entries[path].kind):
            self._trade(path, folder, name)
        else:
            writing.move_over(folder, name)
        writing.clear_scratch(folder, name)

    def _trade(self, path: str, folder: int, name: str) -> None:
        """Trade places; should others have put something into the old folder meanwhile, trade back and stop."""
        writing.trade_places(folder, name)
        cut("safehold.files.traded")
        if self.now[path].kind is not Kind.FOLDER:
            return
        try:
            os.rmdir(writing.scratch_name(name), dir_fd=folder)
        except FileNotFoundError:
            return
        except OSError as error:
            writing.trade_places(folder, name)
            raise ForeignMeanwhileError(path) from error

    def _stands_as(self, path: str) -> Kind | None:
        found = self.now.get(path)
        return None if found is None or self._aside is not None else found.kind

    def _differs_in_mode_alone(self, path: str, was: Entry) -> bool:
        found = self.now.get(path)
        return found is not None and not was.twin and differing_fields(was, found) == ("mode",)

    def _require_as_found(self, path: str, folder: int, name: str) -> None:
        if not stands_as_found(folder, name, self.now[path]):
            raise ForeignMeanwhileError(path)

    def _folders_around(self, paths: tuple[str, ...]) -> set[str]:
        around = {parent for path in paths if (parent := parent_of(path)) is not None}
        gone = {path for path in paths if path not in self.kept.entries}
        return {path for path in around if path not in gone}

    def _finish_folder(self, path: str, times: Mapping[str, int], *, is_given_back: bool) -> None:
        entry = self.kept.entries.get(path) if is_given_back else self.now.get(path)
        if entry is not None and entry.kind is Kind.FOLDER:
            self._give_folder(path, replace(Attributes.of(entry), mtime_ns=times.get(path, entry.mtime_ns)))
            cut("safehold.files.folder_finished")

    def _give_folder(self, path: str, attributes: Attributes) -> None:
        with opened_place(self._where(path)) as (folder, name):
            is_top = path == self._aside
            writing.give_folder_attributes(folder, writing.scratch_name(name) if is_top else name, attributes)

    def _is_later_twin(self, path: str) -> bool:
        return self.kept.entries[path].twin not in ("", path)

    def _where(self, path: str) -> Path:
        place = self.root / from_text(path) if path else self.root
        top = self._aside
        if top is None or path == top or not (path.startswith(f"{top}/") or not top):
            return place
        built = self.root / from_text(top) if top else self.root
        return built.with_name(writing.scratch_name(built.name)) / place.relative_to(built)


def sweep(root: Path, tree: Tree) -> None:
    """Remove what an interrupted write or undo of these objects left beside them."""
    left: dict[Path, set[str]] = {}
    for path in {*tree, ""}:
        place = root / from_text(path) if path else root
        left.setdefault(place.parent, set()).add(writing.scratch_name(place.name))
    for folder, names in left.items():
        with suppress(NotExactError):  # It is gone by now, or a symlink stands on the way: nothing of ours lies there.
            _sweep_folder(folder, names)


def _sweep_folder(folder: Path, left: set[str]) -> None:
    with opened_folder(folder) as opened:
        for name in left & set(os.listdir(opened)):  # noqa: PTH208 - of a descriptor, which no Path can be
            writing.remove(opened, name)
