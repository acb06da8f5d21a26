"""A recorded change as bytes to keep, and in words for people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final, cast

from pydantic import JsonValue

from grace.kit.redaction import redact

_FORMAT: Final = "grace sqlite change 1"
_LONGEST_VALUE: Final = 80


def to_bytes(change: JsonValue) -> bytes:
    """Write what `write` asked its parent to keep. Plain JSON: its integers go beyond 2^53."""
    return json.dumps({"format": _FORMAT, "change": change}, separators=(",", ":")).encode()


def from_bytes(kept: bytes) -> JsonValue:
    """Read back what `to_bytes` wrote; raise ValueError for anything else."""
    document = json.loads(kept)
    if not isinstance(document, dict) or cast("dict[str, JsonValue]", document).get("format") != _FORMAT:
        message = "that is no recorded change of a database"
        raise ValueError(message)
    return cast("dict[str, JsonValue]", document)["change"]


def rows_of(change: JsonValue) -> list[dict[str, JsonValue]]:
    """Return the changed rows of a record."""
    return cast("list[dict[str, JsonValue]]", cast("dict[str, JsonValue]", change)["rows"])


def in_words(rows: list[dict[str, JsonValue]], states: tuple[str, ...]) -> Iterator[str]:
    """Say of each row how it reads in each of these states, without secrets: `orders id=5: total 10 → 12`."""
    for row in rows:
        columns = cast("list[str]", row["columns"])
        shown = [_readable(columns, row[state]) for state in states]
        differing = [name for name in columns if len({str(values.get(name)) for values in shown}) > 1]
        key = ", ".join(f"{name}={values}" for name, values in _key(row).items())
        said = [f"{name} {' → '.join(values.get(name, 'absent') for values in shown)}" for name in differing]
        yield f"{row['table']} {key}: {', '.join(said)}"


def _key(row: dict[str, JsonValue]) -> dict[str, str]:
    names = cast("list[str]", row["key_columns"])
    return dict(zip(names, map(_short, cast("list[JsonValue]", row["key"])), strict=True))


def _readable(columns: list[str], image: JsonValue) -> dict[str, str]:
    if image is None:
        return {}
    cells = cast("list[tuple[str, JsonValue]]", image)
    values: dict[str, JsonValue] = {name: value for name, (_, value) in zip(columns, cells, strict=True)}
    clean = cast("dict[str, JsonValue]", redact(values).value)
    return {name: _short(value) for name, value in clean.items()}


def _short(value: JsonValue) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
