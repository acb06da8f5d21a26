"""Hold every stored entry and payload against the tree that was signed: which of them somebody changed."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, cast

from sqlalchemy import Connection

from grace.kit.canonical import NotCanonicalError, canonical
from grace.model.events import EventType
from grace.record.ledger.entries import ENTRY_COLUMNS, payload_digest
from grace.record.ledger.reading import PAGE_SIZE, head_of
from grace.record.ledger.tiles import TILE_WIDTH, StoredNodes, TileMissingError
from grace.record.ledger.tree import CompactRange, TreeHead, leaf_hash
from grace.record.store.engine import driver_connection

_MOST_TOLD: Final = 20
_FIELDS: Final = tuple(name.strip('" ') for name in ENTRY_COLUMNS.split(","))
_PAGE: Final = f"""
    SELECT {ENTRY_COLUMNS}, salt, payload FROM ledger_entries LEFT JOIN ledger_payloads USING ("index")
    WHERE "index" > ? ORDER BY "index" LIMIT {PAGE_SIZE}
"""  # noqa: S608 - a constant list of columns


@dataclass(frozen=True, slots=True)
class Astray:
    """Something of the log that is not as it was signed."""

    index: int | None
    """The first entry that it concerns, where that is known."""
    why: str


@dataclass(frozen=True, slots=True)
class Audit:
    """What holding the whole log against its tree and its witness has shown; it is clean where nothing is astray."""

    size: int
    witnessed: int | None
    """Of how many entries the checkpoint was that it was held against; None: there is none."""
    astray: tuple[Astray, ...]
    """The first of them."""
    found: int
    """How many in all."""

    @property
    def is_clean(self) -> bool:
        return self.found == 0


def audit(connection: Connection, witnessed: TreeHead | None) -> Audit:
    """Compute the hash of every entry and payload from its columns, and compare; `witnessed` is held outside."""
    look = _Look(driver_connection(connection), witnessed)
    look.at_entries()
    if not look.found:
        look.at_roots()
    return Audit(look.tree.size, None if witnessed is None else witnessed.size, tuple(look.astray), look.found)


@dataclass(slots=True)
class _Look:
    driver: sqlite3.Connection
    witnessed: TreeHead | None
    tree: CompactRange = field(default_factory=CompactRange)
    root_then: bytes | None = None
    """The root when the tree had the size of the witnessed one."""
    astray: list[Astray] = field(default_factory=list[Astray])
    found: int = 0
    withheld: dict[str, int] = field(default_factory=dict[str, int])
    """Entries without a payload, by the key of the entry that would say why."""

    def at_entries(self) -> None:
        """Compare each entry with its leaf in the tree, and each payload with its digest in the entry."""
        nodes = StoredNodes(self.driver)
        self._remember_root()
        for row in self._rows():
            index = self.tree.size
            if row["index"] != index:
                self._note(index, f"entry {index} is missing: entry {row['index']} follows")
                return
            if index % TILE_WIDTH == 0:
                nodes = StoredNodes(self.driver)  # keeps what it read; no more than a tile is needed
            self._entry(index, row, nodes)
            self._payload(index, row)
            self._remember_root()
        for index in self.withheld.values():
            self._note(index, f"the payload of entry {index} is gone, and no entry says that it was erased")

    def at_roots(self) -> None:
        """Compare what the entries lead to with the stored tree and with the checkpoint held outside."""
        size, root = self.tree.size, self.tree.root()
        try:
            if head_of(self.driver, size).root != root:
                self._note(None, "the upper levels of the stored tree are not those of its entries")
        except TileMissingError as error:
            self._note(None, str(error))
        if self.witnessed is None:
            return
        if self.witnessed.size > size:
            self._note(size, f"the witness holds a checkpoint of {self.witnessed.size} entries, {size} are there")
        elif self.root_then != self.witnessed.root:
            first = f"the first {self.witnessed.size} entries"
            self._note(None, f"{first} are not those of the witnessed checkpoint: entries and tree were both changed")

    def _rows(self) -> Iterator[dict[str, object]]:
        after = -1
        while rows := self.driver.execute(_PAGE, (after,)).fetchall():
            for row in rows:
                yield dict(zip((*_FIELDS, "salt", "payload"), row, strict=True))
            after = rows[-1][0]

    def _entry(self, index: int, row: dict[str, object], nodes: StoredNodes) -> None:
        try:
            leaf = leaf_hash(canonical({name: cast("str", row[name]) for name in _FIELDS}))
        except NotCanonicalError:
            leaf = b""
        place = index % TILE_WIDTH
        try:
            (stored,) = nodes.hashes(0, index // TILE_WIDTH, place, place + 1)
        except TileMissingError:
            stored = None
        if leaf != stored:
            what = "is not the one in the tree" if stored is not None else "has no leaf in the tree"
            self._note(index, f"entry {index} ({row['type']}, {row['key']}) {what}")
        self.tree.append(leaf)

    def _payload(self, index: int, row: dict[str, object]) -> None:
        salt, payload, digest = row["salt"], row["payload"], row["payload_digest"]
        if row["type"] == EventType.PAYLOAD_ERASED.value:
            self.withheld.pop(str(row["key"]), None)
        if payload is None:
            # What erases a payload names it in its key, which the leaf holds.
            self.withheld[f"payload/{index}/erased"] = index
        elif not isinstance(payload, str) or not isinstance(salt, bytes):
            self._note(index, f"the payload of entry {index} is not of its kind")
        elif payload_digest(salt, payload.encode()) != digest:
            self._note(index, f"the payload of entry {index} does not have the digest in the entry")

    def _remember_root(self) -> None:
        if self.witnessed is not None and self.tree.size == self.witnessed.size:
            self.root_then = self.tree.root()

    def _note(self, index: int | None, why: str) -> None:
        self.found += 1
        if len(self.astray) < _MOST_TOLD:
            self.astray.append(Astray(index, why))
