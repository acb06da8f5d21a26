"""The shortlist leaves out rules that cannot match, and no other."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grace.think.knowledge.format import Condition, Examples, KnowledgeRule, Sample, Signature
from grace.think.knowledge.loading import load_knowledge
from grace.think.knowledge.matching import Scene, match, scene_of_sample
from grace.think.knowledge.needles import needles
from grace.think.knowledge.shortlisting import Shortlist
from tests.think.worlds import SHIPPED

RULES = load_knowledge([SHIPPED / "knowledge"]).rules
SHORTLIST = Shortlist.of(RULES)
WORDS = sorted(
    {
        word
        for rule in RULES
        for condition in rule.signature.conditions
        for pattern in (condition.text, condition.type, condition.frame)
        for word in (needles(pattern) if pattern else None) or ()
    }
)
"""Words that rules ask for."""
MESSAGES = Path(__file__).parent.parent / "sentinel"


def may_match(rule: KnowledgeRule, scene: Scene) -> bool:
    needed, some = rule.signature.all, rule.signature.any
    return all(map(scene.may_meet, needed)) and (not some or any(map(scene.may_meet, some)))


def assert_that_the_shortlist_tells(scene: Scene) -> None:
    kept = SHORTLIST.for_scene(scene)
    assert kept == [rule for rule in RULES if may_match(rule, scene)]
    assert [rule.id for rule in kept if match(rule, scene)] == [rule.id for rule in RULES if match(rule, scene)]


def test_every_example_that_ships_is_matched_by_the_same_rules_as_without_it() -> None:
    for rule in RULES:
        for sample in (*rule.examples.positive, *rule.examples.negative):
            assert_that_the_shortlist_tells(scene_of_sample(sample))


def test_every_message_of_real_tools_is_matched_by_the_same_rules_as_without_it() -> None:
    for name in ("held_out.jsonl", "settings_and_results.jsonl"):
        for line in (MESSAGES / name).read_text(encoding="utf-8").splitlines():
            assert_that_the_shortlist_tells(scene_of_sample(json.loads(line)["message"]))


texts = st.lists(st.sampled_from(WORDS) | st.text(max_size=4), max_size=6).map(" ".join)


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(title=texts, message=texts, raised=texts, frames=st.tuples(texts))
def test_whatever_is_said_and_raised_is_matched_by_the_same_rules_as_without_it(
    title: str, message: str, raised: str, frames: tuple[str, ...]
) -> None:
    assert_that_the_shortlist_tells(scene_of_sample(Sample(title=title, message=message, type=raised, frames=frames)))


def test_a_plain_message_leaves_few_rules_to_look_at() -> None:
    assert 1 <= len(SHORTLIST.for_scene(scene_of_sample("connection refused by db-1"))) < len(RULES) / 5


def test_letters_that_are_small_or_capital_in_more_than_one_way_rule_nothing_out() -> None:
    assert SHORTLIST.for_scene(scene_of_sample("\u212aein Platz mehr")) == [rule for rule in RULES if asks_words(rule)]


def asks_words(rule: KnowledgeRule) -> bool:
    """Tell whether the rule may match where only a message was sent."""
    return may_match(rule, scene_of_sample("\u212a"))


def rule_of(signature: Signature) -> KnowledgeRule:
    return KnowledgeRule(
        id="asked",
        cause="resource_exhausted",
        title="For a test",
        signature=signature,
        confidence=0.9,
        source="A document, its chapter",
        examples=Examples(positive=("yes",), negative=("no",)),
    )


def test_all_that_is_needed_and_one_of_the_rest_must_be_possible() -> None:
    disk, full, label = Condition(text="disk"), Condition(text="full|quota"), Condition(labels={"kind": "disk"})
    needs_both = Shortlist.of([rule_of(Signature(all=(disk, full)))])
    needs_one = Shortlist.of([rule_of(Signature(any=(disk, full)))])
    needs_label = Shortlist.of([rule_of(Signature(all=(label,)))])
    scenes = [scene_of_sample(said) for said in ("the disk spins", "quota of the disk", "all is well")]
    assert [len(needs_both.for_scene(scene)) for scene in scenes] == [0, 1, 0]
    assert [len(needs_one.for_scene(scene)) for scene in scenes] == [1, 1, 0]
    assert [len(needs_label.for_scene(scene)) for scene in scenes] == [1, 1, 1]
