"""Hold one value against what was expected. A wrong type is unknown, never a pass."""

from __future__ import annotations

import math
from enum import StrEnum

from pydantic import JsonValue

from grace.model.contract import Clause, Comparator
from grace.model.reading import Known, Reading, Unknown


class Held(StrEnum):
    """How one sample came out."""

    HOLDS = "holds"
    CONTRARY = "contrary"
    MISSING = "missing"


def hold_against(clause: Clause, reading: Reading) -> Held:
    """Compare one reading with the clause; an unknown value, or one of another type than asked, is missing."""
    match reading.found:
        case Unknown():
            return Held.MISSING
        case Known(value=value):
            return _compare(clause, value)


def _compare(clause: Clause, value: JsonValue) -> Held:
    expected = clause.expected
    match clause.comparator:
        case Comparator.IS:
            return _equals(value, expected)
        case Comparator.IS_NOT:
            return _opposite(_equals(value, expected))
        case Comparator.AT_MOST | Comparator.AT_LEAST:
            number, bound = as_number(value), as_number(expected)
            if number is None or bound is None:
                return Held.MISSING
            holds = number <= bound if clause.comparator is Comparator.AT_MOST else number >= bound
            return Held.HOLDS if holds else Held.CONTRARY
        case Comparator.WORSENS_AT_MOST:
            return Held.HOLDS if as_number(value) is not None else Held.MISSING


def as_number(value: JsonValue) -> int | float | None:
    """Return a finite number as it is, None for anything else: a boolean is no number."""
    match value:
        case bool():
            return None
        case int():
            return value
        case float() if math.isfinite(value):
            return value
        case _:
            return None


def same_json(left: JsonValue, right: JsonValue) -> bool:
    """Tell whether two values are one JSON value: `true` is not 1, 1 is 1.0, the order of keys does not matter."""
    match left, right:
        case (bool(), _) | (_, bool()):
            return left is right
        case (int() | float(), int() | float()):
            return left == right
        case dict(), dict():
            return left.keys() == right.keys() and all(same_json(left[key], right[key]) for key in left)
        case list(), list():
            return len(left) == len(right) and all(map(same_json, left, right))
        case _:
            return type(left) is type(right) and left == right


def _equals(value: JsonValue, expected: JsonValue) -> Held:
    """Compare exactly; NaN, infinities and a value of another type than the expected one are missing."""
    if _kind(value) != _kind(expected) and expected is not None:
        return Held.MISSING
    return Held.HOLDS if same_json(value, expected) else Held.CONTRARY


def _kind(value: JsonValue) -> str:  # noqa: PLR0911 - one line for each type of JSON
    match value:
        case bool():
            return "boolean"
        case int():
            return "number"
        case float():
            return "number" if math.isfinite(value) else "no number"
        case str():
            return "text"
        case list():
            return "list"
        case dict():
            return "object"
        case None:
            return "null"


def _opposite(held: Held) -> Held:
    match held:
        case Held.HOLDS:
            return Held.CONTRARY
        case Held.CONTRARY:
            return Held.HOLDS
        case Held.MISSING:
            return Held.MISSING
