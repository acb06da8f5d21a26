"""Words for people: JSON values as a playbook would have them, and errors of libraries without what is not for people.

An error becomes one line, without the library's prefixes, links and dumps of what was given.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, cast

from pydantic import ValidationError

_MOST_TOLD: Final = 10
_PREFIXES: Final = ("Value error, ", "Assertion failed, ")
_OF_TYPE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "missing": "is missing",
        "extra_forbidden": "is not known here",
        "string_type": "should be text",
        "dict_type": "should be an object",
        "model_type": "should be an object",
        "model_attributes_type": "should be an object",
        "list_type": "should be a list",
        "tuple_type": "should be a list",
        "set_type": "should be a list",
        "frozen_set_type": "should be a list",
        "mapping_type": "should be an object",
        "bool_type": "should be true or false",
        "bool_parsing": "should be true or false",
        "int_type": "should be a whole number",
        "int_parsing": "should be a whole number",
        "int_from_float": "should be a whole number",
        "path_type": "should be a path",
        "datetime_type": "should be a time, as 2026-01-01T00:00:00Z",
        "datetime_parsing": "should be a time, as 2026-01-01T00:00:00Z",
        "datetime_from_date_parsing": "should be a time, as 2026-01-01T00:00:00Z",
        "float_type": "should be a number",
        "float_parsing": "should be a number",
    }
)
"""What pydantic calls by the names of its own types."""
_SHORTER: Final = (
    ("greater than or equal to", "at least"),
    ("less than or equal to", "at most"),
    (" after validation", ""),
)


def written(value: object) -> str:
    """Write a JSON value as it would stand in a playbook, on one line."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def written_members(members: Mapping[str, object]) -> str:
    """Write the members of an object on one line, `name=value` each; text with spaces in it is quoted."""
    return " ".join(f"{name}={_quoted(value)}" for name, value in members.items())


def written_fact(value: object) -> str:
    """Write a JSON value as a person reads it: an object by its members, anything else as in a playbook."""
    return written_members(cast("Mapping[str, object]", value)) if isinstance(value, Mapping) else written(value)


def _quoted(value: object) -> str:
    """Write a value so that its end is seen: text that has spaces, or none at all, as JSON."""
    if isinstance(value, str) and value and not any(sign.isspace() for sign in value):
        return value
    return json.dumps(value, ensure_ascii=False)


def in_words(error: BaseException) -> str:
    """Return what an error says, in one line without a full stop at its end."""
    if isinstance(error, ValidationError):
        return flaws_in_words(error.errors(include_url=False, include_context=False, include_input=False))
    if isinstance(error, json.JSONDecodeError):
        return f"{_lowered(error.msg)} at line {error.lineno}, column {error.colno}"
    original = getattr(error, "orig", None)  # SQLAlchemy wraps what the driver said, and adds a link
    if isinstance(original, BaseException):
        return in_words(original)
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(" .") if lines else type(error).__name__


def flaws_in_words(flaws: Sequence[Any]) -> str:
    """Return what pydantic found wrong: each field and why, never what was given."""
    told = [f"{place}: {flaw_in_words(flaw)}" if (place := _place(flaw)) else flaw_in_words(flaw) for flaw in flaws]
    more = f"; and {len(told) - _MOST_TOLD} more" if len(told) > _MOST_TOLD else ""
    return "; ".join(told[:_MOST_TOLD]) + more


def flaw_in_words(flaw: Mapping[str, Any]) -> str:
    """Return why one field is refused, beginning with a verb where the library has one: `should be at least 1`."""
    own = _OF_TYPE.get(flaw["type"])
    if own is not None:
        return own
    said: str = flaw["msg"]
    for prefix in _PREFIXES:
        said = said.removeprefix(prefix)
    for long, short in _SHORTER:
        said = said.replace(long, short)
    subject, should, rest = said.partition(" should ")
    return f"should {rest}" if should and " " not in subject else said


def _place(flaw: Mapping[str, Any]) -> str:
    return ".".join(str(step) for step in flaw["loc"])


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]
