"""The exact state of a file, symlink or folder as a value, with its digest and the difference of two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Self, TypeAlias, cast

from pydantic import JsonValue

from grace.kit.digests import digest_of

_FORMAT: Final = 1


class Kind(StrEnum):
    """What stands at a path."""

    FILE = "file"
    FOLDER = "folder"
    SYMLINK = "symlink"


@dataclass(frozen=True, slots=True)
class Entry:
    """One object. `sha256` and `size` are of a file's content, `points_to` is what a symlink says."""

    kind: Kind
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    size: int = 0
    sha256: str = ""
    points_to: str = ""
    xattrs: tuple[tuple[str, str], ...] = ()
    """Name and base64 value, by name."""
    twin: str = ""
    """The first path, in order, that is a hard link to the same file; empty for a file with one name."""

    def to_json(self) -> dict[str, JsonValue]:
        """Return plain JSON; times as text, because JSON's numbers end at 2^53."""
        return {
            "kind": self.kind.value,
            "mode": self.mode,
            "uid": self.uid,
            "gid": self.gid,
            "mtime_ns": str(self.mtime_ns),
            "size": self.size,
            "sha256": self.sha256,
            "points_to": self.points_to,
            "xattrs": dict(self.xattrs),
            "twin": self.twin,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, JsonValue]) -> Self:
        """Read back what `to_json` wrote."""
        xattrs = cast("dict[str, str]", document["xattrs"])
        return cls(
            kind=Kind(cast("str", document["kind"])),
            mode=cast("int", document["mode"]),
            uid=cast("int", document["uid"]),
            gid=cast("int", document["gid"]),
            mtime_ns=int(cast("str", document["mtime_ns"])),
            size=cast("int", document["size"]),
            sha256=cast("str", document["sha256"]),
            points_to=cast("str", document["points_to"]),
            xattrs=tuple(sorted(xattrs.items())),
            twin=cast("str", document["twin"]),
        )


Tree: TypeAlias = Mapping[str, Entry]
"""Every object of a scope by its path below the root, whose own path is the empty text. Nothing there: no entries."""

NOTHING: Final[Tree] = MappingProxyType({})
FIELDS: Final = tuple(field.name for field in fields(Entry))


def tree_digest(tree: Tree) -> str:
    """Return `sha256:…` over every field of every object; the root's own name does not count."""
    entries = {path: entry.to_json() for path, entry in tree.items()}
    return digest_of({"format": _FORMAT, "entries": entries})


def differing_fields(one: Entry, other: Entry) -> tuple[str, ...]:
    """Name the fields in which two objects differ."""
    return tuple(name for name in FIELDS if getattr(one, name) != getattr(other, name))


def parent_of(path: str) -> str | None:
    """Return the path of the folder around a path of a tree; None for the root."""
    return path.rpartition("/")[0] if path else None


def joined(folder: str, name: str) -> str:
    """Return the path of a name inside a folder of a tree."""
    return f"{folder}/{name}" if folder else name


def depth_of(path: str) -> tuple[int, str]:
    """Return what sorts the paths of a tree from its root downwards, and by name where they lie equally deep."""
    return (0, "") if not path else (1 + path.count("/"), path)
