"""Rendering: a sighting becomes one redacted signal of GRACE's wire format, as JSON bytes without a line break."""

from __future__ import annotations

import json
import os
import sys
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Final, NamedTuple

from grace_sdk.recorder import signal_id
from grace_sdk.redaction import redact, redact_labels, redact_text
from grace_sdk.sighting import class_name, cut

if TYPE_CHECKING:
    from types import CodeType

    from grace_sdk.origin import Origin
    from grace_sdk.sighting import Plain, RaisedCopy, Said, Sighting
    from grace_sdk.step import Step

FORMAT: Final = 1
LARGEST_SIGNAL: Final = 128 * 1024
"""Bytes; what is larger loses first its context, then its frames and causes."""
_LONGEST_TITLE: Final = 200
_LONGEST_LABEL: Final = 256
_LONGEST_NAME: Final = 512
_MOST_LABELS: Final = 32
_NS_IN_MS: Final = 1_000_000
_NS_IN_US: Final = 1_000
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - in UTC, and said so by the Z
_LIBRARY_FOLDERS: Final = frozenset({"site-packages", "dist-packages"})
_LIBRARIES: Final = (Path(os.__file__).parent, Path(__file__).parent)


def render(sighting: Sighting, origin: Origin) -> bytes:
    """Return the signal as one line of ASCII JSON of at most LARGEST_SIGNAL bytes."""
    signal = _signal(sighting, origin)
    line = _encode(signal)
    if len(line) > LARGEST_SIGNAL:
        signal["context"] = {"left_out": f"the signal had {len(line)} bytes"}
        line = _encode(signal)
    for with_frames in (True, False):
        if len(line) > LARGEST_SIGNAL:
            signal["exception"] = _exception(sighting.raised[:1], with_frames=with_frames)
            line = _encode(signal)
    return line


def _signal(sighting: Sighting, origin: Origin) -> dict[str, Plain]:
    message = _text(sighting.message)
    exception = _exception(sighting.raised, with_frames=True)
    return {
        "format": FORMAT,
        "id": signal_id(origin.session, sighting.sequence),
        "service": origin.service,
        "environment": origin.environment,
        "at": _timestamp(sighting.at_ns),
        "kind": sighting.kind,
        "severity": sighting.severity,
        "title": (_title(sighting) or message or sighting.kind)[:_LONGEST_TITLE],
        "message": message or (exception["message"] if exception else ""),
        "exception": exception,
        "labels": {**_labels({**origin.labels, **sighting.labels})},
        "context": {"runtime": {**origin.runtime}, **_operations(sighting.trail), **_context(sighting.context)},
        "correlation_id": sighting.correlation_id,
        "session": origin.session,
        "sequence": sighting.sequence,
    }


def _title(sighting: Sighting) -> str:
    if sighting.title or not sighting.raised:
        return _text(sighting.title)
    return class_name(sighting.raised[0].type)


def _exception(raised: tuple[RaisedCopy, ...], *, with_frames: bool) -> dict[str, Plain] | None:
    if not raised:
        return None
    first, *causes = [_raised(one, with_frames=with_frames) for one in raised]
    return {**first, "chain": [*causes]}


def _raised(one: RaisedCopy, *, with_frames: bool) -> dict[str, Plain]:
    name = class_name(one.type)
    return {
        "type": _name(name),
        "module": _name(name.rpartition(".")[0] or "builtins"),
        "message": _said(one.said),
        "frames": [_frame(*code) for code in one.frames] if with_frames else [],
    }


def _said(said: Said) -> str:
    """Write what an exception says as Python would, from arguments without their secrets."""
    if isinstance(said, str):
        return _text(said)
    redacted = redact(_cleaned(said))
    match redacted:
        case [str() as single]:
            text = single
        case [single]:
            text = repr(single)
        case list():
            text = f"({', '.join(map(repr, redacted))})"
        case _:
            text = ""
    return _text(cut(text))


def _frame(code: CodeType, line: int | None, module: object) -> Plain:
    place = _place(code.co_filename)
    return {
        "module": _name(module) if isinstance(module, str) else "",
        "function": _name(code.co_qualname),
        "file": _name(place.file),
        "line": line,
        "in_app": place.in_app,
    }


class _Place(NamedTuple):
    file: str
    in_app: bool


@lru_cache(maxsize=4096)
def _place(filename: str) -> _Place:
    """Shorten a path to what does not depend on where things are installed, and tell whose code it is."""
    path = PurePath(filename)
    for index in range(len(path.parts) - 1, 0, -1):
        if path.parts[index] in _LIBRARY_FOLDERS:
            return _Place(PurePath(*path.parts[index + 1 :]).as_posix(), in_app=False)
    in_app = not filename.startswith("<") and not any(path.is_relative_to(library) for library in _LIBRARIES)
    roots = [root for root in sys.path if root and path.is_relative_to(root)]
    return _Place(path.relative_to(max(roots, key=len)).as_posix() if roots else filename, in_app)


def _operations(trail: tuple[Step, ...]) -> dict[str, Plain]:
    return {"operations": [_step(step) for step in trail]} if trail else {}


def _step(step: Step) -> Plain:
    return {
        "at": _timestamp(step.at_ns),
        "operation": _text(step.operation),
        "state": step.state,
        "duration_ms": None if step.duration_ns is None else step.duration_ns / _NS_IN_MS,
    }


def _labels(labels: dict[str, str]) -> dict[str, str]:
    kept = list(labels.items())[-_MOST_LABELS:]
    return redact_labels({_clean(name)[:_LONGEST_LABEL]: _clean(value)[:_LONGEST_LABEL] for name, value in kept})


def _context(context: Plain) -> dict[str, Plain]:
    match redact(_cleaned(context)):
        case None:
            return {}
        case dict() as mapping:
            return mapping
        case other:
            return {"value": other}


def _cleaned(value: Plain) -> Plain:
    match value:
        case str():
            return _clean(value)
        case list():
            return [_cleaned(item) for item in value]
        case dict():
            return {_clean(name): _cleaned(item) for name, item in value.items()}
        case _:
            return value


def _name(name: str) -> str:
    return _clean(name)[:_LONGEST_NAME]


def _text(text: str) -> str:
    return redact_text(_clean(text))


def _clean(text: str) -> str:
    """Write lone surrogates and NUL as escapes: valid JSON for every reader, storable in every database."""
    if "\0" in text:
        text = text.replace("\0", "\\x00")
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _encode(signal: dict[str, Plain]) -> bytes:
    return json.dumps(signal, separators=(",", ":"), allow_nan=False).encode("ascii")


def _timestamp(at_ns: int) -> str:
    # Calculated, not asked of the C library: its lock on time zones may be held by a thread that a fork leaves behind.
    return f"{(_EPOCH + timedelta(microseconds=at_ns // _NS_IN_US)).isoformat(timespec='microseconds')}Z"
