"""The published proof vectors of github.com/transparency-dev/merkle, all of them."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from grace.record.ledger.tree import (
    ProofInvalidError,
    TreeHead,
    verify_consistency,
    verify_inclusion,
    verify_subtree_consistency,
    verify_subtree_inclusion,
)

Case = dict[str, Any]


def _raw(text: str | None) -> bytes:
    return base64.b64decode(text or "")


def _proof(case: Case) -> list[bytes]:
    steps: list[str] = case["proof"] or []
    return [_raw(step) for step in steps]


def _inclusion(case: Case) -> None:
    verify_inclusion(case["leafIdx"], _raw(case["leafHash"]), case["treeSize"], _proof(case), _raw(case["root"]))


def _consistency(case: Case) -> None:
    old, new = TreeHead(case["size1"], _raw(case["root1"])), TreeHead(case["size2"], _raw(case["root2"]))
    verify_consistency(old, new, _proof(case))


def _subtree_inclusion(case: Case) -> None:
    leaf, root = _raw(case["leafHash"]), _raw(case["root"])
    verify_subtree_inclusion(case["leafIdx"], leaf, case["start"], case["end"], _proof(case), root)


def _subtree_consistency(case: Case) -> None:
    tree = TreeHead(case["size"], _raw(case["root2"]))
    verify_subtree_consistency(case["start"], case["end"], _raw(case["root1"]), tree, _proof(case))


KINDS: Final[dict[str, tuple[Callable[[Case], None], int]]] = {
    "inclusion": (_inclusion, 98),
    "consistency": (_consistency, 98),
    "subtreeinclusion": (_subtree_inclusion, 204),
    "subtreeconsistency": (_subtree_consistency, 118),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_published_vector_comes_out_as_it_should(shared_data: Path, kind: str) -> None:
    verify, expected_count = KINDS[kind]
    paths = sorted((shared_data / "merkle_vectors" / "testdata" / kind).rglob("*.json"))
    assert len(paths) >= expected_count
    wrong = [path.name for path in paths if _is_refused(verify, json.loads(path.read_text())) is None]
    assert wrong == []


def _is_refused(verify: Callable[[Case], None], case: Case) -> bool | None:
    """Return whether the case was refused as it says, None when it came out the other way."""
    try:
        verify(case)
    except ProofInvalidError:
        return True if case["wantErr"] else None
    return None if case["wantErr"] else False
