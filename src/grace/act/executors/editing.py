"""Change one value in a configuration file and nothing else: comments, order and spacing stay as people wrote them.

Each edit is checked by reading the result back: it must say what the old text said, with the one value changed.
"""

from __future__ import annotations

import configparser
import io
import json
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Final, Protocol, TypeAlias, cast

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from grace.kit.format_flaws import format_flaw

Scalar: TypeAlias = bool | int | float | str | None

_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_./ -]*[A-Za-z0-9_/]|[A-Za-z_]")
_YAML_WORDS: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_INI_LINE: Final = r"(?P<head>\s*{key}\s*[=:][ \t]*)(?P<value>.*)"
_TOML_LINE: Final = r"(?P<head>\s*(?:{key}|\"{key}\"|'{key}')\s*=\s*)(?P<value>.*?)(?P<tail>\s*(?:#.*)?)"


class CannotEditError(Exception):
    """The value cannot be set, and why."""

    def __init__(self, key: str, why: str) -> None:
        self.key = key
        self.why = why
        super().__init__(f"{key}: {why}")


class _Mark(Protocol):
    index: int


class _Node(Protocol):
    """What is used of a node of the YAML library, which has no types of its own."""

    id: str
    value: object
    style: str | None
    start_mark: _Mark
    end_mark: _Mark


@dataclass(frozen=True, slots=True)
class _Format:
    read: Callable[[str], object]
    edit: Callable[[str, tuple[str, ...], Scalar], str]
    written_as: Callable[[Scalar], Scalar]
    """What the format makes of the value: INI knows only text."""


def set_value(text: str, file: str, key: str, value: Scalar) -> str:
    """Return the text with the value at a dotted key replaced; the key must be there already."""
    kind = _FORMATS.get(PurePath(file).suffix.lower())
    if kind is None:
        known = ", ".join(sorted(_FORMATS))
        raise CannotEditError(key, f"{file} is none of {known}; use file.replace_text")
    path = tuple(key.split("."))
    try:
        before = kind.read(text)
        edited = kind.edit(text, path, value)
        if kind.read(edited) != _with(before, path, kind.written_as(value)):
            raise CannotEditError(key, "it cannot be replaced in place; use file.replace_text")
    except (YAMLError, ValueError, RecursionError, configparser.Error) as error:
        raise CannotEditError(key, f"the file cannot be edited: {format_flaw(error)}") from error
    return edited


def _with(document: object, path: tuple[str, ...], value: Scalar) -> object:
    if not path:
        return value
    match document:
        case dict():
            mapping = cast("dict[str, object]", document)
            return {key: _with(item, path[1:], value) if key == path[0] else item for key, item in mapping.items()}
        case list():
            items = cast("list[object]", document)
            return [_with(item, path[1:], value) if str(index) == path[0] else item for index, item in enumerate(items)]
        case _:
            return document


def _edit_yaml(text: str, path: tuple[str, ...], value: Scalar) -> str:
    return _replaced(text, path, _as_yaml(value))


def _edit_json(text: str, path: tuple[str, ...], value: Scalar) -> str:
    return _replaced(text, path, json.dumps(value, ensure_ascii=False))


def _replaced(text: str, path: tuple[str, ...], written: str) -> str:
    """Replace the characters of one scalar; JSON is read as the YAML that it nearly always is."""
    yaml: Any = YAML(typ="safe", pure=True)
    node = _descend(cast("_Node | None", yaml.compose(text)), path)
    return text[: node.start_mark.index] + written + text[node.end_mark.index :]


def _descend(node: _Node | None, path: tuple[str, ...]) -> _Node:
    for depth, step in enumerate(path):
        node = None if node is None else _child(node, step)
        if node is None:
            raise CannotEditError(".".join(path[: depth + 1]), "there is no such key")
    if node is None or node.id != "scalar" or node.style in ("|", ">"):
        raise CannotEditError(".".join(path), "it is no single value on one line")
    return node


def _child(node: _Node, step: str) -> _Node | None:
    match node.id:
        case "mapping":
            pairs = cast("list[tuple[_Node, _Node]]", node.value)
            return next((item for key, item in pairs if key.id == "scalar" and key.value == step), None)
        case "sequence":
            items = cast("list[_Node]", node.value)
            return next((item for index, item in enumerate(items) if str(index) == step), None)
        case _:
            return None


def _as_yaml(value: Scalar) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _YAML_WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)


def _edit_lines(text: str, path: tuple[str, ...], written: str, pattern: str) -> str:
    """Replace the value in the one line `key = value` of the section that the path names."""
    section, key = ".".join(path[:-1]), path[-1]
    here = ""
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines):
        body = line.rstrip("\r\n")
        if header := re.fullmatch(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(?:[#;].*)?", body):
            here = header[1]
        elif here == section and (found := re.fullmatch(pattern.format(key=re.escape(key)), body)):
            tail = found.groupdict().get("tail") or ""
            lines[number] = found["head"] + written + tail + line[len(body) :]
            return "".join(lines)
    raise CannotEditError(".".join(path), "there is no such key")


def _edit_ini(text: str, path: tuple[str, ...], value: Scalar) -> str:
    return _edit_lines(text, path, str(_as_ini(value)), _INI_LINE)


def _edit_toml(text: str, path: tuple[str, ...], value: Scalar) -> str:
    if value is None:
        raise CannotEditError(".".join(path), "TOML has no null")
    return _edit_lines(text, path, json.dumps(value, ensure_ascii=False), _TOML_LINE)


def _as_ini(value: Scalar) -> str:
    match value:
        case bool():
            return str(value).lower()
        case None:
            return ""
        case _:
            return str(value)


class _CaseSensitiveParser(configparser.ConfigParser):
    def optionxform(self, optionstr: str) -> str:
        return optionstr


def _read_ini(text: str) -> object:
    parser = _CaseSensitiveParser(interpolation=None)
    parser.read_string(text)
    return {section: dict(parser.items(section)) for section in parser.sections()} | {"": dict(parser.defaults())}


def _read_yaml(text: str) -> object:
    yaml: Any = YAML(typ="safe", pure=True)
    return cast("object", yaml.load(io.StringIO(text)))


def _unchanged(value: Scalar) -> Scalar:
    return value


_YAML: Final = _Format(_read_yaml, _edit_yaml, _unchanged)
_FORMATS: Final[Mapping[str, _Format]] = {
    ".yaml": _YAML,
    ".yml": _YAML,
    ".json": _Format(json.loads, _edit_json, _unchanged),
    ".ini": _Format(_read_ini, _edit_ini, _as_ini),
    ".cfg": _Format(_read_ini, _edit_ini, _as_ini),
    ".conf": _Format(_read_ini, _edit_ini, _as_ini),
    ".toml": _Format(tomllib.loads, _edit_toml, _unchanged),
}
