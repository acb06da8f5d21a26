"""Shortlist: the rules that a scene can meet at all, found in one pass over its letters, however many rules there are.

Each needle is filed under three of its letters, the ones that the fewest needles have. The letters of a text, three by
three, lead to the needles that may stand in it, and those to the conditions. A rule that is left out cannot match; one
that is kept still has to be held against the scene.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from grace.think.knowledge.format import KnowledgeRule
from grace.think.knowledge.matching import Scene
from grace.think.knowledge.needles import SHORTEST, needles
from grace.think.knowledge.wording import Wording

_Conditions = int
"""A set of conditions: bit n is the n-th."""


@dataclass(frozen=True, slots=True)
class _Filed:
    """What the conditions ask of one part of a scene: of its texts, its types or its frames."""

    every: _Conditions
    asking_nothing: _Conditions
    by_letters: Mapping[str, Sequence[tuple[str, _Conditions]]]

    def met_by(self, wording: Wording) -> _Conditions:
        """Return the conditions that this part does not rule out."""
        small = wording.small
        if not small and wording.text:
            return self.every
        met = self.asking_nothing
        for letters in _letters(small):
            for needle, conditions in self.by_letters.get(letters, ()):
                if needle in small:
                    met |= conditions
        return met


@dataclass(frozen=True, slots=True)
class _Entry:
    """A rule, with the conditions that it needs all of, and those of which it needs one."""

    rule: KnowledgeRule
    every: _Conditions
    some: _Conditions


@dataclass(frozen=True, slots=True)
class Shortlist:
    """All rules, filed by what they ask for."""

    _entries: tuple[_Entry, ...]
    _texts: _Filed
    _types: _Filed
    _frames: _Filed

    @classmethod
    def of(cls, rules: Iterable[KnowledgeRule]) -> Shortlist:
        """File the rules."""
        asked = [(rule, [*rule.signature.all, *rule.signature.any]) for rule in rules]
        conditions = [condition for _, own in asked for condition in own]
        entries: list[_Entry] = []
        first = 0
        for rule, own in asked:
            needed = len(rule.signature.all)
            entries.append(_Entry(rule, _bits(first, needed), _bits(first + needed, len(own) - needed)))
            first += len(own)
        return cls(
            tuple(entries),
            _filed([condition.text for condition in conditions]),
            _filed([condition.type for condition in conditions]),
            _filed([condition.frame for condition in conditions]),
        )

    def for_scene(self, scene: Scene) -> list[KnowledgeRule]:
        """Return the rules that may match a scene, in their order; every other one does not."""
        may_be_met = (
            self._texts.met_by(scene.texts) & self._types.met_by(scene.types) & self._frames.met_by(scene.frames)
        )
        return [
            one.rule
            for one in self._entries
            if one.every & may_be_met == one.every and (not one.some or one.some & may_be_met)
        ]


def _bits(first: int, count: int) -> _Conditions:
    return ((1 << count) - 1) << first


def _filed(patterns: Sequence[str | None]) -> _Filed:
    asking_nothing: _Conditions = 0
    asking: dict[str, _Conditions] = {}
    for number, pattern in enumerate(patterns):
        asked = needles(pattern) if pattern else None
        if not asked:
            asking_nothing |= 1 << number
        for needle in asked or ():
            asking[needle] = asking.get(needle, 0) | 1 << number
    shared = Counter(letters for needle in asking for letters in _letters(needle))
    by_letters: dict[str, list[tuple[str, _Conditions]]] = {}
    for needle, conditions in asking.items():
        rarest = min(_letters(needle), key=lambda letters: (shared[letters], letters))
        by_letters.setdefault(rarest, []).append((needle, conditions))
    return _Filed(_bits(0, len(patterns)), asking_nothing, by_letters)


def _letters(text: str) -> set[str]:
    """Return what stands in a text of as many letters as the shortest needle has."""
    return {text[at : at + SHORTEST] for at in range(len(text) - SHORTEST + 1)}
