"""Sighting: what capture() copies while the application waits. Everything slow is left to the background thread.

A copy holds code objects, line numbers, plain text and plain containers: no frame, no live exception and no object of
the application, so nothing is kept alive and nothing can change afterwards.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, TypeGuard

from grace_sdk.safety import Fault, attempt

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from types import CodeType, TracebackType

LONGEST_TEXT: Final = 8_192
"""Characters of one text that are kept."""
_OUTERMOST_FRAMES: Final = 32
_INNERMOST_FRAMES: Final = 96
_MOST_CAUSES: Final = 8
_DEEPEST: Final = 8
_MOST_NODES: Final = 512
_MOST_LABELS: Final = 32
_LARGEST_INTEGER_BITS: Final = 53
_PRINTABLE_MODULES: Final = frozenset({"datetime", "decimal", "fractions", "ipaddress", "pathlib", "uuid"})

Plain: TypeAlias = "bool | int | float | str | list[Plain] | dict[str, Plain] | None"
TracedCode: TypeAlias = "tuple[CodeType, int | None, object]"
"""Code object, line number and the `__name__` of the module it ran in."""


class RaisedCopy(NamedTuple):
    """One exception without the exception; frames are innermost last."""

    type: type[BaseException]
    message: str
    frames: list[TracedCode]
    left_out: int


class Sighting(NamedTuple):
    """One thing that was captured."""

    sequence: int
    at_ns: int
    kind: str
    severity: str
    title: str
    message: str
    raised: tuple[RaisedCopy, ...]
    """The captured exception first, then what caused it, nearest first."""
    labels: dict[str, str]
    context: Plain
    correlation_id: str


def copy_raised(exc: BaseException) -> tuple[RaisedCopy, ...]:
    """Copy an exception and its causes, at most nine in all; never raises."""
    copied = attempt(_copy_chain, exc)
    return (RaisedCopy(type(exc), f"<unreadable: {copied.type}>", [], 0),) if isinstance(copied, Fault) else copied


def copy_text(value: object) -> str:
    """Return the text of a value, cut to LONGEST_TEXT; a value that cannot say its text is named by its type."""
    if type(value) is str:
        return value if len(value) <= LONGEST_TEXT else cut(value)
    text = attempt(_plain_text, value)
    return f"<{type_name(value)} without text: {text.type}>" if isinstance(text, Fault) else cut(text)


def copy_labels(labels: Mapping[str, object] | None) -> dict[str, str]:
    """Copy the first 32 labels as text; never raises."""
    if labels is None:
        return {}
    copied = attempt(_copy_labels, labels)
    return {"unreadable_labels": copied.type} if isinstance(copied, Fault) else copied


def copy_context(context: object) -> Plain:
    """Copy a value as plain JSON data, at most eight levels deep and 512 values in all; never raises.

    Objects of the application are named by their type and never printed: their repr may block, change or hold secrets.
    """
    copied = attempt(_copy, context, _DEEPEST, [_MOST_NODES])
    return {"unreadable": copied.type} if isinstance(copied, Fault) else copied


def cut(text: str) -> str:
    """Shorten a text to LONGEST_TEXT and say by how much."""
    more = len(text) - LONGEST_TEXT
    return text if more <= 0 else f"{text[:LONGEST_TEXT]}... ({more} more characters)"


def type_name(value: object) -> str:
    return class_name(type(value))


def class_name(kind: type) -> str:
    """Return the dotted name of a class; one whose metaclass will not say it is an `object`."""
    name = attempt(_dotted_name, kind)
    return "object" if isinstance(name, Fault) else name


def _dotted_name(kind: type) -> str:
    module, name = kind.__module__, kind.__qualname__
    return str.__str__(name) if module == "builtins" else f"{str.__str__(module)}.{str.__str__(name)}"


def _copy_chain(exc: BaseException) -> tuple[RaisedCopy, ...]:
    if exc.__cause__ is None and exc.__context__ is None and not _is_group(exc):
        return (_copy_one(exc),)
    return tuple(_copy_one(one) for one in _chain(exc))


def _copy_one(exc: BaseException) -> RaisedCopy:
    frames, left_out = _copy_frames(exc.__traceback__)
    return RaisedCopy(type(exc), copy_text(exc), frames, left_out)


def _copy_frames(traceback: TracebackType | None) -> tuple[list[TracedCode], int]:
    frames: list[TracedCode] = []
    while traceback is not None:
        frame = traceback.tb_frame
        frames.append((frame.f_code, traceback.tb_lineno, frame.f_globals.get("__name__")))
        traceback = traceback.tb_next
    left_out = len(frames) - _OUTERMOST_FRAMES - _INNERMOST_FRAMES
    if left_out <= 0:
        return frames, 0
    return frames[:_OUTERMOST_FRAMES] + frames[-_INNERMOST_FRAMES:], left_out


def _chain(exc: BaseException) -> list[BaseException]:
    """List the exception, its causes and, for a group, its members; a loop of causes is walked once."""
    chain: list[BaseException] = []
    waiting: list[BaseException | None] = [exc]
    while waiting and len(chain) <= _MOST_CAUSES:
        one = waiting.pop(0)
        if one is None or any(one is earlier for earlier in chain):
            continue
        chain.append(one)
        waiting.append(one.__cause__ if one.__suppress_context__ else one.__cause__ or one.__context__)
        if _is_group(one):
            waiting.extend(one.exceptions[:_MOST_CAUSES])
    return chain


def _is_group(exc: BaseException) -> TypeGuard[BaseExceptionGroup[BaseException]]:
    return isinstance(exc, BaseExceptionGroup)


def _plain_text(value: object) -> str:
    # A subclass of str may answer anything from its own methods; str.__str__ makes an exact copy instead.
    return str.__str__(value) if isinstance(value, str) else str.__str__(str(value))


def _copy_labels(labels: Mapping[str, object]) -> dict[str, str]:
    return {_key(name): _key(labels[name]) for name in itertools.islice(labels, _MOST_LABELS)}


def _key(value: object) -> str:
    if isinstance(value, str):
        return copy_text(value)
    copied = _copy(value, 1, [1])
    return copied if isinstance(copied, str) else str(copied)


def _copy(value: object, depth: int, budget: list[int]) -> Plain:
    budget[0] -= 1
    if _is_container(value):
        if depth <= 0 or budget[0] <= 0:
            return f"<{type_name(value)} of {len(value)}, left out>"
        return _copy_mapping(value, depth, budget) if _is_mapping(value) else _copy_series(value, depth, budget)
    return _copy_single(value)


def _copy_mapping(mapping: dict[object, object], depth: int, budget: list[int]) -> Plain:
    copied: dict[str, Plain] = {}
    # dict.items, because a subclass may have its own; a list, because another thread may add a key meanwhile.
    for name, item in list(dict[object, object].items(mapping)):
        if budget[0] <= 0:
            copied["..."] = "more was left out"
            break
        copied[_key(name)] = _copy(item, depth - 1, budget)
    return copied


def _copy_series(series: Collection[object], depth: int, budget: list[int]) -> Plain:
    copied: list[Plain] = []
    for item in list(series):
        if budget[0] <= 0:
            copied.append("... more was left out")
            break
        copied.append(_copy(item, depth - 1, budget))
    return copied


def _copy_single(value: object) -> Plain:
    match value:
        case None | bool():
            return value
        case str():
            return copy_text(value)
        case int():
            return _copy_integer(value)
        case float():
            number = float.__add__(value, 0.0)
            return number if number - number == 0.0 else str(number)
        case _:
            return _copy_foreign(value)


def _copy_integer(value: int) -> Plain:
    number = int.__add__(value, 0)
    bits = number.bit_length()
    if bits <= _LARGEST_INTEGER_BITS:
        return number
    return str(number) if bits <= LONGEST_TEXT else f"<int of {bits} bits>"


def _copy_foreign(value: object) -> Plain:
    if isinstance(value, bytes | bytearray):
        return f"<{type_name(value)} of {len(value)}>"
    if isinstance(value, BaseException):
        return f"{type_name(value)}: {copy_text(value)}"
    if type(value).__module__ in _PRINTABLE_MODULES:
        return copy_text(value)
    return f"<{type_name(value)}>"


def _is_container(value: object) -> TypeGuard[Collection[object]]:
    return isinstance(value, dict | list | tuple | set | frozenset)


def _is_mapping(value: object) -> TypeGuard[dict[object, object]]:
    return isinstance(value, dict)
