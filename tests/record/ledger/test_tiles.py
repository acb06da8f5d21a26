import sqlite3
from collections.abc import Generator
from contextlib import closing
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grace.record.ledger.tiles import RightEdge, StoredNodes, TileMissingError
from grace.record.ledger.tree import (
    CompactRange,
    ProofInvalidError,
    TreeHead,
    consistency_proof,
    inclusion_proof,
    root,
    verify_consistency,
    verify_inclusion,
)


def leaf(number: int) -> bytes:
    return sha256(number.to_bytes(8, "big")).digest()


class Tiles:
    """A tile table in memory, written as the log writes it."""

    def __init__(self) -> None:
        self.driver = sqlite3.connect(":memory:")
        self.driver.execute("CREATE TABLE ledger_tiles (level INT, tile INT, hashes BLOB, PRIMARY KEY (level, tile))")
        self.edge = RightEdge(0, [])

    def close(self) -> None:
        self.driver.close()

    def grow(self, count: int) -> None:
        rows = self.edge.extend([leaf(n) for n in range(self.edge.size, self.edge.size + count)])
        self.driver.executemany("INSERT OR REPLACE INTO ledger_tiles VALUES (?, ?, ?)", rows)


@pytest.fixture
def tiles() -> Generator[Tiles]:
    with closing(Tiles()) as tiles:
        yield tiles


@pytest.fixture(scope="module")
def history() -> Generator[tuple[Tiles, list[bytes]]]:
    """A tree that grew leaf by leaf, and its root at every size."""
    with closing(Tiles()) as tiles:
        roots = [tiles.edge.head().root]
        for _ in range(600):
            tiles.grow(1)
            roots.append(tiles.edge.head().root)
        yield tiles, roots


def expected_root(size: int) -> bytes:
    tree = CompactRange()
    for number in range(size):
        tree.append(leaf(number))
    return tree.root()


@settings(max_examples=30)
@given(st.lists(st.integers(1, 700), min_size=1, max_size=5))
def test_however_the_groups_fall_the_tree_is_the_same(groups: list[int]) -> None:
    with closing(Tiles()) as tiles:
        for group in groups:
            tiles.grow(group)
        size = sum(groups)
        assert tiles.edge.head() == TreeHead(size, expected_root(size))
        assert root(StoredNodes(tiles.driver), size) == expected_root(size)
        reloaded = RightEdge.load(StoredNodes(tiles.driver), size)
        assert reloaded.head() == tiles.edge.head()
        assert reloaded.extend([leaf(size)]) == tiles.edge.extend([leaf(size)])


@settings(max_examples=30)
@given(st.data())
def test_proofs_hold_at_every_size_that_the_tree_ever_had(
    history: tuple[Tiles, list[bytes]], data: st.DataObject
) -> None:
    tiles, roots = history
    size = data.draw(st.integers(1, len(roots) - 1))
    old = data.draw(st.integers(1, size))
    index = data.draw(st.integers(0, size - 1))
    nodes = StoredNodes(tiles.driver)
    inclusion, consistency = inclusion_proof(nodes, index, size), consistency_proof(nodes, old, size)
    verify_inclusion(index, leaf(index), size, inclusion, roots[size])
    verify_consistency(TreeHead(old, roots[old]), TreeHead(size, roots[size]), consistency)
    with pytest.raises(ProofInvalidError):
        verify_inclusion(index, leaf(size), size, inclusion, roots[size])
    with pytest.raises(ProofInvalidError):
        verify_consistency(TreeHead(old, leaf(old)), TreeHead(size, roots[size]), consistency)


def test_the_edge_of_a_large_tree_is_read_from_a_few_rows_a_level(tiles: Tiles) -> None:
    tiles.grow(70_000)
    nodes = StoredNodes(tiles.driver)
    RightEdge.load(nodes, 70_000)
    assert 0 < nodes.rows_read <= 16 * 5


def test_a_proof_reads_two_rows_a_level_and_what_the_edge_is_made_of(tiles: Tiles) -> None:
    tiles.grow(70_000)
    for index in (0, 12_345, 65_535, 65_536, 69_999):
        nodes = StoredNodes(tiles.driver)
        inclusion_proof(nodes, index, 70_000)
        assert nodes.rows_read <= 10 + 15 * 4
        nodes = StoredNodes(tiles.driver)
        consistency_proof(nodes, index + 1, 70_000)
        assert nodes.rows_read <= 10 + 15 * 4


def test_one_more_leaf_changes_one_row_in_place(tiles: Tiles) -> None:
    tiles.grow(300)
    written = [tiles.edge.extend([leaf(n)]) for n in range(300, 304)]
    assert [[(level, tile, len(hashes)) for level, tile, hashes in rows] for rows in written] == [[(0, 18, 512)]] * 4


def test_a_tree_that_was_stored_with_every_partial_tile_is_read_the_same(tiles: Tiles) -> None:
    """As an earlier version left it: shorter rows, and one for the right edge of every level."""
    tiles.grow(600)
    tiles.driver.execute("UPDATE ledger_tiles SET hashes = substr(hashes, 1, 8 * 32) WHERE level = 0 AND tile = 37")
    early = b"".join(StoredNodes(tiles.driver).hashes(1, 2, 0, 3))
    tiles.driver.execute("INSERT INTO ledger_tiles VALUES (1, 2, ?)", (early,))
    assert root(StoredNodes(tiles.driver), 600) == expected_root(600)
    tiles.edge = RightEdge.load(StoredNodes(tiles.driver), 600)
    tiles.grow(300)
    assert root(StoredNodes(tiles.driver), 900) == tiles.edge.head().root == expected_root(900)


@pytest.mark.parametrize(
    "damage", ["DELETE FROM ledger_tiles WHERE level = 1", "UPDATE ledger_tiles SET hashes = x'00'"]
)
def test_a_missing_or_shortened_tile_is_noticed_at_once(tiles: Tiles, damage: str) -> None:
    tiles.grow(300)
    tiles.driver.execute(damage)
    with pytest.raises(TileMissingError, match="damaged"):
        RightEdge.load(StoredNodes(tiles.driver), 300)
