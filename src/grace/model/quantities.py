"""Quantities as people write them (`3s`, `20%`), kept as plain numbers in seconds and fractions."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

_DURATION = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
LONGEST_S: Final = 3650 * 86_400.0
"""Ten years: no duration is longer anywhere, so that no time with one added or taken away is out of range."""
_LONGEST_SHOWN: Final = 40
_LARGEST_MEANT: Final = 1e9
_PLAIN_PATH = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[^/\0]+)+")
"""An absolute path as it is kept, so that nothing of it has to be taken apart."""
_SHARE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*%")


class DurationTooLongError(ValueError):
    """A time that is longer than any duration may be."""


def duration_s(written: object) -> float:
    """Read `500ms`, `3s`, `2m`, `1h`, `1d` or a number of seconds; raise ValueError for anything else.

    Nothing longer than ten years is a duration.
    """
    match written:
        case bool():
            pass
        case int() | float() if written >= 0:
            return _bounded(written, written)
        case str() if found := _DURATION.fullmatch(written.strip()):
            return _bounded(float(found["number"]) * _SECONDS[found["unit"]], written)
        case _:
            pass
    message = f"not a duration: {written!r}; write it like 500ms, 3s, 2m, 1h or 1d"
    raise ValueError(message)


def _bounded(seconds: float, written: object) -> float:
    if seconds > LONGEST_S:
        shown = repr(written) if len(str(written)) <= _LONGEST_SHOWN else "that"
        message = f"{shown} is too long; 3650d at most"
        raise DurationTooLongError(message)
    return float(seconds)


def share(written: object) -> float:
    """Read `20%`, also `2000%`, or a fraction such as 0.2; raise ValueError for anything else.

    A number above 1 needs its sign: `20` is nearly always a forgotten `20%`, and would be read as 2000 %.
    """
    match written:
        case bool():
            pass
        case int() | float() if 0 <= written <= 1:
            return float(written)
        case int() | float() if 1 < written <= _LARGEST_MEANT:
            message = (
                f"not clear as a share: {written!r}; write {written:g}% or {written / 100:g}, or {written:.0%} for that"
            )
            raise ValueError(message)
        case str() if found := _SHARE.fullmatch(written.strip()):
            return float(found["number"]) / 100
        case _:
            pass
    message = f"not a share: {written!r}; write it like 20% or 0.2"
    raise ValueError(message)


def _absolute(written: str) -> str:
    if _PLAIN_PATH.fullmatch(written):
        return written
    path = PurePosixPath(written)
    if not path.is_absolute() or ".." in path.parts or "\0" in written:
        message = f"not an absolute path without '..': {written!r}"
        raise ValueError(message)
    return str(path)


Duration = Annotated[float, BeforeValidator(duration_s), Field(ge=0)]
Share = Annotated[float, BeforeValidator(share), Field(ge=0)]
WrittenShare = Annotated[
    float | str, WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, {"type": "string"}]})
]
"""A share as it stands in a file, where an expression may stand for it; `share` reads it."""
AbsolutePath = Annotated[str, AfterValidator(_absolute)]
