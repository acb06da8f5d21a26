"""Secrets: a plan holds references to them, never their values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from pydantic import JsonValue

from grace.kit.documents import Path
from grace.kit.redaction import Limits, redact
from grace.model.plan import Plan

_WHOLE_PLAN: Final = Limits(depth=64, items=1_000_000, text=16 * 1024 * 1024)
"""A plan is looked at to its end: what is cut off would look like a secret."""
REMEDY: Final = "Write a reference (`env:NAME` or `file:/path`) instead of the value."
_REFERENCE: Final = re.compile(r"(Bearer |Basic )?(env:[A-Za-z_][A-Za-z0-9_]*|file:/[^\s]+)")


def secret_in(plan: Plan) -> str | None:
    """Return where a plan shows what redaction would hide, without its value; None when it shows nothing."""
    shown = plan.to_json()
    hidden = redact(shown, limits=_WHOLE_PLAN).value
    # Nearly every plan shows nothing: then no walk is needed to find where.
    return None if hidden == shown else next((".".join(map(str, path)) for path in _changed(shown, hidden, ())), None)


def secrets_written(value: JsonValue) -> Iterator[Path]:
    """Yield where a part of a playbook writes what a plan may not show; what is only known later is let be."""
    hidden = redact(value, limits=_WHOLE_PLAN).value
    for path in _changed(value, hidden, ()):
        if not any(isinstance(leaf, str) and "${{" in leaf for leaf in _leaves(_at(value, path))):
            yield path


def _at(value: JsonValue, path: Path) -> JsonValue:
    for step in path:
        match value:
            case dict():
                value = value[str(step)]
            case list():
                value = value[int(step)]
            case _:
                break
    return value


def _changed(shown: JsonValue, hidden: JsonValue, path: Path) -> Iterator[Path]:
    if isinstance(shown, dict) and isinstance(hidden, dict) and shown.keys() == hidden.keys():
        for key, value in shown.items():
            yield from _changed(value, hidden[key], (*path, key))
    elif isinstance(shown, list) and isinstance(hidden, list):
        for index, (value, other) in enumerate(zip(shown, hidden, strict=True)):
            yield from _changed(value, other, (*path, index))
    elif shown != hidden and not _is_harmless(shown, hidden):
        yield path


def _is_harmless(shown: JsonValue, hidden: JsonValue) -> bool:
    """Tell whether there is nothing to hide: no value at all, or the name of a place where the secret is kept."""
    if isinstance(shown, dict | list) and isinstance(hidden, str):
        return all(_is_reference(leaf) for leaf in _leaves(shown))
    return _is_reference(shown)


def _is_reference(value: JsonValue) -> bool:
    return value is None or (isinstance(value, str) and (not value or _REFERENCE.fullmatch(value) is not None))


def _leaves(value: JsonValue) -> Iterator[JsonValue]:
    if isinstance(value, dict):
        for one in value.values():
            yield from _leaves(one)
    elif isinstance(value, list):
        for one in value:
            yield from _leaves(one)
    else:
        yield value
