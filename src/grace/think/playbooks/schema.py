"""The JSON Schema (draft-07) of playbooks, for editors. Lint says more: it knows references, types and samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

from pydantic import BaseModel, JsonValue

from grace.kit.json_schema import DRAFT, as_draft_07
from grace.model.catalogue import Catalogue
from grace.model.contract import ClauseSource, Comparator
from grace.think.playbooks.format import Playbook

_DURATION: Final[JsonValue] = {
    "anyOf": [
        {"type": "number", "minimum": 0},
        {"type": "string", "pattern": r"^\d+(\.\d+)?\s*(ms|s|m|h|d)$"},
    ],
    "description": "A time such as 500ms, 3s, 2m, 1h; a number counts seconds.",
}
_TIMES: Final = ("within", "for", "every")


def playbook_schema(catalogue: Catalogue | None = None) -> dict[str, JsonValue]:
    """Return the schema; with a catalogue it also names every action and probe with its parameters."""
    schema = as_draft_07(cast("JsonValue", Playbook.model_json_schema(by_alias=True)))
    assert isinstance(schema, dict)  # noqa: S101 - a model's schema is an object
    definitions = cast("dict[str, JsonValue]", schema["definitions"])
    _tell_clauses(cast("dict[str, JsonValue]", definitions["ClauseForm"]))
    if catalogue:
        _tell_names(definitions, catalogue)
    return {"$schema": DRAFT, "$id": "grace-playbook-1.json", **schema, "title": "GRACE playbook"}


def _tell_clauses(clause: dict[str, JsonValue]) -> None:
    properties = cast("dict[str, JsonValue]", clause["properties"])
    for word in _TIMES:
        properties[word] = _DURATION
    clause["allOf"] = [_exactly_one(ClauseSource), _exactly_one(Comparator)]


def _exactly_one(words: type[ClauseSource | Comparator]) -> JsonValue:
    return {"oneOf": [{"required": [word.value]} for word in words]}


def _tell_names(definitions: dict[str, JsonValue], catalogue: Catalogue) -> None:
    actions = {name: (spec.summary, spec.parameters) for name, spec in catalogue.actions.items()}
    probes = {name: (spec.summary, spec.parameters) for name, spec in catalogue.probes.items()}
    places: tuple[tuple[str, str, Mapping[str, tuple[str, type[BaseModel]]]], ...] = (
        ("DoStep", "uses", actions),
        ("UndoStep", "uses", actions),
        ("FindStep", "uses", probes),
        ("ClauseForm", "probe", probes),
    )
    for definition, word, known in places:
        _tell_calls(cast("dict[str, JsonValue]", definitions[definition]), word, known)


def _tell_calls(definition: dict[str, JsonValue], word: str, known: Mapping[str, tuple[str, type[BaseModel]]]) -> None:
    properties = cast("dict[str, JsonValue]", definition["properties"])
    names: list[JsonValue] = [*sorted(known)]
    properties[word] = {"enum": names, "description": "; ".join(f"{name}: {said}" for name, (said, _) in known.items())}
    rules: list[JsonValue] = [
        {
            "if": {"properties": {word: {"const": name}}, "required": [word]},
            "then": {"properties": {"with": _parameters(model)}},
        }
        for name, (_, model) in sorted(known.items())
    ]
    standing = definition.get("allOf", [])
    definition["allOf"] = [*(standing if isinstance(standing, list) else []), *rules]


def _parameters(model: type[BaseModel]) -> JsonValue:
    """Return which names a call takes and needs. What they hold may be a reference, so lint checks that."""
    schema = cast("dict[str, JsonValue]", model.model_json_schema(by_alias=True))
    properties = schema.get("properties")
    named: dict[str, JsonValue] = (
        {name: _described(one) for name, one in properties.items()} if isinstance(properties, dict) else {}
    )
    return {
        "type": "object",
        "properties": named,
        "required": schema.get("required", []),
        "additionalProperties": schema.get("additionalProperties", True),
    }


def _described(one: JsonValue) -> JsonValue:
    return {"description": one["description"]} if isinstance(one, dict) and "description" in one else {}
