"""Where a file of a target does not parse, and what is expected there, in words of our own.

What a library says about a text may quote it: the line, the key, the number. Here that may be a secret, and what is
said goes to plans, the record and people. So of its error only the place is taken.
"""

from __future__ import annotations

import configparser
import json
import re
import tomllib
from types import MappingProxyType
from typing import Final

from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError

from grace.kit.canonical import JsonInvalidError
from grace.kit.documents import Flaw, Mark

_PLACE_IN_TOML: Final = re.compile(r"\(at line (\d+), column (\d+)\)$")
_IN_YAML: Final = MappingProxyType(
    {
        "yaml.too-large": "the file is too large to be read",
        "yaml.not-utf8": "UTF-8 text is expected",
        "yaml.empty": "a document is expected, the file is empty",
        "yaml.one-document": "one document is expected, a second begins here",
        "yaml.directive": "directives are not read",
        "yaml.key": "a word is expected as the key",
        "yaml.duplicate-key": "this key stands twice",
        "yaml.anchor": "anchors and aliases are not read",
        "yaml.tag": "tags are not read",
        "yaml.too-deep": "it is nested too deeply",
        "yaml.not-finite": "a finite number is expected",
        "yaml.too-large-number": "this number is too large to be kept exactly",
        "yaml.not-text": "half of a surrogate pair is not text",
    }
)
_AS_YAML: Final = "indentation, quotes and brackets as YAML has them are expected"


def yaml_flaw(flaw: Flaw) -> str:
    """Return the place of a flaw in YAML, and what is expected there."""
    return _told(Mark(flaw.line, flaw.column), _IN_YAML.get(flaw.rule, _AS_YAML))


def format_flaw(error: Exception) -> str:
    """Return the place where a text is not JSON, YAML, TOML or INI, as far as it is known, and what is expected."""
    match error.__cause__ if isinstance(error, JsonInvalidError) else error:
        case json.JSONDecodeError(lineno=line, colno=column):
            return _told(Mark(line, column), "JSON is expected: a comma, a quote, a bracket or a value is wrong")
        case MarkedYAMLError() as marked:
            is_twice = isinstance(marked, DuplicateKeyError)
            return _told(_mark_in(marked), _IN_YAML["yaml.duplicate-key"] if is_twice else _AS_YAML)
        case tomllib.TOMLDecodeError() as flawed:
            found = _PLACE_IN_TOML.search(str(flawed))
            place = Mark(int(found[1]), int(found[2])) if found else None
            return _told(place, "`key = value` or `[table]` is expected, each once", otherwise="at its end")
        case configparser.Error() as flawed:
            return _ini_flaw(flawed)
        case RecursionError():
            return "it is nested too deeply"
        case _:
            return "a key stands twice, or a value cannot be kept exactly"


def _mark_in(error: MarkedYAMLError) -> Mark | None:
    """Return the place that the library names; it has no types."""
    at = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    return None if at is None else Mark(getattr(at, "line", 0) + 1, getattr(at, "column", 0) + 1)


def _ini_flaw(error: configparser.Error) -> str:
    match error:
        case configparser.MissingSectionHeaderError(lineno=line):
            return f"line {line}: a section, `[name]`, is expected before the first key"
        case configparser.DuplicateSectionError(lineno=line):
            return f"line {line}: this section stands twice"
        case configparser.DuplicateOptionError(lineno=line):
            return f"line {line}: this key stands twice in its section"
        case configparser.ParsingError(errors=[(line, _), *_]):
            return f"line {line}: `key = value` is expected"
        case _:
            return "`[section]` and `key = value` are expected"


def _told(place: Mark | None, expected: str, otherwise: str = "") -> str:
    where = otherwise if place is None else f"line {place.line}, column {place.column}"
    return f"{where}: {expected}" if where else expected
