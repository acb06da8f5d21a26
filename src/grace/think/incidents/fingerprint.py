"""Fingerprint: the same for every sighting of one fault, another for another fault."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256
from typing import Final

from grace.model.signal import Raised, Signal
from grace.think.incidents.normalizing import normal_file, normal_message, normal_name

VERSION: Final = "f1"
"""Named in each fingerprint: another rule makes other fingerprints, and old incidents keep theirs."""
_DIGITS: Final = 32
_BETWEEN: Final = "\n"
_SUBJECTS: Final = ("logger", "method", "route", "status")
"""Labels that say what a message without an exception is about; of an exception its frames say it."""


def fingerprint(signal: Signal) -> str:
    """Name the fault behind a signal.

    An exception with frames is named by its type, the types that caused it and the functions of the application it
    passed through; without frames by its types and message; anything else by its kind, title and subject. Line numbers,
    addresses, numbers, ids, quoted texts and install paths have no say. Service and environment stand beside the
    fingerprint in an incident's key.
    """
    digest = sha256(_BETWEEN.join(_features(signal)).encode("utf-8", "backslashreplace")).hexdigest()
    return f"{VERSION}:{digest[:_DIGITS]}"


def _features(signal: Signal) -> Iterable[str]:
    exception = signal.exception
    if exception is None:
        about = (f"{label}={signal.labels[label]}" for label in _SUBJECTS if label in signal.labels)
        return (signal.kind.value, normal_message(signal.title or signal.message), *about)
    types = _once(_type(raised.type) for raised in (exception, *signal.chain))
    places = _places(exception)
    if places:
        return ("exception", *types, "at", *places)
    return ("exception", *types, "saying", normal_message(exception.message or signal.message))


def _places(exception: Raised) -> list[str]:
    """Name the functions on the way, each once: how deep a recursion went has no say."""
    own = [frame for frame in exception.frames if frame.in_app]
    places = [_place(frame.module, frame.file, frame.function) for frame in own or exception.frames]
    return _once(filter(None, places))


@lru_cache(maxsize=4_096)
def _type(name: str) -> str:
    return normal_name(name)


@lru_cache(maxsize=16_384)
def _place(module: str, file: str, function: str) -> str:
    where = normal_name(module) if module else normal_file(file)
    name = normal_name(function)
    return f"{where} {name}" if where or name else ""


def _once(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
