"""Where the tree is kept: tiles of 16 neighbouring hashes.

Tile (L, T) holds the nodes of tree level 4L from 16 * T on; the last tile of a level may be partial. A tree of a
million leaves has five levels of tiles, so that its right edge is five rows and a proof reads at most ten. Sixteen
tiles side by side are one tile of C2SP tlog-tiles; these are smaller because a proof then costs 70 hashes, not 700.
"""

import sqlite3
from collections.abc import Iterator
from typing import Final

from grace.record.ledger.tree import EMPTY_ROOT, HASH_SIZE, TreeHead, fold, node_hash

TILE_HEIGHT: Final = 4
TILE_WIDTH: Final = 1 << TILE_HEIGHT

TileRow = tuple[int, int, bytes]

_SELECT_TILE: Final = "SELECT hashes FROM ledger_tiles WHERE level = ? AND tile = ?"


class TileMissingError(RuntimeError):
    """A tile that a tree of this size must have is absent or too short: the database was damaged or tampered with."""

    def __init__(self, level: int, tile: int, expected: int, found: int) -> None:
        self.level = level
        self.tile = tile
        super().__init__(
            f"The ledger's tile {level}/{tile} holds {found} of {expected} hashes: the database is damaged. "
            "Restore it from a copy, or export it and run `grace ledger verify` to see what is left."
        )


class StoredNodes:
    """The nodes of a stored tree; each tile is read once for the life of this object."""

    def __init__(self, driver: sqlite3.Connection) -> None:
        self._driver = driver
        self._tiles: dict[tuple[int, int], bytes] = {}

    @property
    def rows_read(self) -> int:
        return len(self._tiles)

    def node(self, level: int, index: int) -> bytes:
        tile_level, height = divmod(level, TILE_HEIGHT)
        tile, place = divmod(index << height, TILE_WIDTH)
        return fold(self.hashes(tile_level, tile, place, place + (1 << height)))

    def hashes(self, level: int, tile: int, start: int, end: int) -> list[bytes]:
        """Return the hashes [start, end) of a tile, or raise TileMissingError."""
        blob = self._tile(level, tile)
        if len(blob) < end * HASH_SIZE:
            raise TileMissingError(level, tile, end, len(blob) // HASH_SIZE)
        return [blob[i : i + HASH_SIZE] for i in range(start * HASH_SIZE, end * HASH_SIZE, HASH_SIZE)]

    def _tile(self, level: int, tile: int) -> bytes:
        known = self._tiles.get((level, tile))
        if known is None:
            row = self._driver.execute(_SELECT_TILE, (level, tile)).fetchone()
            known = self._tiles[level, tile] = b"" if row is None else row[0]
        return known


class RightEdge:
    """The partial tile of every level: all that is needed to append and to tell the root."""

    def __init__(self, size: int, partial: list[list[bytes]]) -> None:
        self.size = size
        self._partial = partial

    @classmethod
    def load(cls, nodes: StoredNodes, size: int) -> "RightEdge":
        """Read the edge of the first `size` leaves: one row a level."""
        partial: list[list[bytes]] = []
        width = size
        while width:
            tile, count = divmod(width, TILE_WIDTH)
            partial.append(nodes.hashes(len(partial), tile, 0, count) if count else [])
            width = tile
        return cls(size, partial)

    def extend(self, leaves: list[bytes]) -> list[TileRow]:
        """Append leaf hashes and return the tiles to write: full ones, and the partial one of each level touched."""
        rows: list[TileRow] = []
        self.size += len(leaves)
        level, arrived = 0, leaves
        while arrived:
            arrived, written = self._extend_level(level, arrived)
            rows += written
            level += 1
        return rows

    def head(self) -> TreeHead:
        return TreeHead(self.size, self._root())

    def _extend_level(self, level: int, hashes: list[bytes]) -> tuple[list[bytes], list[TileRow]]:
        if level == len(self._partial):
            self._partial.append([])
        row = self._partial[level]
        first = ((self.size >> (TILE_HEIGHT * level)) - len(hashes)) >> TILE_HEIGHT
        row += hashes
        tiles = [row[start : start + TILE_WIDTH] for start in range(0, len(row), TILE_WIDTH)]
        rows = [(level, tile, b"".join(part)) for tile, part in enumerate(tiles, first)]
        self._partial[level] = tiles.pop() if len(row) % TILE_WIDTH else []
        return [fold(full) for full in tiles], rows

    def _root(self) -> bytes:
        root: bytes | None = None
        for peak in self._peaks():
            root = peak if root is None else node_hash(peak, root)
        return EMPTY_ROOT if root is None else root

    def _peaks(self) -> Iterator[bytes]:
        """Yield the roots of the complete subtrees that make up the tree, smallest (rightmost) first."""
        for row in self._partial:
            end = len(row)
            while end:
                width = end & -end
                yield fold(row[end - width : end])
                end -= width
