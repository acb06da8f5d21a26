"""Recorder: what the application calls. It copies, numbers and enqueues; it never blocks and never raises."""

from __future__ import annotations

import itertools
import os
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from grace_sdk.safety import Fault, attempt
from grace_sdk.sighting import Sighting, copy_context, copy_labels, copy_raised, copy_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from grace_sdk.buffer import Buffer

SEVERITIES: Final = ("debug", "info", "warning", "error", "critical")
_SESSION_BYTES: Final = 6
_MARK: Final = "__grace_sighting__"
_SAME_RAISE_NS: Final = 2_000_000_000
"""An exception that another hook meets within this time is the same event on its way up."""


class Scope:
    """A unit of work, such as one request: everything captured inside has its labels and one correlation id."""

    __slots__ = ("correlation_id", "describe")

    def __init__(self, describe: Callable[[], Mapping[str, str]]) -> None:
        self.describe = describe
        """Tell the labels; asked at each capture, because a request learns its route on the way."""
        self.correlation_id = ""
        """Empty until something was captured."""

    def labels(self) -> dict[str, str]:
        described = attempt(self.describe)
        return copy_labels(None if isinstance(described, Fault) else described)


current_scope: ContextVar[Scope | None] = ContextVar("grace_scope", default=None)


class Recorder:
    """Turn what happened into sightings in a buffer; without a buffer, only hand out correlation ids."""

    def __init__(self, buffer: Buffer | None = None) -> None:
        self.session = os.urandom(_SESSION_BYTES).hex()
        self._buffer = buffer
        self._sequence = itertools.count(1)

    def record(
        self,
        kind: str,
        *,
        exc: BaseException | None = None,
        title: str = "",
        message: object = None,
        severity: object = None,
        labels: Mapping[str, object] | None = None,
        context: object = None,
    ) -> str:
        """Enqueue one sighting and return its correlation id; whatever is passed, nothing is raised."""
        sequence = next(self._sequence)
        identity = signal_id(self.session, sequence)
        if self._buffer is None:
            return identity
        scope = current_scope.get()
        level = "error" if severity is None else copy_text(severity)
        sighting = Sighting(
            sequence=sequence,
            at_ns=time.time_ns(),
            kind=kind,
            severity=level if level in SEVERITIES else "error",
            title=title,
            message="" if message is None else copy_text(message),
            raised=() if exc is None else copy_raised(exc),
            labels=copy_labels(labels) if scope is None else {**scope.labels(), **copy_labels(labels)},
            context=None if context is None else copy_context(context),
            correlation_id=identity if scope is None else scope.correlation_id or identity,
        )
        if scope is not None:
            scope.correlation_id = sighting.correlation_id
        if exc is not None:
            attempt(object.__setattr__, exc, _MARK, (sighting.correlation_id, sighting.at_ns))
        self._buffer.add(sighting)
        return sighting.correlation_id

    def record_once(
        self,
        exc: BaseException,
        *,
        severity: str = "error",
        labels: Mapping[str, object] | None = None,
        context: object = None,
    ) -> str:
        """Enqueue an exception that a hook met, unless it was recorded a moment ago further down the stack."""
        seen = attempt(_seen_as, exc)
        if isinstance(seen, str):
            return seen
        return self.record("exception", exc=exc, severity=severity, labels=labels, context=context)

    def next_id(self) -> str:
        """Name something that could not be recorded; the server sees a gap in the sequence."""
        return signal_id(self.session, next(self._sequence))


def signal_id(session: str, sequence: int) -> str:
    """Name one signal: unique without asking anyone, short enough to be read out, the same at every delivery."""
    return f"{session}-{sequence:x}"


def _seen_as(exc: BaseException) -> str | None:
    mark = object.__getattribute__(exc, "__dict__").get(_MARK)
    if mark is None:
        return None
    correlation_id, at_ns = mark
    return correlation_id if time.time_ns() - at_ns < _SAME_RAISE_NS else None
