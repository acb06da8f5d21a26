"""References to outputs of the plan's own writes, `${{ do.ID.FIELD }}`: the only ones left after planning."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import JsonValue

_REFERENCE = re.compile(r"\$\{\{\s*do\.(?P<step>[A-Za-z0-9_-]+)\.(?P<field>[A-Za-z0-9_]+)\s*\}\}")


def resolve(
    parameters: Mapping[str, JsonValue], outputs: Mapping[str, Mapping[str, JsonValue]]
) -> dict[str, JsonValue]:
    """Put outputs in place; a reference to an output that is not there stays, so that the action refuses it."""
    return {name: _resolved(value, outputs) for name, value in parameters.items()}


def _resolved(value: JsonValue, outputs: Mapping[str, Mapping[str, JsonValue]]) -> JsonValue:
    match value:
        case str():
            return _in_text(value, outputs)
        case list():
            return [_resolved(item, outputs) for item in value]
        case dict():
            return {key: _resolved(item, outputs) for key, item in value.items()}
        case _:
            return value


def _in_text(text: str, outputs: Mapping[str, Mapping[str, JsonValue]]) -> JsonValue:
    alone = _REFERENCE.fullmatch(text.strip())
    if alone is not None:
        return outputs.get(alone["step"], {}).get(alone["field"], text)

    def put(found: re.Match[str]) -> str:
        value = outputs.get(found["step"], {}).get(found["field"])
        return found[0] if value is None else str(value)

    return _REFERENCE.sub(put, text)
