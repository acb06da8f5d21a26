"""Suggest: what a person who takes an incident over can do, from the knowledge that was cited and from the words.

A refused value is never mended here: its sender gets told the field, the rule, and a value that would pass.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from grace.model.diagnosis import Diagnosis
from grace.model.service import Service
from grace.model.signal import Signal
from grace.think.knowledge.loading import Knowledge

MOST: Final = 8
"""So many suggestions are made; further fields are counted."""
DEFAULT_LABEL: Final = "default."
"""A label of the service such as `default.quantity` declares a value that senders may fall back on."""
_LONGEST: Final = 300
_ALTERNATIVES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "permission_denied": (
            "without it: archive instead of deleting, write a new version beside the old one, try it in a sandbox",
        ),
    }
)
_REFUSED: Final = re.compile(r"^(?P<field>[\w.\[\]-]+)\n  (?P<rule>[^\n]+?) \[type=(?P<kind>\w+)", re.MULTILINE)
"""How pydantic reports each value that it refuses."""
_NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?")
_QUOTED: Final = re.compile(r"'([^']*)'")
_EXAMPLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "int": "1",
        "float": "1.5",
        "decimal": "1.50",
        "bool": "true",
        "datetime": '"2026-01-31T12:00:00Z"',
        "date": '"2026-01-31"',
        "time": '"12:00:00"',
        "uuid": '"01234567-89ab-4def-8123-456789abcdef"',
        "url": '"https://example.com/"',
        "string": '"text"',
        "list": "[]",
        "dict": "{}",
        "model": "{}",
        "json": "{}",
    }
)
"""A value of each type, by how the name of pydantic's error begins."""
_CONVERSIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "invalid literal for int()": "a whole number, such as 42",
        "could not convert string to float": "a number, such as 1.5",
        "Invalid isoformat string": "an ISO 8601 time, such as 2026-01-31T12:00:00+00:00",
        "does not match format": "a time in that format",
        "badly formed hexadecimal UUID string": "a UUID, such as 01234567-89ab-4def-8123-456789abcdef",
        "Expecting value": 'JSON, such as {"key": 1}',
    }
)


def suggest(diagnosis: Diagnosis, signals: Sequence[Signal], knowledge: Knowledge, service: Service) -> tuple[str, ...]:
    """Return sentences for the owner, the most particular first; the words of a message aim nothing here."""
    particular = _refused_values(signals, service) if diagnosis.cause == "validation_error" else ()
    made = dict.fromkeys((*particular, *_ALTERNATIVES.get(diagnosis.cause, ()), *_advice(diagnosis, knowledge)))
    return tuple(one[:_LONGEST] for one in tuple(made)[:MOST])


def _advice(diagnosis: Diagnosis, knowledge: Knowledge) -> Iterator[str]:
    cited = {one.rule for one in diagnosis.evidence}
    return (rule.advice for rule in knowledge.rules if rule.id in cited and rule.advice)


def _refused_values(signals: Sequence[Signal], service: Service) -> Iterable[str]:
    for signal in signals:
        said = signal.exception.message if signal.exception else signal.message
        refused = list(_REFUSED.finditer(said))
        yield from (_of_field(one["field"], one["rule"], one["kind"], service) for one in refused)
        if not refused:
            yield from (_of_conversion(signal, wanted) for start, wanted in _CONVERSIONS.items() if start in said)


def _of_field(field: str, rule: str, kind: str, service: Service) -> str:
    declared = service.labels.get(f"{DEFAULT_LABEL}{field}")
    passing = _passing(rule, kind)
    told = [f"field {field}: {rule}"]
    if passing is not None:
        told.append(f"for example {passing} passes")
    if declared is not None and _passes(declared, rule, kind):
        told.append(f"the declared default {declared} passes")
    return "; ".join(told)


def _of_conversion(signal: Signal, wanted: str) -> str:
    frames = signal.exception.frames if signal.exception else ()
    own = [frame for frame in frames if frame.in_app] or list(frames)
    where = f" that {own[-1].function} ({own[-1].module or own[-1].file}) takes" if own else ""
    return f"the value{where} has to be {wanted}"


def _passing(rule: str, kind: str) -> str | None:
    """Return a value that the rule lets pass, None where the rule does not tell."""
    if kind in _BOUNDS and (bound := _NUMBER.search(rule)):
        return _plain(_BOUNDS[kind](float(bound[0])))
    if kind in {"literal_error", "enum"}:
        choices = _QUOTED.findall(rule)
        return f'"{choices[0]}"' if choices else None
    if kind in {"string_too_short", "string_too_long"} and (length := _NUMBER.search(rule)):
        return f"a text of {length[0]} characters"
    return next((value for name, value in _EXAMPLES.items() if kind.startswith(name)), None)


_BOUNDS: Final[Mapping[str, Callable[[float], float]]] = MappingProxyType(
    {
        "greater_than": lambda bound: bound + 1,
        "greater_than_equal": lambda bound: bound,
        "less_than": lambda bound: bound - 1,
        "less_than_equal": lambda bound: bound,
        "multiple_of": lambda step: step,
    }
)
_TESTS: Final[Mapping[str, Callable[[float, float], bool]]] = MappingProxyType(
    {
        "greater_than": lambda value, bound: value > bound,
        "greater_than_equal": lambda value, bound: value >= bound,
        "less_than": lambda value, bound: value < bound,
        "less_than_equal": lambda value, bound: value <= bound,
    }
)


def _passes(declared: str, rule: str, kind: str) -> bool:
    """Tell whether a declared default surely passes; one of which that cannot be said is not offered."""
    bound = _NUMBER.search(rule)
    if kind in _TESTS and bound:
        value = _NUMBER.fullmatch(declared)
        return value is not None and _TESTS[kind](float(declared), float(bound[0]))
    if kind in {"literal_error", "enum"}:
        return declared in _QUOTED.findall(rule)
    if kind in {"int_parsing", "int_type"}:
        return re.fullmatch(r"-?\d+", declared) is not None
    return kind == "missing"


def _plain(number: float) -> str:
    return str(int(number)) if number.is_integer() else str(number)
