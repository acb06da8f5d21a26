import pytest

from grace.kit.person_names import flaw_of, folded


@pytest.mark.parametrize(
    "other", ["op1 ", " op1", "op1\u200b", "OP1", "o\u00adp1", "\uff4fp1", "op\u00b9", "op1\u00a0", "op1\x07"]
)
def test_what_reads_alike_folds_to_one(other: str) -> None:
    assert folded(other) == folded("op1")


@pytest.mark.parametrize(("one", "other"), [("op1", "op2"), ("ann", "anna"), ("stra\u00dfe", "strae"), ("a b", "ab")])
def test_what_reads_otherwise_stays_apart(one: str, other: str) -> None:
    assert folded(one) != folded(other)


@pytest.mark.parametrize(
    "name", ["op1 ", "\top1", "op1\u200b", "a\nb", "a\u2028b", "\u202eop1", "\ue000", "  ", "\u00a0op1"]
)
def test_a_name_with_edges_or_signs_unseen_is_none(name: str) -> None:
    assert flaw_of(name)


@pytest.mark.parametrize("name", ["op1", "Ada Lovelace", "\u00c5sa", "\u674e", "ops@example.org", "ci/deploy-7", "OP1"])
def test_an_ordinary_name_is_one(name: str) -> None:
    assert not flaw_of(name)
