"""Hold a rule against a signal: which conditions are met, and where."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from grace.model.signal import Frame, Raised, Signal
from grace.think.knowledge.format import Condition, KnowledgeRule, Sample, compiled

LONGEST_TEXT: Final = 8192
_SHOWN: Final = 120
_AROUND: Final = 30
_TYPE_AT_START: Final = re.compile(
    r"^[ \t]*(?:Caused by:[ \t]*)?"
    r"(?P<type>[A-Za-z_][\w.]{2,150}(?:Error|Exception|Timeout|Warning|Expired|Refused)\w{0,40})(?::\s|[ \t]*$)",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Place:
    """One part of a signal that is looked at as a whole: the message, or one exception."""

    name: str
    texts: tuple[str, ...]
    type: str = ""
    frames: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scene:
    """A signal, made ready to be looked at by many rules."""

    places: tuple[Place, ...]
    labels: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a condition was met by, and where."""

    what: str
    where: str


@dataclass(frozen=True, slots=True)
class Match:
    """A rule and what it was met by."""

    rule: KnowledgeRule
    sightings: tuple[Sighting, ...]


def scene_of_signal(signal: Signal, labels: Mapping[str, str] | None = None) -> Scene:
    """Return what the rules look at; `labels` are the incident's, beneath the signal's own."""
    raised = tuple({id(one): one for one in (*_optional(signal.exception), *signal.chain)}.values())
    said = _place_of_message(signal.title, signal.message)
    return Scene((*said, *(_place_of(one) for one in raised)), {**(labels or {}), **signal.labels})


def scene_of_sample(sample: str | Sample) -> Scene:
    if isinstance(sample, str):
        return Scene(tuple(_place_of_message("", sample)))
    places = (
        *_place_of_message(sample.title, sample.message),
        Place("exception", (sample.message,), sample.type, sample.frames),
    )
    return Scene(places, sample.labels)


def match(rule: KnowledgeRule, scene: Scene) -> Match | None:
    """Return the match of a rule, with a sighting for each condition that was met; None when it does not match."""
    signature = rule.signature
    if any(_sighting(condition, scene) for condition in signature.none):
        return None
    every = [_sighting(condition, scene) for condition in signature.all]
    some = [one for condition in signature.any if (one := _sighting(condition, scene))]
    if not all(every) or (signature.any and not some):
        return None
    return Match(rule, tuple(dict.fromkeys(one for one in (*every, *some) if one)))


def _optional(raised: Raised | None) -> tuple[Raised, ...]:
    return () if raised is None else (raised,)


def _place_of_message(title: str, message: str) -> Iterator[Place]:
    texts = tuple(_bounded(text) for text in (title, message) if text)
    yield Place("message", texts)
    for text in texts:
        for found in _TYPE_AT_START.finditer(text):
            line = text[found.start() :].strip().partition("\n")[0]
            yield Place(f"message ({found['type']})", (line,), found["type"])


def _place_of(raised: Raised) -> Place:
    name = raised.name
    frames = tuple(_frame(frame) for frame in raised.frames)
    return Place(f"exception {name}", (_bounded(raised.message),), name, frames)


def _frame(frame: Frame) -> str:
    return f"{frame.module}:{frame.function} ({frame.file})"


def _bounded(text: str) -> str:
    """Keep the beginning and the end: the end of a long message is where the error of a traceback stands."""
    half = LONGEST_TEXT // 2
    return text if len(text) <= LONGEST_TEXT else f"{text[:half]}\n{text[-half:]}"


def _sighting(condition: Condition, scene: Scene) -> Sighting | None:
    in_labels = _in_labels(condition, scene.labels)
    if condition.labels and in_labels is None:
        return None
    if not (condition.text or condition.type or condition.frame):
        return in_labels
    return next((found for place in scene.places if (found := _in_place(condition, place))), None)


def _in_labels(condition: Condition, labels: Mapping[str, str]) -> Sighting | None:
    found = None
    for name, pattern in condition.labels.items():
        if name not in labels or not compiled(pattern).search(labels[name]):
            return None
        found = found or Sighting(f"{name}={labels[name]}"[:_SHOWN], "labels")
    return found


def _in_place(condition: Condition, place: Place) -> Sighting | None:
    text = _first(condition.text, place.texts)
    kind = _first(condition.type, (place.type,))
    frame = _first(condition.frame, place.frames)
    asked = ((condition.text, text), (condition.type, kind), (condition.frame, frame))
    if any(pattern and not found for pattern, found in asked):
        return None
    return Sighting(text or kind or frame or "", place.name)


def _first(pattern: str | None, texts: Iterable[str]) -> str | None:
    if pattern is None:
        return None
    for text in texts:
        if text and (found := compiled(pattern).search(text)):
            return _excerpt(text, found)
    return None


def _excerpt(text: str, found: re.Match[str]) -> str:
    start = max(0, found.start() - _AROUND)
    end = min(len(text), max(found.end() + _AROUND, start + _SHOWN))
    cut = " ".join(text[start:end].split())
    return f"{'…' if start else ''}{cut}{'…' if end < len(text) else ''}"
