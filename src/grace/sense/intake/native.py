"""The native door: signals as the SDK sends them, one JSON object or `{"signals": [...]}`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Annotated, Final, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, JsonValue, PlainValidator, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from grace.kit.redaction import redact, redact_text
from grace.kit.wording import flaw_in_words
from grace.model.signal import Frame, Raised, Severity, Signal, SignalKind
from grace.sense.intake import Fault, Flawed, Message, SessionNews, Unacceptable

FORMAT: Final = 1
SOURCE: Final = "native"
LARGEST_BODY: Final = 1024 * 1024
MOST_SIGNALS: Final = 1_000
DEEPEST: Final = 32
_MOST_VALUES: Final = 10_000
_LONGEST_TEXT: Final = 16_384
_LONGEST_NAME: Final = 1_024
_LARGEST_INTEGER: Final = 2**53 - 1
_MOST_FLAWS_TOLD: Final = 10

_Place: TypeAlias = "tuple[str | int, ...]"
"""The way to a part of the body."""
_Text = Annotated[str, Field(max_length=_LONGEST_TEXT)]
_Name = Annotated[str, Field(max_length=_LONGEST_NAME)]
_ShortText = Annotated[str, Field(max_length=128)]
_Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")]
_Frames = Annotated[tuple[Frame, ...], Field(max_length=512)]


def _utc(value: object) -> datetime:
    """Read a time with its zone, with any precision; nothing but text, so that no number is taken for seconds."""
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
        if at is not None and at.utcoffset() is not None:
            return at.astimezone(UTC)
    except (ValueError, OverflowError):
        pass  # Said below.
    message = "should be a time with its zone, as 2026-01-01T00:00:00.000000Z"
    raise ValueError(message)


class _Wire(BaseModel):
    """Unknown fields and wrong types are refused; nothing is coerced."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)


class _WireCause(_Wire):
    type: Annotated[_Name, Field(min_length=1)]
    module: _Name = ""
    message: _Text = ""
    frames: _Frames = ()


class _WireException(_WireCause):
    chain: Annotated[tuple[_WireCause, ...], Field(max_length=64)] = ()


class _WireSignal(_Wire):
    format: Annotated[int, Field(ge=FORMAT, le=FORMAT)]
    id: Annotated[str, Field(max_length=128, pattern=r"^[!-~]+$")]
    service: _Slug
    environment: _Slug = "production"
    at: Annotated[datetime, PlainValidator(_utc)]
    kind: SignalKind
    severity: Severity = Severity.ERROR
    title: Annotated[str, Field(min_length=1, max_length=500)]
    message: _Text = ""
    exception: _WireException | None = None
    labels: Annotated[dict[_Name, _Name], Field(max_length=64)] = {}
    context: dict[str, JsonValue] = {}
    correlation_id: _ShortText = ""
    session: _ShortText = ""
    sequence: Annotated[int, Field(ge=0, le=_LARGEST_INTEGER)] | None = None


class _WireSession(_Wire):
    session: Annotated[str, Field(min_length=1, max_length=128)]
    issued: Annotated[int, Field(ge=0, le=_LARGEST_INTEGER)]
    over: bool = False


class _WireBatch(_Wire):
    signals: Annotated[tuple[_WireSignal, ...], Field(max_length=MOST_SIGNALS)]
    sessions: Annotated[tuple[_WireSession, ...], Field(max_length=MOST_SIGNALS)] = ()


_ONE: Final = TypeAdapter(_WireSignal)
_BATCH: Final = TypeAdapter(_WireBatch)
_IS_BATCH: Final = re.compile(rb'\s*\{\s*"signals"\s*:')
"""A batch begins with its signals, so the first member tells."""


def parse(body: bytes, received_at: datetime) -> Message | Unacceptable:
    """Return what a request body holds, redacted, or everything that is wrong with it: field, and limit or rule."""
    if len(body) > LARGEST_BODY:
        return _refused(Fault.TOO_LARGE, Flawed("body", f"has {len(body)} bytes; at most {LARGEST_BODY} are taken"))
    is_batch = _IS_BATCH.match(body) is not None
    try:
        batch = _BATCH.validate_json(body, strict=True) if is_batch else None
        wires = (_ONE.validate_json(body, strict=True),) if batch is None else batch.signals
    except ValidationError as error:
        return _unacceptable(error)
    news = () if batch is None else tuple(SessionNews(w.session, w.issued, w.over, received_at) for w in batch.sessions)
    if not wires and not news:
        return _refused(Fault.INVALID, Flawed("signals", "is empty; send at least one"))
    flaws = [flaw for index, wire in enumerate(wires) for flaw in _flaws(wire, ("signals", index) if is_batch else ())]
    if flaws:
        return _refused(Fault.INVALID, *flaws)
    return Message(tuple(_signal(wire, received_at) for wire in wires), news)


def _signal(wire: _WireSignal, received_at: datetime) -> Signal:
    exception = wire.exception
    return Signal.trusted(
        {
            "id": wire.id,
            "service": wire.service,
            "environment": wire.environment,
            "at": wire.at,
            "received_at": received_at,
            "kind": wire.kind,
            "severity": wire.severity,
            "title": redact_text(wire.title),
            "message": redact_text(wire.message),
            "exception": None if exception is None else _raised(exception),
            "chain": () if exception is None else tuple(map(_raised, exception.chain)),
            "labels": redact({**wire.labels}).value if wire.labels else {},
            "context": redact(wire.context).value if wire.context else {},
            "correlation_id": wire.correlation_id,
            "session": wire.session,
            "sequence": wire.sequence,
            "source": SOURCE,
        }
    )


def _raised(wire: _WireCause) -> Raised:
    return Raised.trusted(
        {"type": wire.type, "module": wire.module, "message": redact_text(wire.message), "frames": wire.frames}
    )


def _flaws(wire: _WireSignal, place: _Place) -> Iterator[Flawed]:
    """Find what the schema cannot say: a context beyond a limit."""
    why = _why_not(wire.context) if wire.context else ""
    if why:
        yield Flawed(_dotted((*place, "context")), why)


def _why_not(context: JsonValue) -> str:
    """Say what of a context is too deep, too much, too long, or a number that JSON readers do not agree on."""
    waiting = [(context, 1)]
    for _ in range(_MOST_VALUES):
        if not waiting:
            return ""
        value, depth = waiting.pop()
        if isinstance(value, dict | list):
            if depth > DEEPEST:
                return f"is nested deeper than {DEEPEST} levels"
            waiting.extend((part, depth + 1) for part in (value.values() if isinstance(value, dict) else value))
        elif why := _why_not_single(value):
            return why
    return f"has more than {_MOST_VALUES} values"


def _why_not_single(value: JsonValue) -> str:
    # Most are texts; a class pattern takes three times as long.
    if isinstance(value, str):
        too_long = len(value) > _LONGEST_TEXT
        return f"has a text of {len(value)} characters; at most {_LONGEST_TEXT} are taken" if too_long else ""
    if isinstance(value, int) and abs(value) > _LARGEST_INTEGER:
        return f"has a number beyond {_LARGEST_INTEGER}, where JSON readers differ; send it as text"
    if isinstance(value, float) and not math.isfinite(value):
        return "has a number that is not finite; send it as text"
    return ""


def _unacceptable(error: ValidationError) -> Unacceptable:
    details = error.errors(include_url=False, include_context=False, include_input=False)
    fault = Fault.NOT_JSON if details[0]["type"] == "json_invalid" else Fault.INVALID
    return _refused(fault, *map(_flaw_of, details))


def _flaw_of(details: ErrorDetails) -> Flawed:
    """Say it about the field: `title is missing`, `kind should be ...`."""
    match details["type"]:
        case "missing":
            why = "is missing"
        case "extra_forbidden":
            why = "is unknown"
        case "too_long":
            why = (
                f"has more items than the {MOST_SIGNALS} that are taken"
                if details["loc"] == ("signals",)
                else _said(details)
            )
        case _:
            why = _said(details)
    return Flawed(_dotted(details["loc"]) or "body", why)


def _said(details: ErrorDetails) -> str:
    """Begin pydantic's sentence with its verb: `should have at most 128 characters`."""
    said = flaw_in_words(details)
    return said if said.startswith(("should ", "is ")) else f"is refused: {said}"


def _refused(fault: Fault, *flaws: Flawed) -> Unacceptable:
    """Tell the first ten flaws, and how many more there are."""
    more = len(flaws) - _MOST_FLAWS_TOLD
    rest = (Flawed("body", f"has {more} more flaws"),) if more > 0 else ()
    return Unacceptable(fault, (*flaws[:_MOST_FLAWS_TOLD], *rest))


def _dotted(place: Iterable[str | int]) -> str:
    return ".".join(map(str, place))
