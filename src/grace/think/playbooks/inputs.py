"""Inputs: a value as a person, a label or a default gives it, made typed and held to its bounds."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Final

from pydantic import JsonValue, TypeAdapter, ValidationError

from grace.kit.wording import in_words
from grace.model.quantities import AbsolutePath, duration_s, share
from grace.think.playbooks.format import Input, InputType

_LONGEST_TEXT: Final = 4096
_SHOWN: Final = 20
_WHOLE: Final = re.compile(r"[-+]?\d{1,15}")
_PATH: Final = TypeAdapter[str](AbsolutePath)
_TRUTH: Final = {"true": True, "false": False}


class InputInvalidError(ValueError):
    """A value that the input does not take, and why."""


def read_input(declared: Input, raw: JsonValue) -> JsonValue:
    """Return the typed value; raise InputInvalidError when the type or a bound is not kept."""
    value = read_value(declared.type, raw)
    _check_bounds(declared, value)
    return value


def read_value(kind: InputType, raw: JsonValue) -> JsonValue:
    """Return a value of this type, whether it comes typed or as text; raise InputInvalidError."""
    try:
        return _READERS[kind](raw)
    except OverflowError as error:
        message = f"not a number that can be reckoned with: {str(raw)[:_SHOWN]}…"
        raise InputInvalidError(message) from error
    except (ValueError, ValidationError) as error:
        raise InputInvalidError(in_words(error)) from error


def _check_bounds(declared: Input, value: JsonValue) -> None:
    if declared.one_of and value not in [read_value(declared.type, one) for one in declared.one_of]:
        message = f"{value!r} is not one of {', '.join(map(str, declared.one_of))}"
        raise InputInvalidError(message)
    if not isinstance(value, int | float):
        return
    low, high = (_bound(declared.type, bound) for bound in (declared.at_least, declared.at_most))
    if low is not None and value < low:
        message = f"{value!r} is less than {declared.at_least}"
        raise InputInvalidError(message)
    if high is not None and value > high:
        message = f"{value!r} is more than {declared.at_most}"
        raise InputInvalidError(message)


def _bound(kind: InputType, bound: float | str | None) -> float | None:
    value = None if bound is None else read_value(kind, bound)
    return value if isinstance(value, int | float) else None


def _text(raw: JsonValue) -> JsonValue:
    if not isinstance(raw, str) or len(raw) > _LONGEST_TEXT or "\0" in raw:
        message = f"not a text of at most {_LONGEST_TEXT} characters: {raw!r:.60}"
        raise ValueError(message)
    return raw


def _path(raw: JsonValue) -> JsonValue:
    return _PATH.validate_python(_text(raw))


def _integer(raw: JsonValue) -> JsonValue:
    if isinstance(raw, str) and _WHOLE.fullmatch(raw.strip()):
        return int(raw)
    if isinstance(raw, int | float) and not isinstance(raw, bool) and float(raw).is_integer() and abs(raw) < 2**53:
        return int(raw)
    message = f"not a whole number: {raw!r:.60}"
    raise ValueError(message)


def _number(raw: JsonValue) -> JsonValue:
    try:
        number = float(raw) if isinstance(raw, str | int | float) and not isinstance(raw, bool) else math.nan
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        message = f"not a number: {raw!r:.60}"
        raise ValueError(message)
    return raw if isinstance(raw, int) else number


def _boolean(raw: JsonValue) -> JsonValue:
    value = _TRUTH.get(raw) if isinstance(raw, str) else raw
    if not isinstance(value, bool):
        message = f"neither true nor false: {raw!r:.60}"
        raise ValueError(message)  # noqa: TRY004 - whoever wrote the value is told, by one kind of error
    return value


_READERS: Final[Mapping[InputType, Callable[[JsonValue], JsonValue]]] = {
    InputType.TEXT: _text,
    InputType.PATH: _path,
    InputType.INTEGER: _integer,
    InputType.NUMBER: _number,
    InputType.BOOLEAN: _boolean,
    InputType.DURATION: duration_s,
    InputType.SHARE: share,
}
