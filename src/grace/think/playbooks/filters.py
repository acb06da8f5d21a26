"""The filters that may follow a reference: pure functions of a value and literal arguments."""

from __future__ import annotations

import math
import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from pydantic import JsonValue

from grace.think.playbooks.expressions import Filter, Scalar
from grace.think.playbooks.shapes import (
    ANYTHING,
    LIST,
    NULL,
    NUMBER,
    TEXT,
    WHOLE,
    Shape,
    kind_of,
    union,
)

_LONGEST_TEXT: Final = 64 * 1024


class FilterFailedError(ValueError):
    """A value that the filter cannot work on, and why."""


@dataclass(frozen=True, slots=True)
class FilterSpec:
    """A filter as data: what it takes and gives, the kinds of its arguments, and what it does."""

    takes: Shape
    gives: Callable[[Shape, tuple[Scalar, ...]], Shape]
    arguments: tuple[str, ...]
    optional: int
    apply: Callable[[JsonValue, tuple[Scalar, ...]], JsonValue]
    summary: str


def _always(shape: Shape) -> Callable[[Shape, tuple[Scalar, ...]], Shape]:
    return lambda _given, _arguments: shape


def _item(given: Shape, _arguments: tuple[Scalar, ...]) -> Shape:
    return union(
        *([given.items or ANYTHING] if "list" in given.kinds else []), *([TEXT] if "text" in given.kinds else [])
    )


def _defaulted(given: Shape, arguments: tuple[Scalar, ...]) -> Shape:
    present = replace(given, kinds=given.kinds - NULL.kinds)
    return union(present, Shape(frozenset({kind_of(arguments[0])})))


def text_of(value: JsonValue) -> str:
    """Return a scalar as text: 3.0 is `3`, True is `true`; raise FilterFailedError for the rest."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(value)  # noqa: PLR2004
        case _:
            message = f"{kind_of(value)} has no text"
            raise FilterFailedError(message)


def _float(value: JsonValue, _arguments: tuple[Scalar, ...]) -> float:
    try:
        number = float(text_of(value)) if not isinstance(value, bool) else math.nan
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        message = f"{value!r} is no number"
        raise FilterFailedError(message)
    return number


def _int(value: JsonValue, arguments: tuple[Scalar, ...]) -> int:
    number = _float(value, arguments)
    if abs(number) >= 2**53:
        message = f"{value!r} is too large"
        raise FilterFailedError(message)
    return int(number)


def _round(value: JsonValue, arguments: tuple[Scalar, ...]) -> float | int:
    digits = arguments[0] if arguments else 0
    number = round(_float(value, ()), digits if isinstance(digits, int) else 0)
    return int(number) if digits == 0 else number


def _end(index: int, name: str) -> Callable[[JsonValue, tuple[Scalar, ...]], JsonValue]:
    def end(value: JsonValue, _arguments: tuple[Scalar, ...]) -> JsonValue:
        if isinstance(value, list | str) and value:
            return value[index]
        message = f"an empty value has no {name}"
        raise FilterFailedError(message)

    return end


def _length(value: JsonValue, _arguments: tuple[Scalar, ...]) -> int:
    return len(value) if isinstance(value, list | dict | str) else 0


def _join(value: JsonValue, arguments: tuple[Scalar, ...]) -> str:
    items = value if isinstance(value, list) else []
    return _bounded(str(arguments[0]).join(text_of(item) for item in items))


def _replace(value: JsonValue, arguments: tuple[Scalar, ...]) -> str:
    old, new = str(arguments[0]), str(arguments[1])
    if not old:
        message = "replace needs a text to look for"
        raise FilterFailedError(message)
    return _bounded(text_of(value).replace(old, new))


def _bounded(text: str) -> str:
    if len(text) > _LONGEST_TEXT:
        message = f"the text grows beyond {_LONGEST_TEXT} characters"
        raise FilterFailedError(message)
    return text


def _of_text(change: Callable[[str], str]) -> Callable[[JsonValue, tuple[Scalar, ...]], JsonValue]:
    return lambda value, _arguments: change(text_of(value))


_SCALAR: Final = Shape(frozenset({"text", "number", "boolean"}))
_SIZED: Final = Shape(frozenset({"list", "text", "object"}))
_ENDED: Final = Shape(frozenset({"list", "text"}))
_NUMERIC: Final = Shape(frozenset({"text", "number"}))

FILTERS: Final[Mapping[str, FilterSpec]] = {
    "lower": FilterSpec(TEXT, _always(TEXT), (), 0, _of_text(str.lower), "in small letters"),
    "upper": FilterSpec(TEXT, _always(TEXT), (), 0, _of_text(str.upper), "in capital letters"),
    "trim": FilterSpec(TEXT, _always(TEXT), (), 0, _of_text(str.strip), "without spaces at both ends"),
    "basename": FilterSpec(TEXT, _always(TEXT), (), 0, _of_text(posixpath.basename), "the last part of a path"),
    "dirname": FilterSpec(TEXT, _always(TEXT), (), 0, _of_text(posixpath.dirname), "a path without its last part"),
    "replace": FilterSpec(TEXT, _always(TEXT), ("text", "text"), 0, _replace, "one text for another"),
    "text": FilterSpec(_SCALAR, _always(TEXT), (), 0, _of_text(str), "a number or boolean as text"),
    "int": FilterSpec(_NUMERIC, _always(WHOLE), (), 0, _int, "a whole number, cut towards zero"),
    "float": FilterSpec(_NUMERIC, _always(NUMBER), (), 0, _float, "a number"),
    "round": FilterSpec(NUMBER, _always(NUMBER), ("number",), 1, _round, "rounded to so many digits, else whole"),
    "first": FilterSpec(_ENDED, _item, (), 0, _end(0, "first item"), "the first item or letter"),
    "last": FilterSpec(_ENDED, _item, (), 0, _end(-1, "last item"), "the last item or letter"),
    "length": FilterSpec(_SIZED, _always(WHOLE), (), 0, _length, "how many items or letters"),
    "join": FilterSpec(LIST, _always(TEXT), ("text",), 0, _join, "the items in one text"),
    "default": FilterSpec(ANYTHING, _defaulted, ("any",), 0, lambda value, _: value, "a value for what is absent"),
}


def misuse(used: Filter, given: Shape) -> str | None:
    """Say why this filter cannot follow a value of this shape; None when it can."""
    spec = FILTERS[used.name]
    if not len(spec.arguments) - spec.optional <= len(used.arguments) <= len(spec.arguments):
        return f"the filter {used.name} takes {len(spec.arguments)} argument(s), not {len(used.arguments)}"
    for expected, argument in zip(spec.arguments, used.arguments, strict=False):
        if expected != "any" and kind_of(argument) != expected:
            return f"the filter {used.name} takes a {expected} as argument, not {argument!r}"
    if not given.kinds & spec.takes.kinds:
        return f"the filter {used.name} works on {spec.takes}, not on {given}"
    return None


def apply_filter(used: Filter, value: JsonValue) -> JsonValue:
    """Return the filtered value; raise FilterFailedError when the value does not fit."""
    spec = FILTERS[used.name]
    if kind_of(value) not in spec.takes.kinds:
        message = f"{used.name} works on {spec.takes}, not on {kind_of(value)}"
        raise FilterFailedError(message)
    return spec.apply(value, used.arguments)
