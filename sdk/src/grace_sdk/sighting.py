"""Sighting: what capture() copies while the application waits. Everything slow is left to the background thread.

A copy holds code objects, line numbers, plain text and plain containers: no frame, no live exception and no object of
the application, so nothing is kept alive and nothing can change afterwards.
"""

from __future__ import annotations

import itertools

from grace_sdk.annotating import NamedTuple, cast
from grace_sdk.safety import Fault, attempt

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from dataclasses import Field
    from types import CodeType, TracebackType
    from typing import Final, TypeAlias, TypeGuard

    from grace_sdk.step import Step

    Plain: TypeAlias = "bool | int | float | str | list[Plain] | dict[str, Plain] | None"
    TracedCode: TypeAlias = "tuple[CodeType, int | None, object]"
    """Code object, line number and the `__name__` of the module it ran in."""

    Said: TypeAlias = "str | list[Plain]"
    """What an exception says: its text, or its arguments where they have parts whose names tell what is a secret."""

LONGEST_TEXT: Final = 8_192
"""Characters of one text that are kept."""
_OUTERMOST_FRAMES: Final = 32
_INNERMOST_FRAMES: Final = 96
_MOST_CAUSES: Final = 8
_DEEPEST: Final = 8
_MOST_NODES: Final = 512
_MOST_CHARACTERS: Final = 64 * 1024
"""Of one context in all; the server's door takes more, one signal's place in memory is smaller."""
_MOST_CHARACTERS_SAID: Final = 2 * LONGEST_TEXT
"""Of the arguments of one exception in all."""
_MOST_ARGUMENTS: Final = 16
_PAIR: Final = 2
_MOST_LABELS: Final = 32
_LONGEST_LABEL: Final = 256
_LARGEST_INTEGER_BITS: Final = 53
_PRINTABLE_MODULES: Final = frozenset({"datetime", "decimal", "fractions", "ipaddress", "pathlib", "uuid"})

_PLAIN_TYPES: Final = frozenset({str, int, float, bool, bytes, complex, type(None)})
_PRINTING_THEIR_ARGUMENTS: Final = frozenset({BaseException.__str__, KeyError.__str__, OSError.__str__})
_WEIGHT_OF_A_SIGHTING: Final = 1_024
_WEIGHT_OF_A_FRAME: Final = 96
_WEIGHT_OF_A_NODE: Final = 64
_BYTES_OF_A_LETTER: Final = 4
"""At most; most texts take one."""

_ARGUMENTS: Final = BaseException.__dict__["args"].__get__


class RaisedCopy(NamedTuple):
    """One exception without the exception; frames are innermost last."""

    type: type[BaseException]
    said: Said
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
    trail: tuple[Step, ...]
    """The last steps of the operations that it happened in."""
    weight: int
    """About how many bytes it takes."""


class ContextCopy(NamedTuple):
    """A context as plain data, and about how many bytes it takes."""

    value: Plain
    weight: int


class _Budget:
    """What may still be copied of one context."""

    __slots__ = ("characters", "nodes")

    def __init__(self, characters: int = _MOST_CHARACTERS) -> None:
        self.nodes = _MOST_NODES
        self.characters = characters


def copy_raised(exc: BaseException) -> tuple[RaisedCopy, ...]:
    """Copy an exception and its causes, at most nine in all; never raises."""
    copied = attempt(_copy_chain, exc)
    return (RaisedCopy(type(exc), f"<unreadable: {copied.type}>", [], 0),) if isinstance(copied, Fault) else copied


def copy_said(exc: BaseException) -> Said:
    """Return what an exception says; arguments that are objects of the application are named, never printed.

    An exception with a `__str__` of its own is asked, as `traceback` does: there its message lives.
    """
    said = attempt(_said, exc)
    return f"<{type_name(exc)} without text: {said.type}>" if isinstance(said, Fault) else said


def weigh(message: str, raised: tuple[RaisedCopy, ...]) -> int:
    """Tell about how many bytes a sighting takes without its context."""
    weight = _WEIGHT_OF_A_SIGHTING + _BYTES_OF_A_LETTER * len(message)
    for one in raised:
        said = len(one.said) if type(one.said) is str else _MOST_CHARACTERS_SAID
        weight += _WEIGHT_OF_A_FRAME * len(one.frames) + _BYTES_OF_A_LETTER * said
    return weight


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


def copy_context(context: object) -> ContextCopy:
    """Copy a value as plain JSON data, at most eight levels deep, 512 values and 64 Ki characters; never raises.

    Dataclasses and named tuples are copied by field, so that the names of secrets are seen. Other objects of the
    application are named by their type and never printed: their repr may block, change or hold secrets.
    """
    budget = _Budget()
    copied = attempt(_copy, context, _DEEPEST, budget)
    if isinstance(copied, Fault):
        return ContextCopy({"unreadable": copied.type}, _WEIGHT_OF_A_NODE)
    nodes, characters = _MOST_NODES - budget.nodes, _MOST_CHARACTERS - budget.characters
    return ContextCopy(copied, _WEIGHT_OF_A_NODE * nodes + _BYTES_OF_A_LETTER * characters)


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
    return RaisedCopy(type(exc), copy_said(exc), frames, left_out)


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


def _said(exc: BaseException) -> Said:
    says = type(exc).__str__
    if says not in _PRINTING_THEIR_ARGUMENTS:
        return cut(_plain_text(exc))
    arguments: tuple[object, ...] = _ARGUMENTS(exc)
    if len(arguments) == 1 and type(arguments[0]) is str and says is not KeyError.__str__:
        return cut(arguments[0])
    are_plain = all(type(one) in _PLAIN_TYPES for one in arguments)
    if are_plain and (len(arguments) < _PAIR or says is not BaseException.__str__):
        return cut(says(exc))
    budget = _Budget(_MOST_CHARACTERS_SAID)
    return [_copy(one, _DEEPEST, budget) for one in arguments[:_MOST_ARGUMENTS]]


def _copy_labels(labels: Mapping[str, object]) -> dict[str, str]:
    return {
        _key(name)[:_LONGEST_LABEL]: _key(labels[name])[:_LONGEST_LABEL]
        for name in itertools.islice(labels, _MOST_LABELS)
    }


def _key(value: object) -> str:
    if isinstance(value, str):
        return copy_text(value)
    copied = _copy(value, 0, _Budget())
    return copied if isinstance(copied, str) else str(copied)


def _copy(value: object, depth: int, budget: _Budget) -> Plain:
    budget.nodes -= 1
    fields = _fields_of(value)
    if fields is not None:
        value = fields
    elif not _is_container(value):
        return _spent(_copy_single(value), budget)
    if depth <= 0 or budget.nodes <= 0:
        return f"<{type_name(value)} of {len(value)}, left out>"
    return _copy_mapping(value, depth, budget) if _is_mapping(value) else _copy_series(value, depth, budget)


def _spent(copied: Plain, budget: _Budget) -> Plain:
    if not isinstance(copied, str):
        return copied
    if len(copied) > budget.characters:
        budget.nodes = 0
        return f"<text of {len(copied)} characters, left out>"
    budget.characters -= len(copied)
    return copied


def _fields_of(value: object) -> dict[str, object] | None:
    """Return the fields of a dataclass or a named tuple by name; one that hides a field from its repr hides it here."""
    kind = type(value)
    if kind.__class__ is not type or kind.__module__ == "builtins":
        # Classes with a metaclass of their own are looked at with more care, where they are named.
        return None
    if isinstance(value, tuple):
        names: tuple[str, ...] = getattr(kind, "_fields", ())
        items: Iterator[object] = tuple[object, ...].__iter__(cast("tuple[object, ...]", value))
        return dict(zip(names, items, strict=False)) if names else None
    fields: dict[str, Field[object]] | None = getattr(kind, "__dataclass_fields__", None)
    if fields is None:
        return None
    return {name: object.__getattribute__(value, name) for name, field in fields.items() if field.repr}


def _copy_mapping(mapping: dict[object, object], depth: int, budget: _Budget) -> Plain:
    copied: dict[str, Plain] = {}
    # dict.items, because a subclass may have its own; a list, because another thread may add a key meanwhile.
    for name, item in list(dict[object, object].items(mapping)):
        if budget.nodes <= 0:
            copied["..."] = "more was left out"
            break
        key = _key(name)
        budget.characters -= len(key)
        copied[key] = _copy(item, depth - 1, budget)
    return copied


def _copy_series(series: Collection[object], depth: int, budget: _Budget) -> Plain:
    copied: list[Plain] = []
    for item in list(series):
        if budget.nodes <= 0:
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
        said = copy_said(value)
        return f"{type_name(value)}: {said}" if isinstance(said, str) else {"type": type_name(value), "arguments": said}
    if type(value).__module__ in _PRINTABLE_MODULES:
        return copy_text(value)
    return f"<{type_name(value)}>"


def _is_container(value: object) -> TypeGuard[Collection[object]]:
    return isinstance(value, dict | list | tuple | set | frozenset)


def _is_mapping(value: object) -> TypeGuard[dict[object, object]]:
    return isinstance(value, dict)
