"""JSON Schema for editors: draft-07, which every editor knows."""

from __future__ import annotations

from typing import Final

from pydantic import JsonValue

DRAFT: Final = "http://json-schema.org/draft-07/schema#"
_OWN_WORDS: Final = frozenset({"discriminator"})


def as_draft_07(value: JsonValue) -> JsonValue:
    """Rewrite pydantic's 2020-12 words into those of draft-07."""
    match value:
        case dict():
            renamed = {("definitions" if key == "$defs" else key): item for key, item in value.items()}
            return {key: as_draft_07(item) for key, item in renamed.items() if key not in _OWN_WORDS}
        case list():
            return [as_draft_07(item) for item in value]
        case str():
            return value.replace("#/$defs/", "#/definitions/")
        case _:
            return value
