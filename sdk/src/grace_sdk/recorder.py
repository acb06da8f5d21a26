"""Recorder: what the application calls. It copies, numbers and enqueues; it never blocks and never raises."""

from __future__ import annotations

import itertools
import os
import time

from grace_sdk.safety import Fault, attempt
from grace_sdk.scope import current_scope
from grace_sdk.severity import PLAINLY_RANKED, SEVERITIES, severity_of
from grace_sdk.sighting import ContextCopy, Sighting, copy_context, copy_labels, copy_raised, copy_text, weigh

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final, TypeAlias

    from grace_sdk.buffer import Buffer
    from grace_sdk.scope import Scope

    Tally: TypeAlias = "list[int] | memoryview[int]"
    """One number: the newest sequence number that was given out."""

_SESSION_BYTES: Final = 6
_MARK: Final = "__grace_sighting__"
_SAME_RAISE_NS: Final = 2_000_000_000
"""An exception that another hook meets within this time is the same event on its way up."""
_NO_CONTEXT: Final = ContextCopy(None, 0)


class Recorder:
    """Turn what happened into sightings in a buffer; without a buffer, only hand out correlation ids."""

    def __init__(self, buffer: Buffer | None = None) -> None:
        self.session = os.urandom(_SESSION_BYTES).hex()
        self.issued: Tally = [0]
        """Where there is a spool, a place that outlives a kill."""
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
        """Enqueue one sighting and return its correlation id; whatever is passed, nothing is raised.

        Without a severity, that of the exception's family is taken.
        """
        self.issued[0] = sequence = next(self._sequence)
        identity = f"{self.session}-{sequence:x}"
        if self._buffer is None:
            return identity
        at_ns = time.time_ns()
        scope = current_scope.get()
        correlation = None if scope is None else scope.correlation
        correlation_id = identity if correlation is None else correlation.id or identity
        said = "" if message is None else copy_text(message)
        raised = () if exc is None else copy_raised(exc)
        copied = _NO_CONTEXT if context is None else copy_context(context)
        # By position: naming thirteen fields would cost as much as looking at a traceback.
        sighting = Sighting(
            sequence,
            at_ns,
            kind,
            _ranked(exc) if severity is None else _level(severity),
            title,
            said,
            raised,
            {} if labels is None and scope is None else _labels(labels, scope),
            copied.value,
            correlation_id,
            () if correlation is None else tuple(correlation.trail),
            weigh(said, raised) + copied.weight,
        )
        if correlation is not None:
            correlation.id = correlation_id
            correlation.has_captured = correlation.has_captured or kind != "operation"
        if exc is not None:
            attempt(object.__setattr__, exc, _MARK, (correlation_id, at_ns))
        self._buffer.add(sighting)
        return correlation_id

    def record_once(
        self,
        exc: BaseException,
        *,
        severity: str | None = None,
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
        self.issued[0] = sequence = next(self._sequence)
        return signal_id(self.session, sequence)


def signal_id(session: str, sequence: int) -> str:
    """Name one signal: unique without asking anyone, short enough to be read out, the same at every delivery."""
    return f"{session}-{sequence:x}"


def marked_id(exc: BaseException) -> str:
    """Return the correlation id under which an exception was recorded, or an empty text."""
    mark = attempt(_mark_of, exc)
    return "" if mark is None or isinstance(mark, Fault) else mark[0]


def _mark_of(exc: BaseException) -> tuple[str, int] | None:
    return object.__getattribute__(exc, "__dict__").get(_MARK)


def _seen_as(exc: BaseException) -> str | None:
    mark = _mark_of(exc)
    if mark is None:
        return None
    correlation_id, at_ns = mark
    return correlation_id if time.time_ns() - at_ns < _SAME_RAISE_NS else None


def _ranked(exc: BaseException | None) -> str:
    if exc is None:
        return "error"
    kind = type(exc)
    # A class with a metaclass of its own may answer anything, also when it is looked up.
    plainly = PLAINLY_RANKED.get(kind) if type(kind) is type else None
    ranked = plainly or attempt(severity_of, exc)
    return "error" if isinstance(ranked, Fault) else ranked


def _labels(labels: Mapping[str, object] | None, scope: Scope | None) -> dict[str, str]:
    return copy_labels(labels) if scope is None else scope.labels() | copy_labels(labels)


def _level(severity: object) -> str:
    level = copy_text(severity)
    return level if level in SEVERITIES else "error"
