"""Evaluate expressions against values. A path that leads nowhere is said, never guessed."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Final

from pydantic import JsonValue

from grace.think.playbooks.expressions import (
    CLOSE,
    OPEN,
    Comparison,
    Condition,
    Junction,
    Literal,
    Negation,
    Piped,
    Reference,
    Template,
    parse_template,
)
from grace.think.playbooks.filters import FilterFailedError, apply_filter, text_of
from grace.think.playbooks.shapes import kind_of

Values = Mapping[str, JsonValue]
"""The roots that a reference may begin with, and what they hold."""

OUTPUTS: Final = "do"
_ORDER: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class AbsentError(LookupError):
    """A reference has no usable value; the message says which and why."""


def evaluate(piped: Piped, values: Values) -> JsonValue:
    """Return the value of a path or literal with its filters; raise AbsentError."""
    filters = list(piped.filters)
    try:
        value = _operand(piped.operand, values)
    except AbsentError:
        if not filters or filters[0].name != "default":
            raise
        value = None
    for used in filters:
        if used.name == "default":
            value = used.arguments[0] if value is None else value
            continue
        try:
            value = apply_filter(used, value)
        except FilterFailedError as error:
            message = f"{piped}: {error}"
            raise AbsentError(message) from error
    return value


def holds(condition: Condition, values: Values) -> bool:
    """Tell whether a condition is true; raise AbsentError when it cannot be told."""
    match condition:
        case Comparison(left, sign, right):
            return _compare(_value(left, values), sign, _value(right, values))
        case Negation(of):
            return not holds(of, values)
        case Junction("and", parts):
            return all(holds(part, values) for part in parts)
        case Junction(_, parts):
            return any(holds(part, values) for part in parts)
        case Piped():
            return _truth(condition, evaluate(condition, values))


def fill(value: JsonValue, values: Values) -> JsonValue:
    """Return the value with every `${{ }}` filled in; outputs of writes stay as they are unless `values` holds them."""
    match value:
        case str():
            template = parse_template(value)
            return _filled(template, values) if template else value
        case list():
            return [fill(item, values) for item in value]
        case dict():
            return {key: fill(item, values) for key, item in value.items()}
        case _:
            return value


def awaited_steps(value: JsonValue) -> frozenset[str]:
    """Return the ids of the steps whose outputs a filled value still waits for."""
    match value:
        case str():
            template = parse_template(value)
            paths = [getattr(one.operand, "steps", ()) for one in template.references] if template else []
            return frozenset(str(path[1]) for path in paths if len(path) > 1 and path[0] == OUTPUTS)
        case list():
            return frozenset[str]().union(*map(awaited_steps, value))
        case dict():
            return frozenset[str]().union(*map(awaited_steps, value.values()))
        case _:
            return frozenset()


def equal(left: JsonValue, right: JsonValue) -> bool:
    """Tell whether two JSON values are the same; True is not 1, and 1 is 1.0."""
    if kind_of(left) != kind_of(right):
        return False
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(equal, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(equal(left[key], right[key]) for key in left)
    return left == right


def _filled(template: Template, values: Values) -> JsonValue:
    if (lone := template.lone) is not None:
        return _kept(lone) if _waits(lone, values) else _literal(lone, values)
    return "".join(part if isinstance(part, str) else _piece(part, values) for part in template.parts)


def _piece(piped: Piped, values: Values) -> str:
    if _waits(piped, values):
        return _kept(piped)
    try:
        return text_of(_literal(piped, values))
    except FilterFailedError as error:
        message = f"{piped} cannot stand inside a text: {error}"
        raise AbsentError(message) from error


def _waits(piped: Piped, values: Values) -> bool:
    return piped.root == OUTPUTS and OUTPUTS not in values


def _kept(piped: Piped) -> str:
    return f"{OPEN} {piped} {CLOSE}"


def _literal(piped: Piped, values: Values) -> JsonValue:
    value = evaluate(piped, values)
    if mentions_reference(value):
        # Else a label that somebody sends could make a reference that is resolved when the plan is executed.
        message = f"{piped} contains {OPEN!r}, which no value may"
        raise AbsentError(message)
    return value


def mentions_reference(value: JsonValue) -> bool:
    """Tell whether a reference, or what would be read as one, stands anywhere in a value."""
    match value:
        case str():
            return OPEN in value
        case list():
            return any(mentions_reference(item) for item in value)
        case dict():
            return any(OPEN in key or mentions_reference(item) for key, item in value.items())
        case _:
            return False


def _operand(operand: Literal | Reference, values: Values) -> JsonValue:
    if isinstance(operand, Literal):
        return operand.value
    value: JsonValue = dict(values)
    for step in operand.steps:
        value = _step(operand, value, step)
    return value


def _step(reference: Reference, value: JsonValue, step: str | int) -> JsonValue:
    if isinstance(value, dict) and isinstance(step, str) and step in value:
        return value[step]
    if isinstance(value, list) and isinstance(step, int) and -len(value) <= step < len(value):
        return value[step]
    message = f"{reference} has no value: there is no {step!r}"
    raise AbsentError(message)


def _value(condition: Condition, values: Values) -> JsonValue:
    return evaluate(condition, values) if isinstance(condition, Piped) else holds(condition, values)


def _truth(piped: Piped, value: JsonValue) -> bool:
    if isinstance(value, bool):
        return value
    message = f"{piped} is {kind_of(value)}, not true or false"
    raise AbsentError(message)


def _compare(left: JsonValue, sign: str, right: JsonValue) -> bool:
    if sign in ("==", "!="):
        return equal(left, right) == (sign == "==")
    if kind_of(left) != "number" or kind_of(right) != "number":
        message = f"{sign} compares numbers, not {kind_of(left)} with {kind_of(right)}"
        raise AbsentError(message)
    assert isinstance(left, int | float)  # noqa: S101 - narrowed by its kind
    assert isinstance(right, int | float)  # noqa: S101 - narrowed by its kind
    return _ORDER[sign](left, right)
