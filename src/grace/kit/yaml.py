"""Read YAML 1.2 as people mean it: `off` is a word, `0644` is 644, a repeated key is a mistake, nothing is executed.

What is read is plain JSON with marks. Anchors, aliases, tags and directives are refused: none is needed, and each is a
way to make a short file large or a clear file unclear.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Self

from pydantic import JsonValue
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.reader import ReaderError

from grace.kit.documents import Document, Flaw, Mark, Path

LARGEST_FILE_BYTES: Final = 256 * 1024
DEEPEST: Final = 32
_SAFE_INTEGER: Final = 2**53 - 1
_LONGEST_NUMBER: Final = 40

_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEAN: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_DECIMAL: Final = re.compile(r"[-+]?[0-9]+")
_OTHER_BASE: Final = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE: Final = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class _Refused(Exception):
    """The file is not what may be written; carries where and why."""

    def __init__(self, mark: Mark, rule: str, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.mark, self.rule, self.message, self.remedy = mark, rule, message, remedy


def read_yaml(content: bytes | str, file: str) -> Document | Flaw:
    """Return the one document in a file, or the first flaw that makes it unreadable."""
    try:
        text = _decoded(content)
        return _Building(file, iter(_events(text))).document()
    except _Refused as refused:
        return Flaw(file, refused.mark.line, refused.mark.column, refused.rule, refused.message, refused.remedy)


def _decoded(content: bytes | str) -> str:
    if len(content) > LARGEST_FILE_BYTES:
        message = f"the file has {len(content):,} bytes; at most {LARGEST_FILE_BYTES:,} are read"
        raise _Refused(Mark(), "yaml.too-large", message, "Split it.")
    if isinstance(content, str):
        return content
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise _Refused(Mark(line, 1), "yaml.not-utf8", "the file is not UTF-8", "Save it as UTF-8.") from error


@dataclass(frozen=True, slots=True)
class _Event:
    """What the parser says, as far as it matters here; its own classes carry no types."""

    kind: str
    mark: Mark
    text: str
    is_plain: bool
    has_anchor: bool
    has_tag: bool
    has_directive: bool

    @classmethod
    def of(cls, raw: object) -> Self:
        implicit = getattr(raw, "implicit", None)
        return cls(
            kind=type(raw).__name__.removesuffix("Event"),
            mark=_mark(getattr(raw, "start_mark", None)),
            text=str(getattr(raw, "value", "")),
            is_plain=isinstance(implicit, tuple) and bool(implicit[0]),  # pyright: ignore[reportUnknownArgumentType]
            has_anchor=getattr(raw, "anchor", None) is not None,
            has_tag=getattr(raw, "tag", None) is not None,
            has_directive=bool(getattr(raw, "version", None) or getattr(raw, "tags", None)),
        )


def _mark(at: object) -> Mark:
    line, column = getattr(at, "line", 0), getattr(at, "column", 0)
    return Mark(line + 1, column + 1)


def _events(text: str) -> Iterator[_Event]:
    try:
        # The parser has no types; `_Event.of` takes what it needs.
        for raw in YAML(typ="safe", pure=True).parse(text):  # pyright: ignore[reportUnknownMemberType]
            yield _Event.of(raw)
    except MarkedYAMLError as error:
        mark = _mark(getattr(error, "problem_mark", None) or getattr(error, "context_mark", None))
        problem = getattr(error, "problem", None) or getattr(error, "context", None) or "it cannot be parsed"
        raise _Refused(mark, "yaml.syntax", f"not YAML: {problem}", "Check indentation, quotes, brackets.") from error
    except ReaderError as error:
        before = text[: int(getattr(error, "position", 0))]
        mark = Mark(before.count("\n") + 1, len(before) - before.rfind("\n"))
        raise _Refused(mark, "yaml.syntax", "a control character is not allowed here", "Remove it.") from error
    except (YAMLError, ValueError, OverflowError) as error:
        # An escape such as "\\Uffffffff" names no character; the parser lets Python's own error through.
        raise _Refused(Mark(), "yaml.syntax", f"not YAML: {error}", "Check the escapes in double quotes.") from error


@dataclass(slots=True)
class _Building:
    """Turns events into a value, one node at a time."""

    file: str
    events: Iterator[_Event]
    marks: dict[Path, Mark] = field(default_factory=dict[Path, Mark])

    def document(self) -> Document:
        starts = 0
        value: JsonValue = None
        for event in self.events:
            if event.kind == "DocumentStart":
                starts += 1
                self._check_start(event, starts)
                first = next(self.events)
                self.marks[()] = first.mark
                value = self._node(first, ())
        if not starts:
            raise _Refused(Mark(), "yaml.empty", "the file is empty", "Start from an example in docs/.")
        return Document(self.file, value, self.marks)

    def _check_start(self, event: _Event, starts: int) -> None:
        if starts > 1:
            raise _Refused(event.mark, "yaml.one-document", "a second document begins here", "Use a file for each.")
        if event.has_directive:
            raise _Refused(event.mark, "yaml.directive", "directives are not read", "Remove the line with `%`.")

    def _node(self, event: _Event, path: Path) -> JsonValue:
        _check_node(event, path)
        match event.kind:
            case "MappingStart":
                return self._mapping(path)
            case "SequenceStart":
                return self._sequence(path)
            case "Scalar":
                return _scalar(event)
            case _:
                raise _Refused(event.mark, "yaml.syntax", "a value is expected here")

    def _mapping(self, path: Path) -> JsonValue:
        mapping: dict[str, JsonValue] = {}
        while (event := next(self.events)).kind != "MappingEnd":
            key = self._key(event, path)
            if key in mapping:
                first = self.marks[(*path, key)].line
                message = f"the key {key!r} stands twice: here and in line {first}"
                raise _Refused(event.mark, "yaml.duplicate-key", message, "Keep one.")
            self.marks[(*path, key)] = event.mark
            mapping[key] = self._node(next(self.events), (*path, key))
        return mapping

    def _key(self, event: _Event, path: Path) -> str:
        if event.kind not in ("Scalar", "Alias"):
            raise _Refused(event.mark, "yaml.key", "a key must be a word", "A `{` or `[` cannot be a key; quote it.")
        _check_node(event, path)
        return _text(event)

    def _sequence(self, path: Path) -> JsonValue:
        items: list[JsonValue] = []
        while (event := next(self.events)).kind != "SequenceEnd":
            here = (*path, len(items))
            self.marks[here] = event.mark
            items.append(self._node(event, here))
        return items


def _check_node(event: _Event, path: Path) -> None:
    if event.has_anchor:
        raise _Refused(event.mark, "yaml.anchor", "anchors and aliases are not read", "Write the value out.")
    if event.has_tag:
        raise _Refused(event.mark, "yaml.tag", "tags are not read", "Quote the value if it is meant as text.")
    if len(path) > DEEPEST:
        raise _Refused(event.mark, "yaml.too-deep", f"more than {DEEPEST} levels deep", "Flatten it.")


def _text(event: _Event) -> str:
    text = event.text
    if _SURROGATE.search(text):
        raise _Refused(event.mark, "yaml.not-text", "half of a surrogate pair is not text", "Write the character.")
    return text


def _scalar(event: _Event) -> JsonValue:
    text = _text(event)
    if not event.is_plain:
        return text
    if text in _NULL:
        return None
    if text in _BOOLEAN:
        return _BOOLEAN[text]
    if _NOT_FINITE.fullmatch(text):
        raise _Refused(event.mark, "yaml.not-finite", f"{text} is no number to work with", "Quote it if it is text.")
    return _number(event, text)


def _number(event: _Event, text: str) -> JsonValue:
    decimal, other = _DECIMAL.fullmatch(text), _OTHER_BASE.fullmatch(text)
    if not (decimal or other or _FLOAT.fullmatch(text)):
        return text
    too_large = len(text) > _LONGEST_NUMBER
    number = 0 if too_large else int(text) if decimal else int(text, 0) if other else float(text)
    if (
        too_large
        or (isinstance(number, int) and abs(number) > _SAFE_INTEGER)
        or number in (float("inf"), -float("inf"))
    ):
        message = f"the number {text[:_LONGEST_NUMBER]} is too large to be kept exactly"
        raise _Refused(event.mark, "yaml.too-large-number", message, "Quote it if it is meant as text.")
    return number
