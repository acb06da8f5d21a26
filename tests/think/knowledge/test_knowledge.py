from __future__ import annotations

from pathlib import Path

import pytest

from grace.think.knowledge.format import KnowledgeRule
from grace.think.knowledge.loading import load_knowledge
from grace.think.knowledge.matching import LONGEST_TEXT, match, scene_of_sample
from tests.think.worlds import SHIPPED

KNOWLEDGE = load_knowledge([SHIPPED / "knowledge"])
CAUSES = {
    "database_locked",
    "dependency_unavailable",
    "permission_denied",
    "resource_exhausted",
    "timeout",
    "validation_error",
}
PACK = """\
format: 1
pack: test
version: 1.0.0
summary: For a test
rules:
  - id: full
    cause: resource_exhausted
    title: A disk is full
    signature: {any: [{text: '\\bno space left\\b'}]}
    confidence: 0.9
    source: "POSIX.1-2017, <errno.h>, ENOSPC"
    examples: {positive: [no space left on device], negative: [there is space left]}
"""


def flaws_of(folder: Path, text: str) -> list[str]:
    (folder / "pack.yaml").write_text(text)
    return [f"{one.line}: {one.rule}: {one.message}" for one in load_knowledge([folder]).flaws]


def test_what_ships_is_without_flaw_and_finds_six_causes() -> None:
    assert KNOWLEDGE.flaws == ()
    assert KNOWLEDGE.causes == CAUSES


@pytest.mark.parametrize("rule", KNOWLEDGE.rules, ids=lambda rule: rule.id)
def test_a_rule_finds_its_examples_and_leaves_the_others_alone(rule: KnowledgeRule) -> None:
    for sample in rule.examples.positive:
        assert match(rule, scene_of_sample(sample)), sample
    for sample in rule.examples.negative:
        assert match(rule, scene_of_sample(sample)) is None, sample


@pytest.mark.parametrize("rule", KNOWLEDGE.rules, ids=lambda rule: rule.id)
def test_an_example_of_one_cause_never_speaks_for_another_without_being_explained(rule: KnowledgeRule) -> None:
    for sample in rule.examples.positive:
        scene = scene_of_sample(sample)
        others = {one.cause for one in KNOWLEDGE.rules if one.cause != rule.cause and match(one, scene)}
        explained = {
            cause for one in KNOWLEDGE.rules if one.cause == rule.cause and match(one, scene) for cause in one.explains
        }

        assert others <= explained, (sample, others - explained)


@pytest.mark.parametrize(
    "filler", ["a ", "lock ", "could not lock ", "connection ", "invalid token ", "x.", "=", "\n", "timeout due to "]
)
@pytest.mark.timeout(60)
def test_no_rule_takes_long_over_a_hostile_text(filler: str) -> None:
    scene = scene_of_sample((filler * LONGEST_TEXT)[: 2 * LONGEST_TEXT])

    for rule in KNOWLEDGE.rules:
        match(rule, scene)


def test_every_rule_names_a_published_source() -> None:
    assert all(len(rule.source) > 20 and "http" not in rule.source for rule in KNOWLEDGE.rules)


def test_the_digest_follows_the_content_and_not_the_comments(tmp_path: Path) -> None:
    (tmp_path / "pack.yaml").write_text(PACK)
    first = load_knowledge([tmp_path]).digest
    (tmp_path / "pack.yaml").write_text("# a comment\n" + PACK)
    same = load_knowledge([tmp_path]).digest
    (tmp_path / "pack.yaml").write_text(PACK.replace("0.9", "0.8"))

    assert first == same
    assert first != load_knowledge([tmp_path]).digest


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("negative: [there is space left]", "negative: [no space left here]", "wrongly finds"),
        ("positive: [no space left on device]", "positive: [it is full]", "does not find"),
        ("\\bno space left\\b", "no (space", "not a regular expression"),
        ("\\bno space left\\b", "(no space left)?", "every text"),
        ("cause: resource_exhausted", "cause: unknown", "unknown"),
        ("{any: [{text: '\\bno space left\\b'}]}", "{none: [{text: x}]}", "all"),
        ("{any: [{text: '\\bno space left\\b'}]}", "{any: [{}]}", "at least one of"),
        ("confidence: 0.9", "confidence: 1.0", "less than 1"),
        ("confidence: 0.9", "confidnce: 0.9", "confidnce"),
        ("format: 1", "format: 1\nformat: 1", "twice"),
    ],
)
def test_a_broken_file_gives_no_rules_and_tells_why(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert old in PACK
    said = flaws_of(tmp_path, PACK.replace(old, new, 1))

    assert any(told in one for one in said), said
    assert load_knowledge([tmp_path]).rules == ()


def test_a_rule_stands_once(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(PACK)

    assert "also in another file" in flaws_of(tmp_path, PACK)[0]
