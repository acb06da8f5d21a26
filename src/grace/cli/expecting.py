"""Expectations as they are typed: `metric service.error_rate at_most 0.01 within 10s for 5s`."""

from __future__ import annotations

import shlex
from typing import Final

from grace_sdk.client import Json

from grace.cli.calls import CommandFailed, JsonObject
from grace.cli.exits import Exit
from grace.model.contract import ClauseSource, Comparator

_SOURCES: Final = frozenset(one.value for one in ClauseSource)
_COMPARATORS: Final = frozenset(one.value for one in Comparator)
_TIMES: Final = frozenset({"within", "for", "every"})
_EXAMPLE: Final = "--expect 'metric service.error_rate at_most 0.01 within 10s for 5s'"
_PROBE_EXAMPLE: Final = "--expect 'probe file.value path=/etc/app.yaml key=timeout is 30'"


def read_expectation(written: str) -> JsonObject:
    """Return the clause as a playbook would write it; fail with an example of how to write it."""
    try:
        words = shlex.split(written)
    except ValueError as error:
        raise _unreadable(written, str(error)) from error
    if len(words) < _SHORTEST or words[0] not in _SOURCES:
        raise _unreadable(written, f"it begins with one of {', '.join(sorted(_SOURCES))}, and what that measures")
    source, name, *rest = words
    at = next((index for index, word in enumerate(rest) if word in _COMPARATORS), None)
    if at is None or at + 1 >= len(rest):
        raise _unreadable(written, f"it has none of {', '.join(sorted(_COMPARATORS))} with a value behind it")
    given, comparator, value, times = rest[:at], rest[at], rest[at + 1], rest[at + 2 :]
    clause: JsonObject = {source: name, comparator: _value(value)}
    if given:
        clause["with"] = dict(_pair(written, one) for one in given)
    return {**clause, **_read_times(written, times)}


_SHORTEST: Final = 4


def _pair(written: str, one: str) -> tuple[str, Json]:
    name, equals, value = one.partition("=")
    if not name or not equals:
        raise _unreadable(written, f"{one} is not NAME=VALUE")
    return name, _value(value)


def _read_times(written: str, words: list[str]) -> JsonObject:
    if len(words) % 2 or not _TIMES.issuperset(words[::2]):
        raise _unreadable(written, f"behind the value stand only {', '.join(sorted(_TIMES))}, each with a duration")
    return dict(zip(words[::2], words[1::2], strict=True))


def _value(word: str) -> Json:
    """Read a word as YAML 1.2 would: a number, true, false, null, else text."""
    named: dict[str, Json] = {"true": True, "false": False, "null": None}
    if word in named:
        return named[word]
    for read in (int, float):
        try:
            number = read(word)
        except ValueError:
            continue
        return number if word.isascii() and word.lower().strip("+-") not in {"nan", "inf", "infinity"} else word
    return word


def _unreadable(written: str, why: str) -> CommandFailed:
    return CommandFailed(Exit.USAGE, f"--expect {written!r}: {why}", f"{_EXAMPLE}, or {_PROBE_EXAMPLE}")
