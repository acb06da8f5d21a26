"""Search the knowledge: passages with their source, ranked by Okapi BM25 over words and beginnings of words."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Final

from grace.model.cause import CAUSES
from grace.think.knowledge.format import KnowledgeRule
from grace.think.knowledge.wording import spelled_names

_SATURATION: Final = 1.2
_LENGTH: Final = 0.75
_TITLE: Final = 3
"""A word of the title counts as often as this."""
_SIGNED: Final = 2
"""A word of the signature, or a name in the source such as PostgreSQL, counts as often as this."""
_LEAST: Final = 0.5
"""The share of the question's words, each by how rare it is, that a passage has to speak of."""
_ONLY_BESIDE: Final = 0.4
"""A word that stands only in an entry's advice or examples speaks this much for it."""
_WORD: Final = re.compile(r"[a-z0-9]+")
_ENDINGS: Final = ("ations", "ation", "ings", "ing", "edly", "ies", "ed", "es", "s")
_SHORTEST_STEM: Final = 4
_EMPTY_WORDS: Final = (
    "a an and are as at be by can do does for from has have how i in is it its me my no not of on or our say should "
    "so that the their them then there they this to was we what when where which who why will with you your fix "
    "about after all any been before but did get got had just keeps only out over show tell up us were "
    "says said please now want need am if else some anything something everything nothing today always again still "
    "would could may might also really very don didn doesn isn aren wasn won t s m re ve d ll here cause causes"
)
_EMPTY: Final = frozenset(_EMPTY_WORDS.split())
_ALSO: Final = {"postgres": "postgresql", "psql": "postgresql", "k8s": "kubernetes", "mongo": "mongodb"}
"""Names that people use for what the packs call otherwise."""
_NOT_WORDS: Final = re.compile(r"\\[a-zA-Z]|\(\?[a-zA-Z:=!<>]+")
_LETTERS: Final = re.compile(r"[A-Za-z]{3,}")


@dataclass(frozen=True, slots=True)
class Found:
    """An entry that speaks of a question, and how well."""

    rule: KnowledgeRule
    score: float


@dataclass(frozen=True, slots=True)
class _Page:
    rule: KnowledgeRule
    own: frozenset[str]
    """The words of its id, title, cause, signature and source."""
    counts: Mapping[str, int]
    length: int


@dataclass(frozen=True)
class Index:
    """Every entry by the words in it; built when it is first asked."""

    rules: Sequence[KnowledgeRule]

    def search(self, question: str, limit: int) -> tuple[Found, ...]:
        """Return the entries that speak of a question, best first; none where none speaks of enough of it."""
        asked = tuple(dict.fromkeys(stems(question)))
        whole = sum(map(self._weight, asked))
        terms = (*asked, *_pairs(asked))
        good = [page for page in self._pages if whole and self._spoken_of(page, asked) >= _LEAST * whole]
        found = (Found(page.rule, self._score(page, terms)) for page in good)
        return tuple(sorted(found, key=lambda one: (-one.score, one.rule.id))[:limit])

    @cached_property
    def _pages(self) -> tuple[_Page, ...]:
        return tuple(_page(rule) for rule in self.rules)

    @cached_property
    def _pages_with(self) -> Counter[str]:
        return Counter(stem for page in self._pages for stem in page.counts)

    @cached_property
    def _usual_length(self) -> float:
        return sum(page.length for page in self._pages) / max(1, len(self._pages))

    def _weight(self, stem: str) -> float:
        """Return how rare a word is; one that stands nowhere is the rarest, so that it speaks against every entry."""
        having = self._pages_with[stem]
        return math.log(1 + (len(self._pages) - having + 0.5) / (having + 0.5))

    def _spoken_of(self, page: _Page, asked: Iterable[str]) -> float:
        return sum(
            self._weight(stem) * (1 if stem in page.own else _ONLY_BESIDE) for stem in asked if stem in page.counts
        )

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
            yield _stem(_ALSO.get(word) or word)


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_STEM:
            return word[: -len(ending)]
    return word


def _pairs(words: Sequence[str]) -> Iterable[str]:
    """Yield words that stand beside each other, in either order: a full disk is a disk that is full."""
    return (" ".join(sorted(pair)) for pair in pairwise(words))


def _page(rule: KnowledgeRule) -> _Page:
    cause = CAUSES[rule.cause].title if rule.cause in CAUSES else ""
    head = list(stems(f"{rule.id.replace('-', ' ')} {rule.cause.replace('_', ' ')} {rule.title} {cause}"))
    source = rule.source if isinstance(rule.source, str) else rule.source.title
    signed = set(stems(f"{_signature_words(rule)} {source} {rule.versions}"))
    samples = (one if isinstance(one, str) else one.text for one in rule.examples.positive)
    looks = (one.tells for one in rule.looks)
    body = [
        list(stems(text))
        for text in (rule.id.replace("-", " "), rule.title, rule.advice, *rule.questions, *looks, *samples)
    ]
    counts = Counter(head * _TITLE)
    counts.update(sorted(signed) * _SIGNED)
    for words in body:
        counts.update(words)
        counts.update(_pairs(words))
    return _Page(rule, frozenset((*head, *signed)), counts, sum(map(len, body)) + _TITLE * len(head))


def _signature_words(rule: KnowledgeRule) -> str:
    """Return the words that the signature looks for, without what only steers its expressions."""
    conditions = (*rule.signature.all, *rule.signature.any)
    patterns = (pattern for one in conditions for pattern in (one.text, one.type) if pattern)
    return " ".join(_LETTERS.findall(_NOT_WORDS.sub(" ", " ".join(patterns))))
