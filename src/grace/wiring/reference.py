"""The reference desk: answers questions in words from the knowledge, for chat."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from grace.api.house import Passage
from grace.think.knowledge.format import KnowledgeRule
from grace.think.knowledge.loading import Knowledge

_WORD: Final = re.compile(r"[a-z0-9]+")


@dataclass(frozen=True)
class ReferenceDesk:
    """Ranks the rules by the words that they share with a question, rare words first."""

    knowledge: Knowledge

    def search(self, question: str, limit: int) -> Sequence[Passage]:
        """Return the entries that speak of a question, best first; none where nothing does."""
        asked = set(_words(question))
        scored = [(sum(self._weight(word) for word in asked & words), rule) for rule, words in self._shelf]
        best = sorted((pair for pair in scored if pair[0] > 0), key=lambda pair: -pair[0])
        return [_passage(rule) for _, rule in best[:limit]]

    @cached_property
    def _shelf(self) -> list[tuple[KnowledgeRule, frozenset[str]]]:
        return [(rule, frozenset(_words(_said(rule)))) for rule in self.knowledge.rules]

    @cached_property
    def _rules_with(self) -> Counter[str]:
        return Counter(word for _, words in self._shelf for word in words)

    def _weight(self, word: str) -> float:
        return math.log(len(self._shelf) / self._rules_with[word]) if len(self._shelf) > 1 else 1.0


def _said(rule: KnowledgeRule) -> str:
    examples = (one if isinstance(one, str) else f"{one.type} {one.message}" for one in rule.examples.positive)
    return " ".join((rule.id, rule.cause, rule.title, *rule.checks, *examples))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _passage(rule: KnowledgeRule) -> Passage:
    return Passage(
        pack="",
        entry=rule.id,
        title=rule.title,
        cause=rule.cause,
        advice=rule.checks,
        playbooks=rule.playbooks,
        source=rule.source,
    )
