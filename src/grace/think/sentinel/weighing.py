"""Weigh the evidence: rules that match, what explains what, and what the wording resembles; one probability a cause."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from grace.model.cause import BENIGN_CAUSE
from grace.think.knowledge.loading import Knowledge
from grace.think.knowledge.matching import Match, Scene, match
from grace.think.knowledge.wording import Wording

RULES: Final = 1.8
"""How much a rule counts, in its own log odds."""
SECOND: Final = 0.2
"""How much of that each further rule for the same cause adds."""
WORDS: Final = 0.5
"""How much the wording counts where no rule matches ..."""
WORDS_BESIDE_RULES: Final = 0.25
"""... and where some do."""
EXPLAINED: Final = 0.15
"""What remains of the evidence for a consequence, beside its cause."""
NOTHING: Final = 1.2
"""The log odds of none of the causes, which every cause has to outweigh."""
_HALF: Final = 0.5
_SURE_ENOUGH: Final = 0.7
SAYS_SO: Final = 0.8
"""A message that says itself that all is well; one that merely lacks words of trouble outweighs nothing."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """A cause with all that speaks for it."""

    cause: str
    probability: float
    matches: tuple[Match, ...] = ()
    leaning: float = 0.0
    explained_by: str | None = None

    @property
    def rules(self) -> str:
        return ", ".join(dict.fromkeys(one.rule.id for one in self.matches))


def weigh(scene: Scene, knowledge: Knowledge) -> tuple[Weighed, ...]:
    """Return every cause that something speaks for, the most probable first; their sum is below 1."""
    matches: dict[str, list[Match]] = {}
    for rule in knowledge.shortlist.for_scene(scene):
        if one := match(rule, scene):
            matches.setdefault(rule.cause, []).append(one)
    leanings = knowledge.words.leanings(Wording(scene.text))
    return balance(matches, leanings)


def balance(matches: Mapping[str, Sequence[Match]], leanings: Mapping[str, float]) -> tuple[Weighed, ...]:
    """Turn matches and leanings into probabilities."""
    explained = {cause: _explaining(cause, matches) for cause in matches}
    share = WORDS_BESIDE_RULES if matches else WORDS
    scores = {cause: share * leaning for cause, leaning in leanings.items()}
    for cause, found in matches.items():
        remains = EXPLAINED if explained[cause] else 1.0
        scores[cause] = scores.get(cause, 0.0) + RULES * remains * _evidence(found)
    total = math.exp(NOTHING) + sum(math.exp(score) for score in scores.values())
    weighed = (
        Weighed(
            cause,
            math.exp(score) / total,
            _surest_first(matches.get(cause, ())),
            leanings.get(cause, 0.0),
            explained.get(cause),
        )
        for cause, score in scores.items()
    )
    return tuple(sorted(weighed, key=lambda one: (-one.probability, one.cause)))


def _surest_first(matches: Iterable[Match]) -> tuple[Match, ...]:
    return tuple(sorted(matches, key=lambda one: (-strength(one), one.rule.id)))


def strength(one: Match) -> float:
    """Return the log odds that a match gives to its cause."""
    return one.weight * math.log(one.rule.confidence / (1 - one.rule.confidence))


def _evidence(matches: Sequence[Match]) -> float:
    first, *others = sorted((strength(one) for one in matches), reverse=True)
    return first + SECOND * sum(max(0.0, one) for one in others[:3])


def _explaining(cause: str, matches: Mapping[str, Sequence[Match]]) -> str | None:
    """Return the cause of which this one is a mere consequence here, if there is one."""
    own = {explained for one in matches[cause] for explained in one.rule.explains}
    firmest = max(strength(one) for one in matches[cause])
    for other, found in matches.items():
        explaining = [strength(one) for one in found if cause in one.rule.explains and one.weight >= _HALF]
        # Where each would explain the other, the firmer one does: the surer rule, deeper in the chain of causes.
        if other != cause and explaining and (other not in own or max(explaining) > firmest):
            return other
    if wrapped := _wrapped(cause, matches):
        return wrapped
    return BENIGN_CAUSE if cause != BENIGN_CAUSE and says_so(matches.get(BENIGN_CAUSE, ()), SAYS_SO) else None


def _wrapped(cause: str, matches: Mapping[str, Sequence[Match]]) -> str | None:
    """Return what a program stopped for, where this cause only says that it stopped: `panic: … connection refused`."""
    if not all(one.rule.wraps for one in matches[cause]):
        return None
    firmest = {
        other: max(strength(one) for one in found)
        for other, found in matches.items()
        if other not in (cause, BENIGN_CAUSE) and says_so(found, _SURE_ENOUGH)
    }
    return max(firmest, key=lambda other: firmest[other], default=None)


def says_so(matches: Iterable[Match], least: float) -> bool:
    """Tell whether a rule this sure finds the cause in more than a name or a denial."""
    return any(one.weight >= _HALF and one.rule.confidence >= least for one in matches)
