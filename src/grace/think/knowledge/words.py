"""A model of words: which cause the wording of a message resembles, learned from every example in the packs.

Complement naive Bayes (Rennie et al., 2003) over words, pairs of words and parts of words; plain Python, fitted in
some tens of milliseconds when it is first asked. It ranks what the rules leave open and never speaks alone.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from grace.think.knowledge.wording import Wording

_SMOOTHING: Final = 0.3
_PART: Final = 4
_MOST_WORDS: Final = 120
_WORD: Final = re.compile(r"[A-Za-z]+|\d+")
_STATUS: Final = re.compile(r"[45]\d\d")
_NAME: Final = " name "


def features(wording: Wording) -> Iterator[str]:
    """Yield what the model looks at: names and numbers are hidden, so that it learns the kind and not the case."""
    words = [_shape(one) for one in _WORD.findall(_without_names(wording))[:_MOST_WORDS]]
    yield from words
    yield from (f"{one} {other}" for one, other in pairwise(words))
    for word in words:
        if len(word) > _PART:
            yield from (f"~{word[at : at + _PART]}" for at in range(len(word) - _PART + 1))


def _shape(word: str) -> str:
    """Hide numbers, but for those that are likely a status of HTTP."""
    if not word.isdecimal():
        return word.lower()
    return f"#{word}" if _STATUS.fullmatch(word) else "#"


def _without_names(wording: Wording) -> str:
    parts: list[str] = []
    at = 0
    for start, end in wording.names:
        parts.append(wording.text[at:start])
        at = end
    return _NAME.join([*parts, wording.text[at:]])


@dataclass(frozen=True, slots=True)
class WordModel:
    """What each feature says about each cause."""

    causes: tuple[str, ...]
    weights: Mapping[str, tuple[float, ...]]

    def leanings(self, wording: Wording) -> dict[str, float]:
        """Return for each cause how much the wording leans to it: 0 on average, above for those it resembles."""
        sums = [0.0] * len(self.causes)
        seen = 0.0
        for feature, count in Counter(features(wording)).items():
            weights = self.weights.get(feature)
            if weights is None:
                continue
            times = math.log1p(count)
            seen += times * times
            for index, weight in enumerate(weights):
                sums[index] += times * weight
        if not seen:
            return {}
        length = math.sqrt(seen)
        return {cause: value / length for cause, value in zip(self.causes, sums, strict=True)}


def fit(samples: Iterable[tuple[str, Wording]]) -> WordModel:
    """Learn from messages with their causes."""
    counts: dict[str, Counter[str]] = {}
    for cause, wording in samples:
        times = {feature: math.log1p(count) for feature, count in Counter(features(wording)).items()}
        length = math.sqrt(sum(one * one for one in times.values())) or 1.0
        here = counts.setdefault(cause, Counter())
        for feature, one in times.items():
            here[feature] += one / length  # pyright: ignore[reportArgumentType]
    causes = tuple(sorted(counts))
    return WordModel(causes, _weights([counts[cause] for cause in causes]))


def _weights(counts: list[Counter[str]]) -> dict[str, tuple[float, ...]]:
    every: Counter[str] = Counter()
    holders: dict[str, list[int]] = {}
    for index, one in enumerate(counts):
        every.update(one)
        for feature in one:
            holders.setdefault(feature, []).append(index)
    spread = _SMOOTHING * len(every)
    own = [math.log(one.total() + spread) for one in counts]
    others = [math.log(every.total() - one.total() + spread) for one in counts]
    found: dict[str, tuple[float, ...]] = {}
    for feature, total in every.items():
        raw = _of_absent(total, own, others)
        for index in holders[feature]:
            count = counts[index][feature]
            rest = math.log(max(0.0, total - count) + _SMOOTHING)
            raw[index] = math.log(count + _SMOOTHING) - own[index] - rest + others[index]
        mean = sum(raw) / len(raw)
        found[feature] = tuple([value - mean for value in raw])
    return found


def _of_absent(total: float, own: list[float], others: list[float]) -> list[float]:
    """Return what a feature says about causes whose messages do not hold it, as most do not: two logarithms for all."""
    nothing, rest = math.log(_SMOOTHING), math.log(total + _SMOOTHING)
    return [nothing - mine - rest + theirs for mine, theirs in zip(own, others, strict=True)]
