from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace.record.ledger.tree import (
    EMPTY_ROOT,
    CompactRange,
    ProofImpossibleError,
    ProofInvalidError,
    TreeHead,
    consistency_proof,
    fold,
    inclusion_proof,
    is_subtree,
    leaf_hash,
    root,
    verify_consistency,
    verify_inclusion,
    verify_subtree_consistency,
)

LEAVES = [leaf_hash(bytes([n % 256, n // 256])) for n in range(300)]
SIZES = st.integers(1, len(LEAVES))


class MemoryNodes:
    def node(self, level: int, index: int) -> bytes:
        leaves = LEAVES[index << level : (index + 1) << level]
        assert len(leaves) == 1 << level
        return fold(leaves)


NODES = MemoryNodes()


def reference_root(leaves: list[bytes]) -> bytes:
    """The definition of RFC 6962, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + reference_root(leaves[:split]) + reference_root(leaves[split:])).digest()


@given(st.integers(0, len(LEAVES)))
def test_the_root_is_that_of_the_definition(size: int) -> None:
    expected = reference_root(LEAVES[:size])
    assert root(NODES, size) == expected
    grown = CompactRange()
    for leaf in LEAVES[:size]:
        grown.append(leaf)
    assert grown.root() == expected
    assert grown.size == size


@given(st.data(), SIZES)
def test_every_leaf_can_be_proven_and_no_other_leaf_with_that_proof(data: st.DataObject, size: int) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof, head = inclusion_proof(NODES, index, size), root(NODES, size)
    verify_inclusion(index, LEAVES[index], size, proof, head)
    assert len(proof) <= max(1, (size - 1).bit_length())
    other = data.draw(st.integers(0, size - 1).filter(lambda n: n != index) if size > 1 else st.just(size))
    with pytest.raises(ProofInvalidError):
        verify_inclusion(other, LEAVES[index], size, proof, head)
    with pytest.raises(ProofInvalidError):
        verify_inclusion(index, leaf_hash(b"other"), size, proof, head)


@given(st.data(), SIZES)
def test_every_beginning_can_be_proven_and_no_other_root_with_that_proof(data: st.DataObject, size: int) -> None:
    old_size = data.draw(st.integers(1, size))
    proof = consistency_proof(NODES, old_size, size)
    old, new = TreeHead(old_size, root(NODES, old_size)), TreeHead(size, root(NODES, size))
    verify_consistency(old, new, proof)
    verify_subtree_consistency(0, old_size, old.root, new, proof)
    wrong = leaf_hash(b"wrong")
    with pytest.raises(ProofInvalidError):
        verify_consistency(TreeHead(old_size, wrong), new, proof)
    with pytest.raises(ProofInvalidError):
        verify_consistency(old, TreeHead(size, wrong), proof)


@given(st.data(), SIZES)
def test_a_proof_with_one_bit_changed_proves_nothing(data: st.DataObject, size: int) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof = list(inclusion_proof(NODES, index, size))
    if not proof:
        return
    step = data.draw(st.integers(0, len(proof) - 1))
    bit = data.draw(st.integers(0, 255))
    proof[step] = (int.from_bytes(proof[step], "big") ^ (1 << bit)).to_bytes(32, "big")
    with pytest.raises(ProofInvalidError):
        verify_inclusion(index, LEAVES[index], size, proof, root(NODES, size))


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_a_leaf_that_is_not_there_cannot_be_proven(index: int, size: int) -> None:
    with pytest.raises(ProofImpossibleError):
        inclusion_proof(NODES, index, size)


@pytest.mark.parametrize(("old", "size"), [(4, 3), (-1, 3)])
def test_a_longer_tree_is_no_beginning(old: int, size: int) -> None:
    with pytest.raises(ProofImpossibleError):
        consistency_proof(NODES, old, size)


def test_of_the_empty_tree_nothing_can_be_shown() -> None:
    assert consistency_proof(NODES, 0, 5) == ()
    with pytest.raises(ProofInvalidError):
        verify_consistency(TreeHead(0, EMPTY_ROOT), TreeHead(5, root(NODES, 5)), ())


def test_a_subtree_begins_at_a_multiple_of_the_power_of_two_that_covers_it() -> None:
    assert [(s, e) for s in range(5) for e in range(6) if is_subtree(s, e)] == [
        (0, 1),
        (0, 2),
        (0, 3),
        (0, 4),
        (0, 5),
        (1, 2),
        (2, 3),
        (2, 4),
        (3, 4),
        (4, 5),
    ]
