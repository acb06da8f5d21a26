"""Objects: what stands behind a verb. It is read whole: one word that cannot be read makes the object unclear."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from grace.api.chat.intents import LAST, THIS
from grace.api.chat.references import is_reference, kind_of, words_of
from grace.api.chat.vocabulary import EVERYTHING, HALT_END_FILLER, HALT_FILLER, IT, NEWEST, NOT, OBJECT_FILLER

_SHOWN: Final = 6
_TAKES_BACK: Final = frozenset({"not", "don't", "dont", "never", "no", "wait"})
_BECAUSE: Final = re.compile(r"\s+(?:because|since|due to|as|until|till|while|during|so that)\s+", re.IGNORECASE)
_STOP: Final = re.compile(r"[!.;:]+\s+|\s+[-\N{EN DASH}\N{EM DASH}]+\s+")


@dataclass(frozen=True, slots=True)
class Unclear:
    """Words that name nothing which can be acted on."""

    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Halted:
    """Which services a halt names, none: everything; and why."""

    services: tuple[str, ...]
    reason: str = ""


def object_in(text: str, kind: str) -> str | Unclear:
    """Return the one id of a kind, THIS or LAST; Unclear where nothing, too much, or any other word stands."""
    words = words_of(text)
    ids = tuple(dict.fromkeys(word for word in words if is_reference(word)))
    rest = [word.lower() for word in words if not is_reference(word)]
    if len(ids) > 1 or any(kind_of(one) != kind for one in ids) or not (IT | NEWEST | OBJECT_FILLER).issuperset(rest):
        return Unclear(words[:_SHOWN])
    if ids:
        return ids[0]
    if NEWEST.intersection(rest):
        return LAST
    return THIS if IT.intersection(rest) else Unclear()


def halted_in(text: str, services: frozenset[str]) -> Halted | Unclear:
    """Read what stands behind `halt`: filler, words for everything, or services, and then perhaps a reason."""
    scope, reason = _parted(text, services)
    words = words_of(scope)
    named = _named(words, HALT_FILLER | EVERYTHING, services)
    is_question = text.rstrip().endswith("?")
    if is_question or NOT.intersection(named) or (not named and _means_one(words)):
        return Unclear(words[:_SHOWN])
    return Halted(named, reason)


def end_of_halt_in(text: str, services: frozenset[str]) -> tuple[str, ...]:
    """Return the words behind `resume` that are neither filler nor mean everything."""
    return _named(words_of(text), HALT_END_FILLER | EVERYTHING, services)


def _named(words: tuple[str, ...], passed_over: frozenset[str], services: frozenset[str]) -> tuple[str, ...]:
    low = (word.lower() for word in words)
    return tuple(dict.fromkeys(word for word in low if word in services or word not in passed_over | {"service"}))


def _means_one(words: tuple[str, ...]) -> bool:
    """Tell whether one service is meant without being named."""
    return "service" in (word.lower() for word in words)


def _parted(text: str, services: frozenset[str]) -> tuple[str, str]:
    """Part what is halted from why. What follows a full stop is a reason only if it says more than what to halt."""
    if said := _BECAUSE.search(text):
        return text[: said.start()], text[said.end() :].strip()
    said = _STOP.search(text)
    if said is None:
        return text, ""
    after = words_of(text[said.end() :])
    is_scope = not _named(after, HALT_FILLER | EVERYTHING, services)
    takes_back = _TAKES_BACK.intersection(word.lower() for word in after[:2])
    if is_scope or takes_back or services.intersection(word.lower() for word in after):
        return text, ""
    return text[: said.start()], text[said.end() :].strip()
