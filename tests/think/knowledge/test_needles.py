"""Needles are never stricter than the expression: whatever it matches holds one of them."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from grace.shipped import shipped_folder
from grace.think.knowledge.format import compiled
from grace.think.knowledge.loading import load_knowledge
from grace.think.knowledge.needles import needles, runs_away
from grace.think.knowledge.wording import Wording

KNOWLEDGE = load_knowledge([shipped_folder("knowledge")])
PATTERNS = sorted(
    {
        pattern
        for rule in KNOWLEDGE.rules
        for condition in rule.signature.conditions
        for pattern in (condition.text, condition.type, condition.frame)
        if pattern
    }
)


@pytest.mark.parametrize(
    ("pattern", "asked"),
    [
        (r"\bno space left on device\b", ("no space left on device",)),
        (r"\bdatabase(?: table)? is (?:locked|busy)\b", ("database",)),
        (r"\b(?:locked|busy)\b", ("locked", "busy")),
        (r"\bSQLITE_(?:BUSY|LOCKED)(?:_\w+)?\b", ("sqlite_",)),
        (r"colou?rful", ("colo",)),
        (r"colou?rfully", ("rfully",)),
        (r"a+bcd*efg", ("efg",)),
        (r"timed? out\b", ("time",)),
        (r"foo|barbaz", ("foo", "barbaz")),
        (r"foo|\d+", None),
        (r"(?:disk|inode)s? (?:is |are )?full", ("full",)),
        (r"(?:disks|inodes)s? (?:is |are )?full", ("disks", "inodes")),
        (r"[abc]{3}", None),
        (r"\d\d\d", None),
        (r"x{2,3}yz", None),
        (r"(?!no )errors? in", ("error",)),
        (r"(?P<path>/[a-z]+): denied", (": denied",)),
        (r"(?i:abc)", None),
        (r"disk \(sda\)", ("disk (sda)",)),
        (r"grün und rot", None),
        (r"ab", None),
        (r"(?:)", None),
        ("a{b}cde", None),
    ],
)
def test_the_words_that_every_match_holds(pattern: str, asked: tuple[str, ...] | None) -> None:
    assert needles(pattern) == asked


def test_most_expressions_that_ship_ask_for_a_word() -> None:
    assert sum(needles(pattern) is not None for pattern in PATTERNS) > 0.8 * len(PATTERNS)


def test_every_message_that_an_expression_matches_holds_one_of_its_needles() -> None:
    texts = [Wording(text) for _, text in KNOWLEDGE.samples()]
    missed = [
        (pattern, wording.text)
        for pattern in PATTERNS
        for wording in texts
        if not wording.may_hold(needles(pattern)) and compiled(pattern).search(wording.text)
    ]
    assert missed == []


@settings(max_examples=400, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(st.data())
def test_whatever_an_expression_matches_holds_one_of_its_needles(data: st.DataObject) -> None:
    pattern = data.draw(st.sampled_from(PATTERNS))
    text = data.draw(st.from_regex(re.compile(pattern, re.IGNORECASE | re.MULTILINE)))
    assume(compiled(pattern).search(text))
    assert Wording(text).may_hold(needles(pattern)), (pattern, text, needles(pattern))


@pytest.mark.parametrize(
    "pattern", [r"(a+)+$", r"(?:\w+\s?)*x", r"(a*)*b", r"x(?P<n>[a-z]+){2,}", r"((?:a+))+", r"z(?=(\d+)*y)"]
)
def test_what_repeats_a_repetition_runs_away(pattern: str) -> None:
    assert runs_away(pattern)


@pytest.mark.parametrize("pattern", [r"a+b+", r"(?:\w+\.)*\w*Error", r"(?:ab)+", r"(a+){0,3}", r"[(a+)+]", r"(?:a|b)*"])
def test_a_repetition_with_a_mark_between_does_not(pattern: str) -> None:
    assert runs_away(pattern) is None
