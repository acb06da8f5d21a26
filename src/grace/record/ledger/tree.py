"""The Merkle tree of RFC 6962: hashes, proofs and their verification, as pure functions.

A tree of size n has leaves 0..n-1. `node(level, index)` is the root of the complete subtree over the leaves
[index << level, (index + 1) << level). Whoever holds the complete nodes can make every root and every proof.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Protocol

HASH_SIZE: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()
LEAF_PREFIX: Final = b"\x00"
NODE_PREFIX: Final = b"\x01"


class Nodes(Protocol):
    """Hold the roots of complete subtrees."""

    def node(self, level: int, index: int) -> bytes:
        """Return the root of the leaves [index << level, (index + 1) << level), all of which must exist."""
        ...


@dataclass(frozen=True, slots=True)
class TreeHead:
    """What a tree is, in two values: its size in leaves and its root."""

    size: int
    root: bytes


class ProofInvalidError(ValueError):
    """A proof that does not prove what it claims to prove."""


class ProofImpossibleError(ValueError):
    """A proof was asked of leaves or sizes that the tree does not have."""


def leaf_hash(leaf: bytes) -> bytes:
    return sha256(LEAF_PREFIX + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(NODE_PREFIX + left + right).digest()


def root(nodes: Nodes, size: int) -> bytes:
    """Return the root of the first `size` leaves."""
    return _subtree(nodes, 0, size) if size else EMPTY_ROOT


def inclusion_proof(nodes: Nodes, index: int, size: int) -> tuple[bytes, ...]:
    """Prove that leaf `index` is in the tree of `size` leaves (RFC 6962, 2.1.1)."""
    if not 0 <= index < size:
        message = f"There is no leaf {index} in a tree of {size}."
        raise ProofImpossibleError(message)
    return tuple(_path(nodes, index, 0, size))


def consistency_proof(nodes: Nodes, old_size: int, size: int) -> tuple[bytes, ...]:
    """Prove that the tree of `old_size` leaves is a beginning of the tree of `size` (RFC 6962, 2.1.2)."""
    if not 0 <= old_size <= size:
        message = f"A tree of {size} has no beginning of {old_size} leaves."
        raise ProofImpossibleError(message)
    if old_size in {0, size}:
        return ()
    return tuple(_consistency(nodes, old_size, 0, size, whole=True))


def verify_inclusion(index: int, leaf: bytes, size: int, proof: Sequence[bytes], expected_root: bytes) -> None:
    """Check that the leaf with this hash stands at `index`, or raise ProofInvalidError (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size or len(leaf) != HASH_SIZE:
        message = f"No leaf {index} with a hash of {len(leaf)} bytes can be in a tree of {size}."
        raise ProofInvalidError(message)
    place, last, computed = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            message = "The inclusion proof is too long."
            raise ProofInvalidError(message)
        if place & 1 or place == last:
            computed = node_hash(sibling, computed)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            computed = node_hash(computed, sibling)
        place, last = place >> 1, last >> 1
    if last != 0 or computed != expected_root:
        message = f"The inclusion proof of leaf {index} does not lead to the root of the tree of {size}."
        raise ProofInvalidError(message)


def verify_consistency(old: TreeHead, new: TreeHead, proof: Sequence[bytes]) -> None:
    """Check that `old` is a beginning of `new`, or raise ProofInvalidError; of the empty tree nothing can be shown."""
    if not 0 < old.size <= new.size:
        message = f"A tree of {old.size} cannot be shown to be a beginning of a tree of {new.size}."
        raise ProofInvalidError(message)
    verify_subtree_consistency(0, old.size, old.root, new, proof)


def verify_subtree_inclusion(
    index: int, leaf: bytes, start: int, end: int, proof: Sequence[bytes], expected_root: bytes
) -> None:
    """Check that leaf `index` is in the subtree [start, end) with this root, or raise ProofInvalidError."""
    if not is_subtree(start, end) or not start <= index < end:
        message = f"[{start}, {end}) is no subtree that holds leaf {index}."
        raise ProofInvalidError(message)
    verify_inclusion(index - start, leaf, end - start, proof, expected_root)


def verify_subtree_consistency(start: int, end: int, root_: bytes, tree: TreeHead, proof: Sequence[bytes]) -> None:
    """Check that the subtree [start, end) is part of `tree` (draft-ietf-plants-merkle-tree-certs, subtree consistency).

    With `start` 0 this is the consistency proof of RFC 6962. The empty subtree is part of every tree.
    """
    if 0 <= start == end <= tree.size:
        if root_ != EMPTY_ROOT or proof:
            message = "An empty subtree has the root of the empty tree and an empty proof."
            raise ProofInvalidError(message)
        return
    if not is_subtree(start, end) or end > tree.size:
        message = f"[{start}, {end}) is no subtree of a tree of {tree.size}."
        raise ProofInvalidError(message)
    first, last, top = start, end - 1, tree.size - 1
    while first != last and (last & 1 or last == top):
        first, last, top = first >> 1, last >> 1, top >> 1
    if first != last and not proof:
        message = "The consistency proof is too short."
        raise ProofInvalidError(message)
    # A complete subtree is itself a node of the tree; else the proof begins with the largest node in its right corner.
    seed, path = (root_, proof) if first == last else (proof[0], proof[1:])
    ours, theirs = _climb(first, last, top, seed, path)
    if ours != root_ or theirs != tree.root:
        message = f"The proof does not show [{start}, {end}) to be part of the tree of {tree.size}."
        raise ProofInvalidError(message)


def _climb(first: int, last: int, top: int, seed: bytes, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Hash upwards from the node `last` and return the roots of the subtree and of the tree that the path leads to."""
    ours = theirs = seed
    for step in path:
        if top == 0:
            message = "The consistency proof is too long."
            raise ProofInvalidError(message)
        if last & 1 or last == top:
            ours = node_hash(step, ours) if first < last else ours
            theirs = node_hash(step, theirs)
            while not last & 1 and last:
                first, last, top = first >> 1, last >> 1, top >> 1
        else:
            theirs = node_hash(theirs, step)
        first, last, top = first >> 1, last >> 1, top >> 1
    if top != 0:
        message = "The consistency proof is too short."
        raise ProofInvalidError(message)
    return ours, theirs


def is_subtree(start: int, end: int) -> bool:
    """Say whether [start, end) is a subtree: not empty, and `start` a multiple of the power of two that covers it."""
    if not 0 <= start < end:
        return False
    return start % (1 << (end - start - 1).bit_length()) == 0


class CompactRange:
    """The root of a growing tree in O(log n) memory: what a reader of a whole log keeps."""

    def __init__(self) -> None:
        self._peaks: list[tuple[int, bytes]] = []
        self.size = 0

    def append(self, leaf: bytes) -> None:
        level, computed = 0, leaf
        while self._peaks and self._peaks[-1][0] == level:
            computed = node_hash(self._peaks.pop()[1], computed)
            level += 1
        self._peaks.append((level, computed))
        self.size += 1

    def root(self) -> bytes:
        if not self._peaks:
            return EMPTY_ROOT
        computed = self._peaks[-1][1]
        for _, peak in reversed(self._peaks[:-1]):
            computed = node_hash(peak, computed)
        return computed


def fold(hashes: Sequence[bytes]) -> bytes:
    """Return the root over 2^k neighbouring nodes of one level."""
    row = hashes
    while len(row) > 1:
        each = iter(row)
        row = [sha256(b"\x01" + left + right).digest() for left, right in zip(each, each, strict=True)]
    return row[0]


def _split(size: int) -> int:
    """Return the largest power of two smaller than `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def _subtree(nodes: Nodes, start: int, end: int) -> bytes:
    size = end - start
    level = size.bit_length() - 1
    if size == 1 << level:
        return nodes.node(level, start >> level)
    middle = start + _split(size)
    return node_hash(_subtree(nodes, start, middle), _subtree(nodes, middle, end))


def _path(nodes: Nodes, index: int, start: int, end: int) -> Iterator[bytes]:
    if end - start == 1:
        return
    middle = start + _split(end - start)
    if index < middle:
        yield from _path(nodes, index, start, middle)
        yield _subtree(nodes, middle, end)
    else:
        yield from _path(nodes, index, middle, end)
        yield _subtree(nodes, start, middle)


def _consistency(nodes: Nodes, old: int, start: int, end: int, *, whole: bool) -> Iterator[bytes]:
    """Walk as SUBPROOF of RFC 6962 does; `whole` says that the subtree is still the verifier's own old root."""
    if old == end:
        if not whole:
            yield _subtree(nodes, start, end)
        return
    middle = start + _split(end - start)
    if old <= middle:
        yield from _consistency(nodes, old, start, middle, whole=whole)
        yield _subtree(nodes, middle, end)
    else:
        yield from _consistency(nodes, old, middle, end, whole=False)
        yield _subtree(nodes, start, middle)
