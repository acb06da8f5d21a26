"""What both sides agree on: a JSON object a line, values that JSON lacks in a tagged object, closed kinds of fault."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeAlias, cast

from pydantic import JsonValue

SqliteValue: TypeAlias = int | float | str | bytes | None

_BLOB: Final = "$blob"
_REAL: Final = "$real"


class Role(StrEnum):
    """What a child may do. A reader has no operation that changes a database."""

    READER = "reader"
    WRITER = "writer"


class FaultKind(StrEnum):
    """Why an operation gave no answer."""

    BUSY = "busy"
    CANNOT_OPEN = "cannot_open"
    READ_ONLY = "read_only"
    NOT_A_DATABASE = "not_a_database"
    CORRUPT = "corrupt"
    BAD_REQUEST = "bad_request"
    BAD_QUERY = "bad_query"
    TOO_LARGE = "too_large"
    TOO_MANY_ROWS = "too_many_rows"
    NOT_REVERSIBLE = "not_reversible"
    CONFLICT = "conflict"
    TIME_LIMIT = "time_limit"
    CANCELLED = "cancelled"
    CHILD_ENDED = "child_ended"
    OTHER = "other"


class SqliteFault(Exception):
    """An operation that gave no answer: its kind and one plain sentence."""

    def __init__(self, kind: FaultKind, why: str) -> None:
        self.kind = kind
        self.why = why
        super().__init__(why)


def to_json(value: SqliteValue) -> JsonValue:
    """Write a column value so that its type survives: blobs and infinities become tagged objects."""
    match value:
        case bytes():
            return {_BLOB: base64.b64encode(value).decode("ascii")}
        case float() if not math.isfinite(value):
            return {_REAL: repr(value)}
        case _:
            return value


def from_json(written: JsonValue) -> SqliteValue:
    """Read back what `to_json` wrote; raise ValueError for what SQLite has no type for."""
    match written:
        case {"$blob": str(encoded)} if len(written) == 1:
            return base64.b64decode(encoded, validate=True)
        case {"$real": str(number)} if len(written) == 1:
            return float(number)
        case bool() | dict() | list():
            message = f"SQLite has no type for {written!r}; give a number, a text, null or {{'$blob': base64}}"
            raise ValueError(message)
        case _:
            return written


def to_line(message: Mapping[str, JsonValue]) -> bytes:
    return json.dumps(message, separators=(",", ":"), ensure_ascii=True).encode("ascii") + b"\n"


def from_line(line: bytes) -> dict[str, JsonValue]:
    """Read one line; raise ValueError unless it is a JSON object."""
    message = json.loads(line)
    if not isinstance(message, dict):
        complaint = "a line that is not a JSON object"
        raise ValueError(complaint)  # noqa: TRY004 - both sides catch one kind: a line that cannot be read
    return cast("dict[str, JsonValue]", message)
