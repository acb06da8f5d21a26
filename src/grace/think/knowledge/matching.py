"""Hold a rule against a signal: which conditions are met, where, and how much that counts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from grace.model.cause import BENIGN_CAUSE
from grace.model.signal import Frame, Raised, Signal
from grace.think.knowledge.format import Condition, KnowledgeRule, Sample, compiled
from grace.think.knowledge.needles import needles
from grace.think.knowledge.wording import DENIED, NOTHING, Wording, wording_of, wording_of_name

_SHOWN: Final = 120
_AROUND: Final = 30
_MOST_PLACES: Final = 6
"""So many places of one expression are weighed."""
_TYPE_AT_START: Final = re.compile(
    r"^[ \t]*(?:(?:Caused by|Error|error|ERROR|fatal|psql|PHP Fatal error|"
    r"Unhandled exception|Uncaught exception|\[\w{4,8}\])"
    r"[.:]?[ \t]*)?(?:Uncaught[ \t]+|Exception in thread \"[^\"\n]{0,80}\"[ \t]+)?"
    r"(?P<type>[A-Za-z_][\w.]{2,150}(?:Error|Exception|Timeout|Warning|Expired|Refused)\w{0,40})(?::\s|[ \t]*$)",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Place:
    """One part of a signal that is looked at as a whole: the message, or one exception."""

    name: str
    texts: tuple[Wording, ...]
    type: Wording = NOTHING
    frames: tuple[Wording, ...] = ()


@dataclass(frozen=True)
class Scene:
    """A signal, made ready to be looked at by many rules."""

    places: tuple[Place, ...]
    labels: Mapping[str, str] = field(default_factory=dict[str, str])

    def may_meet(self, condition: Condition) -> bool:
        """Tell whether the words that the condition cannot do without stand anywhere at all."""
        return (
            (not condition.text or self.texts.may_hold(needles(condition.text)))
            and (not condition.type or self.types.may_hold(needles(condition.type)))
            and (not condition.frame or self.frames.may_hold(needles(condition.frame)))
        )

    @cached_property
    def texts(self) -> Wording:
        """Return the texts of all places as one."""
        return Wording("\n".join(text.text for place in self.places for text in place.texts))

    @cached_property
    def types(self) -> Wording:
        """Return the types of all places as one text."""
        return Wording("\n".join(place.type.text for place in self.places))

    @cached_property
    def frames(self) -> Wording:
        """Return the frames of all places as one text."""
        return Wording("\n".join(frame.text for place in self.places for frame in place.frames))

    @property
    def text(self) -> str:
        """Return all that is said, each line once."""
        said = (wording.text for place in self.places for wording in (place.type, *place.texts))
        return "\n".join(dict.fromkeys(text for text in said if text))


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a condition was met by, where, how much it counts, and what it says of itself."""

    what: str
    where: str
    weight: float = 1.0
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Match:
    """A rule and what it was met by."""

    rule: KnowledgeRule
    sightings: tuple[Sighting, ...]

    @property
    def weight(self) -> float:
        """Return how much the match counts: as much as the best of what it was met by."""
        return max((one.weight for one in self.sightings), default=0.0)

    @property
    def labels(self) -> dict[str, str]:
        """Return what the rule and the message say: `engine` of the rule, `path` of the message."""
        said = {name: value for one in self.sightings for name, value in one.labels}
        return {**self.rule.labels, **said}


def scene_of_signal(signal: Signal, labels: Mapping[str, str] | None = None) -> Scene:
    """Return what the rules look at; `labels` are the incident's, beneath the signal's own."""
    raised = tuple({id(one): one for one in (*_optional(signal.exception), *signal.chain)}.values())
    said = _place_of_message(signal.title, signal.message)
    return Scene((*said, *(_place_of(one) for one in raised)), {**(labels or {}), **signal.labels})


def scene_of_sample(sample: str | Sample) -> Scene:
    if isinstance(sample, str):
        return Scene(tuple(_place_of_message("", sample)))
    frames = tuple(wording_of_name(frame) for frame in sample.frames)
    places = (
        *_place_of_message(sample.title, sample.message),
        Place("exception", (wording_of(sample.message),), wording_of_name(sample.type), frames),
    )
    return Scene(places, sample.labels)


def match(rule: KnowledgeRule, scene: Scene) -> Match | None:
    """Return the match of a rule, with a sighting for each condition that was met; None when it does not match."""
    signature = rule.signature
    calm = 1.0 if rule.cause == BENIGN_CAUSE else DENIED
    every = [_sighting(condition, scene, calm) for condition in signature.all]
    if not all(every):
        return None
    some = [one for condition in signature.any if (one := _sighting(condition, scene, calm))]
    if signature.any and not some:
        return None
    if any(_sighting(condition, scene, calm) for condition in signature.none):
        return None
    return Match(rule, tuple(dict.fromkeys(one for one in (*every, *some) if one)))


def _optional(raised: Raised | None) -> tuple[Raised, ...]:
    return () if raised is None else (raised,)


def _place_of_message(title: str, message: str) -> Iterator[Place]:
    # A title is mostly the beginning of the message; looking at it twice finds nothing new.
    said = (message,) if title and message.startswith(title) else (title, message)
    texts = tuple(wording_of(text) for text in said if text)
    if texts:
        yield Place("message", texts)
    for wording in texts:
        for found in _TYPE_AT_START.finditer(wording.text):
            line = wording.text[found.start() :].strip().partition("\n")[0]
            yield Place(f"message ({found['type']})", (wording_of(line),), wording_of_name(found["type"]))


def _place_of(raised: Raised) -> Place:
    name = raised.name
    frames = tuple(wording_of_name(_frame(frame)) for frame in raised.frames)
    return Place(f"exception {name}", (wording_of(raised.message),), wording_of_name(name), frames)


def _frame(frame: Frame) -> str:
    return f"{frame.module}:{frame.function} ({frame.file})"


def _sighting(condition: Condition, scene: Scene, calm: float) -> Sighting | None:
    if not scene.may_meet(condition):
        return None
    in_labels = _in_labels(condition, scene.labels)
    if condition.labels and in_labels is None:
        return None
    if not (condition.text or condition.type or condition.frame):
        return in_labels
    found = (one for place in scene.places if (one := _in_place(condition, place, calm)))
    return max(found, key=lambda one: one.weight, default=None)


def _in_labels(condition: Condition, labels: Mapping[str, str]) -> Sighting | None:
    found = None
    for name, pattern in condition.labels.items():
        if name not in labels or not compiled(pattern).search(labels[name]):
            return None
        found = found or Sighting(f"{name}={labels[name]}"[:_SHOWN], "labels")
    return found


def _in_place(condition: Condition, place: Place, calm: float) -> Sighting | None:
    asked = ((condition.text, place.texts), (condition.type, (place.type,)), (condition.frame, place.frames))
    found = [_first(pattern, texts, place.name, calm) for pattern, texts in asked if pattern]
    if not all(found):
        return None
    met = [one for one in found if one]
    labels = tuple(pair for one in met for pair in one.labels)
    return Sighting(met[0].what, place.name, min(one.weight for one in met), labels)


def _first(pattern: str, texts: Iterable[Wording], where: str, calm: float) -> Sighting | None:
    """Return the sighting that counts most, the first among equals; in calm words it counts by that factor."""
    best: Sighting | None = None
    for wording in texts:
        for number, found in enumerate(compiled(pattern).finditer(wording.text)):
            weight = wording.weight(*found.span()) * (calm if wording.is_calm(*found.span()) else 1.0)
            if best is None or weight > best.weight:
                best = Sighting(_excerpt(wording, found), where, weight, _said(found))
            if weight == 1 or number >= _MOST_PLACES:
                break
    return best


def _said(found: re.Match[str]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in sorted(found.groupdict().items()) if value)


def _excerpt(wording: Wording, found: re.Match[str]) -> str:
    text = wording.text[: wording.said] if 0 <= found.end() <= wording.said else wording.text
    start = max(0, found.start() - _AROUND)
    end = min(len(text), max(found.end() + _AROUND, start + _SHOWN))
    cut = " ".join(text[start:end].split())
    return f"{'…' if start else ''}{cut}{'…' if end < len(text) else ''}"
