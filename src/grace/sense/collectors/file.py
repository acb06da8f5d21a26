"""Probes of files: there or not, how large, what is in it. SQLite databases are asked through `sqlite.` instead."""

from __future__ import annotations

import configparser
import os
import re
import stat
import tomllib
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from datetime import date, datetime, time
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self, TypeVar, cast

from pydantic import Field, JsonValue, model_validator

from grace.kit.canonical import parse_json
from grace.kit.digests import digest_of_stream
from grace.kit.documents import Flaw
from grace.kit.format_flaws import format_flaw, yaml_flaw
from grace.kit.secrets import names_a_secret
from grace.kit.yaml import read_yaml
from grace.model.catalogue import Answers, ProbeSpec
from grace.model.quantities import AbsolutePath
from grace.model.reading import Known, Unknown
from grace.sense.collectors import Meter, Probe
from grace.sense.collectors.meters import ProbeParameters, Reads, TypedProbe, by_name, unknown
from grace.sense.collectors.viewpoint import Viewpoint

if TYPE_CHECKING:
    from collections.abc import Generator

_LIMIT_S: Final = 30.0
_LONGEST_TEXT_BYTES: Final = 1024 * 1024
_LONGEST_ANSWER_BYTES: Final = 64 * 1024
_DATABASE: Final = b"SQLite format 3\0"
_BESIDE_A_DATABASE: Final = ("-wal", "-shm", "-journal")


class Located(ProbeParameters):
    """A path; a symbolic link is followed."""

    path: AbsolutePath


class Searched(Located):
    """A text, or a regular expression, that the file may contain."""

    text: str | None = Field(default=None, min_length=1)
    pattern: str | None = Field(default=None, min_length=1, max_length=1000)

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.text is None) == (self.pattern is None):
            message = "give either 'text' or 'pattern'"
            raise ValueError(message)
        if self.pattern is not None:
            try:
                re.compile(self.pattern)
            except re.error as error:
                message = f"not a regular expression: {error}"
                raise ValueError(message) from error
        return self


class Keyed(Located):
    """A dotted key in a `.json`, `.yaml`, `.yml`, `.toml`, `.ini`, `.cfg` or `.conf` file; numbers step into lists."""

    key: str = Field(min_length=1)


L = TypeVar("L", bound=Located)


class FileUnreadable(Exception):
    """A file that cannot be read here, and how it is so."""

    def __init__(self, path: str, how: str) -> None:
        self.path = path
        self.why = f"{path} {how}"
        super().__init__(self.why)


class FileCollector:
    """`file.exists`, `.size`, `.mode`, `.digest`, `.contains`, `.text` and `.value`."""

    def __init__(self, viewpoint: Viewpoint) -> None:
        """Take what every collector is given; nothing of it is needed here."""

    @property
    def probes(self) -> Mapping[str, Probe]:
        return by_name(
            [
                _probe(
                    ProbeSpec("file.exists", "Whether something is there.", Located, Answers.BOOLEAN), Located, _exists
                ),
                _probe(
                    ProbeSpec("file.size", "How large it is.", Located, Answers.NUMBER, unit="bytes"), Located, _size
                ),
                _probe(ProbeSpec("file.mode", "Its permissions, as `0644`.", Located, Answers.TEXT), Located, _mode),
                _probe(ProbeSpec("file.digest", "`sha256:…` of its content.", Located, Answers.TEXT), Located, _digest),
                _probe(
                    ProbeSpec("file.contains", "Whether its text has a part.", Searched, Answers.BOOLEAN),
                    Searched,
                    _contains,
                ),
                _probe(ProbeSpec("file.text", "Its text, up to 64 KiB.", Located, Answers.TEXT), Located, _text),
                _probe(ProbeSpec("file.value", "What stands at a key.", Keyed, Answers.ANYTHING), Keyed, _value),
            ]
        )

    def close(self) -> None:
        """End nothing: every read closes what it opens."""


def _probe(spec: ProbeSpec, parameters: type[L], read: Callable[[L], JsonValue]) -> Probe:
    def safely(given: L) -> Known | Unknown:
        try:
            return Known(value=read(given))
        except FileUnreadable as unreadable:
            return unknown(unreadable.why)
        except OSError as error:
            return unknown(f"{given.path}: {error.strerror}")

    def aim(given: L) -> Meter:
        return Reads(_LIMIT_S, lambda: safely(given))

    return TypedProbe(spec, parameters, aim)


def _exists(given: Located) -> JsonValue:
    try:
        Path(given.path).stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _size(given: Located) -> JsonValue:
    return Path(given.path).stat().st_size


def _mode(given: Located) -> JsonValue:
    return f"{stat.S_IMODE(Path(given.path).stat().st_mode):04o}"


def _digest(given: Located) -> JsonValue:
    with _opened(given.path) as stream:
        return digest_of_stream(stream)


def _contains(given: Searched) -> JsonValue:
    text = _decoded(given.path, _LONGEST_TEXT_BYTES)
    return given.text in text if given.text is not None else re.search(given.pattern or "", text) is not None


def _text(given: Located) -> JsonValue:
    return _decoded(given.path, _LONGEST_ANSWER_BYTES)


def _value(given: Keyed) -> JsonValue:
    steps = given.key.split(".")
    secret = next((step for step in steps if names_a_secret(step)), None)
    if secret is not None:
        raise FileUnreadable(given.path, f"has a secret at {secret!r}, which is not read")
    here = _document(given.path)
    for step in steps:
        match here:
            case dict() if step in here:
                here = here[step]
            case list() if step.isdecimal() and int(step) < len(here):
                here = here[int(step)]
            case _:
                raise FileUnreadable(given.path, f"has nothing at {given.key}")
    return here


def _document(path: str) -> JsonValue:
    text = _decoded(path, _LONGEST_TEXT_BYTES)
    suffix = Path(path).suffix.lower()
    try:
        match suffix:
            case ".json":
                return parse_json(text)
            case ".yaml" | ".yml":
                return _yaml(text, path)
            case ".toml":
                return _as_json(tomllib.loads(text))
            case ".ini" | ".cfg" | ".conf":
                return _ini(text)
            case _:
                raise FileUnreadable(path, f"has no known format: {suffix or 'its name has no ending'}")
    except (ValueError, RecursionError, configparser.Error) as error:
        raise FileUnreadable(path, f"is not valid {suffix[1:]}: {format_flaw(error)}") from error


def _yaml(text: str, path: str) -> JsonValue:
    match read_yaml(text, path):
        case Flaw() as flaw:
            raise FileUnreadable(path, f"is not plain YAML: {yaml_flaw(flaw)}")
        case document:
            return document.value


def _ini(text: str) -> JsonValue:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(text)
    sections: dict[str, JsonValue] = {name: dict(parser.items(name)) for name in parser.sections()}
    return sections


def _as_json(value: object) -> JsonValue:
    """Write TOML's dates and times as text."""
    match value:
        case dict():
            return {str(key): _as_json(item) for key, item in cast("dict[object, object]", value).items()}
        case list():
            return [_as_json(item) for item in cast("list[object]", value)]
        case datetime() | date() | time():
            return value.isoformat()
        case _:
            return cast("JsonValue", value)


def _decoded(path: str, longest: int) -> str:
    with _opened(path) as stream:
        raw = stream.read(longest + 1)
    if len(raw) > longest:
        raise FileUnreadable(path, f"is longer than {longest} bytes")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FileUnreadable(path, "is not UTF-8 text") from error


@contextmanager
def _opened(path: str) -> Generator[BufferedReader]:
    """Open a regular file for reading; anything that could hang, and databases with their companions, are refused."""
    if path.endswith(_BESIDE_A_DATABASE):
        raise FileUnreadable(path, "belongs to a database; ask it with a sqlite probe")
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise FileUnreadable(path, "is not a regular file")
        if os.pread(descriptor, len(_DATABASE), 0) == _DATABASE:
            raise FileUnreadable(path, "is a database; ask it with a sqlite probe")
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            yield stream
    finally:
        os.close(descriptor)
