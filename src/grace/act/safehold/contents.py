"""The content of many files as one run of large pieces in the vault, in bounded memory."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Self, cast

from pydantic import JsonValue

from grace.act.safehold import Stage, Vault, VaultCorrupt
from grace.kit.canonical import JsonInvalidError, canonical, parse_json
from grace.kit.filesystem.entries import Entry, Kind, Tree, tree_digest
from grace.kit.wording import in_words

_FORMAT: Final = 1
_PIECE_BYTES: Final = 4 * 1024 * 1024
_LARGEST_TAIL_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class KeptTree:
    """A file tree as it was: its entries, and where in the vault the content of its files is."""

    entries: Tree
    order: tuple[str, ...]
    """The files whose contents follow each other in the pieces; of hard links, the first."""
    pieces: tuple[str, ...]
    tail: bytes
    """The end of the contents, where it is small; it costs no piece of its own."""

    def to_bytes(self) -> bytes:
        """Return the canonical JSON."""
        return canonical(
            {
                "format": _FORMAT,
                "entries": {path: entry.to_json() for path, entry in self.entries.items()},
                "order": list(self.order),
                "pieces": list(self.pieces),
                "tail": base64.b64encode(self.tail).decode(),
            }
        )

    @classmethod
    def fetch(cls, address: str, digest: str, vault: Vault) -> Self:
        """Read a tree and check all of it, each content too; raise VaultCorrupt before anybody relies on it."""
        try:
            document = cast("dict[str, JsonValue]", parse_json(vault.get(address)))
            entries = cast("dict[str, dict[str, JsonValue]]", document["entries"])
            tree = cls(
                entries={path: Entry.from_json(entry) for path, entry in entries.items()},
                order=tuple(cast("list[str]", document["order"])),
                pieces=tuple(cast("list[str]", document["pieces"])),
                tail=base64.b64decode(cast("str", document["tail"]), validate=True),
            )
        except (JsonInvalidError, KeyError, TypeError, ValueError) as error:
            raise VaultCorrupt(address, f"it is no kept file tree: {in_words(error)}.") from error
        tree.verify(address, digest, vault)
        return tree

    def verify(self, address: str, digest: str, vault: Vault) -> None:
        """Raise VaultCorrupt unless every entry and every content is as its digest says."""
        if tree_digest(self.entries) != digest:
            raise VaultCorrupt(address, "its entries do not have the recorded digest.")
        contents = Contents(self, vault)
        for path in self.order:
            content = hashlib.sha256()
            for chunk in contents.of(path):
                content.update(chunk)
            if content.hexdigest() != self.entries[path].sha256:
                raise VaultCorrupt(address, f"the content of {path!r} is not what was kept.")


class Contents:
    """Reads the contents of a kept tree; holds one piece at a time."""

    def __init__(self, kept: KeptTree, vault: Vault) -> None:
        self._kept = kept
        self._vault = vault
        self._starts: dict[str, int] = {}
        self._piece: tuple[int, bytes] = (len(kept.pieces), kept.tail)
        start = 0
        for path in kept.order:
            self._starts[path] = start
            start += kept.entries[path].size

    def of(self, path: str) -> Iterator[bytes]:
        """Yield the content of one file, part by part."""
        start = self._starts[path]
        end = start + self._kept.entries[path].size
        while start < end:
            number, offset = divmod(start, _PIECE_BYTES)
            part = self._fetched(number)[offset : offset + end - start]
            if not part:
                return
            yield part
            start += len(part)

    def _fetched(self, number: int) -> bytes:
        if self._piece[0] != number:
            is_tail = number >= len(self._kept.pieces)
            self._piece = (number, self._kept.tail if is_tail else self._vault.get(self._kept.pieces[number]))
        return self._piece[1]


class Packing:
    """Takes the contents of a tree as they are read and puts them into the vault."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._pieces: list[str] = []
        self._open = bytearray()

    def take(self, chunk: bytes) -> None:
        """Add to the contents."""
        self._open += chunk
        while len(self._open) >= _PIECE_BYTES:
            self._pieces.append(self._stage.put(bytes(self._open[:_PIECE_BYTES])))
            del self._open[:_PIECE_BYTES]

    def finish(self, entries: Tree) -> str:
        """Put the tree itself; return its address."""
        if len(self._open) > _LARGEST_TAIL_BYTES:
            self._pieces.append(self._stage.put(bytes(self._open)))
            self._open.clear()
        order = tuple(path for path, entry in entries.items() if is_own_content(path, entry))
        return self._stage.put(KeptTree(entries, order, tuple(self._pieces), bytes(self._open)).to_bytes())


def is_own_content(path: str, entry: Entry) -> bool:
    """Tell whether the content is stored under this path: of hard links, only under the first."""
    return entry.kind is Kind.FILE and entry.twin in ("", path)


def facts_of(entries: Mapping[str, Entry]) -> dict[str, JsonValue]:
    """Return what a person wants to see of a tree."""
    root = entries.get("")
    if root is None:
        return {"kind": "absent"}
    files = [entry for path, entry in entries.items() if is_own_content(path, entry)]
    shown: dict[str, JsonValue] = {
        "kind": root.kind.value,
        "mode": f"{root.mode:04o}",
        "uid": root.uid,
        "gid": root.gid,
        "bytes": sum(entry.size for entry in files),
    }
    return shown | ({"objects": len(entries)} if root.kind is Kind.FOLDER else {})
