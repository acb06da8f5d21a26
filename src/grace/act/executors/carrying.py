"""Make of the original what was made of its copy: object by object, each in one step, never over the work of others.

One object at a time is prepared beside the target, under the one scratch name that a restore sweeps away.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from grace.kit.cuts import cut
from grace.kit.filesystem import writing
from grace.kit.filesystem.entries import Entry, Kind, Tree, depth_of
from grace.kit.filesystem.paths import NotExactError, Rule, from_text, opened_folder
from grace.kit.filesystem.places import is_taken, opened_place, stands_as_found
from grace.kit.filesystem.use import is_written_elsewhere
from grace.kit.filesystem.writing import Attributes

_CHUNK: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Carrying:
    """One change of one tree: where it stands, what was found there, and the copy that shows what shall be."""

    name: str
    root: Path
    before: Tree
    after: Tree
    copy: Path
    change: dict[str, Entry | None]

    def require_free(self) -> None:
        """Raise NotExactError when another process is writing a file that is to change or go."""
        for path in self.change:
            standing = self.before.get(path)
            if standing is not None and standing.kind is Kind.FILE and is_written_elsewhere(self._where(path)):
                why = f"{self._where(path)} is being written by another process, whose writes would be lost."
                raise NotExactError(Rule.CHANGING, why, "Let that process finish first.")

    def perform(self) -> None:
        """Do it; raise OSError or NotExactError with every object whole, in one state or the other."""
        with opened_folder(self.root.parent) as beside:
            writing.clear_scratch(beside, self.root.name)
            for path in sorted(self._going(), key=depth_of, reverse=True):
                self._remove(path)
                cut(f"executor.{self.name}.removed")
            for path in sorted((path for path, entry in self.change.items() if entry is not None), key=depth_of):
                self._make(path, self.after[path], beside)
                cut(f"executor.{self.name}.made")

    def _going(self) -> Iterator[str]:
        for path, entry in self.change.items():
            standing = self.before.get(path)
            if standing is not None and (entry is None or _cannot_replace(standing.kind, entry.kind)):
                yield path

    def _remove(self, path: str) -> None:
        with opened_place(self._where(path)) as (folder, name):
            self._require_as_found(path, folder, name)
            if self.before[path].kind is Kind.FOLDER:
                os.rmdir(name, dir_fd=folder)
            else:
                os.unlink(name, dir_fd=folder)

    def _make(self, path: str, entry: Entry, beside: int) -> None:
        standing = self.before.get(path)
        with opened_place(self._where(path)) as (folder, name):
            if entry.kind is Kind.FOLDER and standing is not None and standing.kind is Kind.FOLDER:
                self._require_as_found(path, folder, name)
                writing.give_folder_attributes(folder, name, _without_time(entry))
                return
            self._prepare(path, entry, beside)
            cut(f"executor.{self.name}.prepared")
            if standing is not None and standing.kind is not Kind.FOLDER and entry.kind is not Kind.FOLDER:
                self._require_as_found(path, folder, name)
            elif is_taken(folder, name):
                raise self._foreign(path)
            os.rename(writing.scratch_name(self.root.name), name, src_dir_fd=beside, dst_dir_fd=folder)

    def _prepare(self, path: str, entry: Entry, beside: int) -> None:
        name = self.root.name
        match entry.kind:
            case Kind.FOLDER:
                writing.make_folder(beside, writing.scratch_name(name))
                writing.give_folder_attributes(beside, writing.scratch_name(name), _without_time(entry))
            case Kind.SYMLINK:
                writing.symlink_scratch(beside, name, entry)
            case Kind.FILE:
                made = writing.write_scratch(beside, name, _chunks(self._copied(path)), Attributes.of(entry))
                if made != entry:
                    writing.clear_scratch(beside, name)
                    why = f"The file system cannot hold {self._where(path)} as the copy was."
                    raise NotExactError(Rule.SPECIAL, why, "Put GRACE's data folder on the same kind of file system.")

    def _require_as_found(self, path: str, folder: int, name: str) -> None:
        if not stands_as_found(folder, name, self.before[path]):
            raise self._foreign(path)

    def _foreign(self, path: str) -> NotExactError:
        why = f"{self._where(path)} was changed by somebody else while it was about to be written."
        return NotExactError(Rule.CHANGING, why, "Plan again with what is there now.")

    def _where(self, path: str) -> Path:
        return self.root / from_text(path) if path else self.root

    def _copied(self, path: str) -> Path:
        return self.copy / from_text(path) if path else self.copy


def _cannot_replace(standing: Kind, made: Kind) -> bool:
    """Tell whether one must go before the other can take its name: a folder, and what is none."""
    return standing is not made and Kind.FOLDER in {standing, made}


def _chunks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while chunk := opened.read(_CHUNK):
            yield chunk


def _without_time(entry: Entry) -> Attributes:
    return Attributes(entry.mode, entry.uid, entry.gid, None, entry.xattrs)
