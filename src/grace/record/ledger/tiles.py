"""Where the tree is kept: tiles of 16 neighbouring hashes.

Tile (L, T) holds the nodes of tree level 4L from 16 * T on. The last tile of level 0 may be partial: it is padded with
zeros, because SQLite writes a row of unchanged length in place. A tile of a higher level is written when it is full;
until then its hashes are those of the full tiles below it. So an append changes one row, and a level more every 16th
time. Sixteen tiles side by side are one tile of C2SP tlog-tiles; these are smaller because a proof then costs fewer
hashes.
"""

import sqlite3
from collections.abc import Iterator
from typing import Final

from grace.record.ledger.tree import EMPTY_ROOT, HASH_SIZE, TreeHead, fold, node_hash

TILE_HEIGHT: Final = 4
TILE_WIDTH: Final = 1 << TILE_HEIGHT

TileRow = tuple[int, int, bytes]

_TILE_SIZE: Final = TILE_WIDTH * HASH_SIZE
_SELECT_TILES: Final = "SELECT tile, hashes FROM ledger_tiles WHERE level = ? AND tile >= ? AND tile < ?"


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
            if level == 0 or end == TILE_WIDTH:
                raise TileMissingError(level, tile, end, len(blob) // HASH_SIZE)
            return self._folded(level - 1, tile * TILE_WIDTH + start, tile * TILE_WIDTH + end)
        return [blob[i : i + HASH_SIZE] for i in range(start * HASH_SIZE, end * HASH_SIZE, HASH_SIZE)]

    def _folded(self, level: int, first: int, end: int) -> list[bytes]:
        """Return the roots of the full tiles [first, end): what a tile above them holds before it is written."""
        self._read(level, first, end)
        return [fold(self.hashes(level, tile, 0, TILE_WIDTH)) for tile in range(first, end)]

    def _tile(self, level: int, tile: int) -> bytes:
        if (level, tile) not in self._tiles:
            self._read(level, tile, tile + 1)
        return self._tiles.get((level, tile), b"")

    def _read(self, level: int, first: int, end: int) -> None:
        for tile, hashes in self._driver.execute(_SELECT_TILES, (level, first, end)):
            self._tiles[level, tile] = hashes


class RightEdge:
    """The partial tile of every level: all that is needed to append and to tell the root."""

    def __init__(self, size: int, partial: list[list[bytes]]) -> None:
        self.size = size
        self._partial = partial

    @classmethod
    def load(cls, nodes: StoredNodes, size: int) -> "RightEdge":
        """Read the edge of the first `size` leaves: at most a tile's width of rows a level."""
        partial: list[list[bytes]] = []
        width = size
        while width:
            tile, count = divmod(width, TILE_WIDTH)
            partial.append(nodes.hashes(len(partial), tile, 0, count) if count else [])
            width = tile
        return cls(size, partial)

    def extend(self, leaves: list[bytes]) -> list[TileRow]:
        """Append leaf hashes and return the tiles to write: the full ones, and the partial one of level 0."""
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
        partial = self._partial[level] = tiles.pop() if len(row) % TILE_WIDTH else []
        rows = [(level, tile, b"".join(full)) for tile, full in enumerate(tiles, first)]
        if partial and level == 0:
            rows.append((level, first + len(tiles), b"".join(partial).ljust(_TILE_SIZE, b"\0")))
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
