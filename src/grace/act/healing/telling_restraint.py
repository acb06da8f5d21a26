"""Tell what held GRACE back: what waits, what flaps, which breaker opened, and who lifted it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from pydantic import JsonValue

from grace.model.events import EventType
from grace.model.restraint import BreakerChanged, FlappingChanged, RestraintLifted, RunDeferred

Payload = dict[str, JsonValue]
Told = tuple[str, Iterable[str]]


def _waits(payload: Payload) -> Told:
    deferred = RunDeferred.from_json(payload)
    return f"no run begins yet ({deferred.rule})", (deferred.why,)


def _flapping(word: str) -> Callable[[Payload], Told]:
    def told(payload: Payload) -> Told:
        changed = FlappingChanged.from_json(payload)
        return f"the incident {word}; {changed.owner} is told", (changed.why,)

    return told


def _breaker(word: str) -> Callable[[Payload], Told]:
    def told(payload: Payload) -> Told:
        changed = BreakerChanged.from_json(payload)
        return f"breaker of {changed.subject} {word}; {changed.owner} is told", (changed.why,)

    return told


def _lifted(payload: Payload) -> Told:
    lifted = RestraintLifted.from_json(payload)
    return f"{lifted.by} lifted what was held against {lifted.subject}", (lifted.reason,)


RESTRAINT_TELLERS: Final[Mapping[EventType, Callable[[Payload], Told]]] = {
    EventType.INCIDENT_FLAPPING_STARTED: _flapping("is flapping"),
    EventType.INCIDENT_FLAPPING_ENDED: _flapping("is steady again"),
    EventType.BREAKER_OPENED: _breaker("opened"),
    EventType.BREAKER_CLOSED: _breaker("closed"),
    EventType.RESTRAINT_LIFTED: _lifted,
    EventType.RUN_DEFERRED: _waits,
}
