"""Search the knowledge: passages with their source, ranked by Okapi BM25 over words and beginnings of words."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from grace.model.cause import CAUSES
from grace.think.knowledge.format import KnowledgeRule
from grace.think.knowledge.wording import spelled_names

_SATURATION: Final = 1.2
_LENGTH: Final = 0.75
_TITLE: Final = 3
"""A word of the title counts as often as this."""
_LEAST: Final = 0.4
"""The share of what the question could score at most that a passage has to reach."""
_WORD: Final = re.compile(r"[a-z0-9]+")
_ENDINGS: Final = ("ations", "ation", "ings", "ing", "edly", "ies", "ed", "es", "s")
_SHORTEST_STEM: Final = 4
_EMPTY_WORDS: Final = (
    "a an and are as at be by can do does for from has have how i in is it its me my no not of on or our say should "
    "so that the their them then there they this to was we what when where which who why will with you your fix "
    "about after all any been before but did get got had just keeps only out over show tell up us were"
)
_EMPTY: Final = frozenset(_EMPTY_WORDS.split())


@dataclass(frozen=True, slots=True)
class Found:
    """An entry that speaks of a question, and how well."""

    rule: KnowledgeRule
    score: float


@dataclass(frozen=True, slots=True)
class _Page:
    rule: KnowledgeRule
    counts: Mapping[str, int]
    length: int


@dataclass(frozen=True)
class Index:
    """Every entry by the words in it; built when it is first asked."""

    rules: Sequence[KnowledgeRule]

    def search(self, question: str, limit: int) -> tuple[Found, ...]:
        """Return the entries that speak of a question, best first; none where no word of it is known."""
        asked = tuple(dict.fromkeys(stems(question)))
        most = sum(self._weight(stem) for stem in asked) * (_SATURATION + 1)
        scored = (Found(page.rule, self._score(page, asked)) for page in self._pages)
        good = [one for one in scored if one.score > 0 and one.score >= _LEAST * most / 2]
        return tuple(sorted(good, key=lambda one: (-one.score, one.rule.id))[:limit])

    @cached_property
    def _pages(self) -> tuple[_Page, ...]:
        counted = [(rule, Counter(_words_of(rule))) for rule in self.rules]
        return tuple(_Page(rule, counts, counts.total()) for rule, counts in counted)

    @cached_property
    def _pages_with(self) -> Counter[str]:
        return Counter(stem for page in self._pages for stem in page.counts)

    @cached_property
    def _usual_length(self) -> float:
        return sum(page.length for page in self._pages) / max(1, len(self._pages))

    def _weight(self, stem: str) -> float:
        having = self._pages_with[stem]
        return math.log(1 + (len(self._pages) - having + 0.5) / (having + 0.5)) if having else 0.0

    def _score(self, page: _Page, asked: Iterable[str]) -> float:
        norm = _SATURATION * (1 - _LENGTH + _LENGTH * page.length / self._usual_length)
        return sum(
            self._weight(stem) * count * (_SATURATION + 1) / (count + norm)
            for stem in asked
            if (count := page.counts.get(stem, 0))
        )


def stems(text: str) -> Iterable[str]:
    """Yield the words that carry meaning, without their endings; names made of words also as words."""
    for word in _WORD.findall(f"{text} {spelled_names(text)}".lower()):
        if word not in _EMPTY:
            yield _stem(word)


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_STEM:
            return word[: -len(ending)]
    return word


def _words_of(rule: KnowledgeRule) -> Iterable[str]:
    cause = CAUSES[rule.cause].title if rule.cause in CAUSES else ""
    head = f"{rule.id.replace('-', ' ')} {rule.cause.replace('_', ' ')} {rule.title} {cause}"
    samples = (one if isinstance(one, str) else one.text for one in rule.examples.positive)
    looks = (one.tells for one in rule.looks)
    body = " ".join((rule.advice, rule.versions, *rule.questions, *looks, *samples))
    yield from list(stems(head)) * _TITLE
    yield from stems(body)
