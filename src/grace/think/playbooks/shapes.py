"""Shapes: what kind of value a reference yields and a parameter takes, read from the JSON schema of a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final, cast

from pydantic import BaseModel, JsonValue

from grace.model.catalogue import Answers, ProbeSpec

_KINDS: Final = frozenset({"boolean", "number", "text", "object", "list", "null"})
_OF_SCHEMA: Final = {
    "boolean": "boolean",
    "number": "number",
    "integer": "number",
    "string": "text",
    "object": "object",
    "array": "list",
    "null": "null",
}
_DEEPEST: Final = 8


@dataclass(frozen=True, slots=True)
class Shape:
    """The kinds a value may have, and for objects and lists what is inside, as far as that is known."""

    kinds: frozenset[str]
    fields: Mapping[str, Shape] | None = None
    """Of an object: its fields; None where they are not declared."""
    required: frozenset[str] = frozenset()
    is_open: bool = True
    """Of an object: whether a reference may step to other fields."""
    refuses_others: bool = False
    """Of an object that is taken: whether other fields are an error, rather than ignored."""
    values: Shape | None = None
    """Of an object: what its undeclared fields hold."""
    items: Shape | None = None
    whole: bool = field(default=False, compare=False)
    """Of a number: only whole ones."""

    def __str__(self) -> str:
        known = sorted(self.kinds - {"null"}) or ["null"]
        return "any value" if self.kinds >= _KINDS else " or ".join(known)

    def step(self, step: str | int) -> Shape | None:
        """Return the shape of a field or item; None when there is none of that name."""
        if isinstance(step, int):
            return (self.items or ANYTHING) if "list" in self.kinds else None
        if "object" not in self.kinds:
            return None
        if self.fields is not None and step in self.fields:
            return self.fields[step]
        return (self.values or ANYTHING) if self.is_open else None


ANYTHING: Final = Shape(_KINDS)
BOOLEAN: Final = Shape(frozenset({"boolean"}))
NUMBER: Final = Shape(frozenset({"number"}))
WHOLE: Final = Shape(frozenset({"number"}), whole=True)
TEXT: Final = Shape(frozenset({"text"}))
OBJECT: Final = Shape(frozenset({"object"}))
LIST: Final = Shape(frozenset({"list"}))
NULL: Final = Shape(frozenset({"null"}))
_OF_ANSWER: Final[Mapping[Answers, Shape]] = {
    Answers.BOOLEAN: BOOLEAN,
    Answers.NUMBER: NUMBER,
    Answers.TEXT: TEXT,
    Answers.OBJECT: OBJECT,
    Answers.LIST: LIST,
    Answers.ANYTHING: ANYTHING,
}


def kind_of(value: JsonValue) -> str:
    """Return the kind of a value. A boolean is no number."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "text"
        case list():
            return "list"
        case dict():
            return "object"


def shape_of_answer(spec: ProbeSpec) -> Shape:
    """Return the shape of what a probe finds."""
    return shape_of_model(spec.shape) if spec.shape else _OF_ANSWER[spec.answers]


def union(*shapes: Shape) -> Shape:
    """Return the shape of a value that has one of these shapes; details survive where only one has them."""
    kinds = frozenset[str]().union(*(shape.kinds for shape in shapes))
    objects = [shape for shape in shapes if "object" in shape.kinds]
    lists = [shape for shape in shapes if "list" in shape.kinds]
    numbers = [shape for shape in shapes if "number" in shape.kinds]
    whole = bool(numbers) and all(shape.whole for shape in numbers)
    inside = lists[0].items if len(lists) == 1 else None
    if len(objects) != 1:
        return Shape(kinds, items=inside, whole=whole)
    return replace(objects[0], kinds=kinds, items=inside, whole=whole)


def mismatch(given: Shape, taken: Shape) -> str | None:
    """Say why a value of one shape can never be taken where the other is expected; None when it may be."""
    if not given.kinds & taken.kinds:
        return f"gives {given}, and {taken} is expected"
    if given.kinds == OBJECT.kinds and given.fields is not None and taken.fields is not None:
        return _mismatch_of_fields(given, taken)
    return None


def _mismatch_of_fields(given: Shape, taken: Shape) -> str | None:
    given_fields, taken_fields = given.fields or {}, taken.fields or {}
    if absent := sorted(taken.required - set(given_fields)):
        return f"has no {', '.join(absent)}"
    if taken.refuses_others and (foreign := sorted(set(given_fields) - set(taken_fields))):
        return f"has {', '.join(foreign)}, which is not expected"
    for name in sorted(set(given_fields) & set(taken_fields)):
        if why := mismatch(given_fields[name], taken_fields[name]):
            return f"{name}: {why}"
    return None


@lru_cache(maxsize=512)
def shape_of_model(model: type[BaseModel]) -> Shape:
    """Return the shape of what a model takes."""
    schema = cast("dict[str, JsonValue]", model.model_json_schema(by_alias=True))
    definitions = cast("dict[str, JsonValue]", schema.get("$defs", {}))
    return _shape(schema, definitions, 0)


def _shape(schema: JsonValue, definitions: Mapping[str, JsonValue], depth: int) -> Shape:
    if not isinstance(schema, dict) or depth > _DEEPEST:
        return ANYTHING
    if isinstance(reference := schema.get("$ref"), str):
        return _shape(definitions.get(reference.rpartition("/")[2]), definitions, depth + 1)
    for word in ("anyOf", "oneOf", "allOf"):
        if isinstance(arms := schema.get(word), list):
            return union(*(_shape(arm, definitions, depth + 1) for arm in arms))
    if isinstance(values := schema.get("enum", [schema["const"]] if "const" in schema else None), list):
        return Shape(frozenset(kind_of(value) for value in values))
    return _plain(schema, definitions, depth)


def _plain(schema: Mapping[str, JsonValue], definitions: Mapping[str, JsonValue], depth: int) -> Shape:
    match schema.get("type"):
        case "object":
            return _object(schema, definitions, depth)
        case "array":
            return Shape(LIST.kinds, items=_shape(schema.get("items"), definitions, depth + 1))
        case "integer":
            return WHOLE
        case str() as name if name in _OF_SCHEMA:
            return Shape(frozenset({_OF_SCHEMA[name]}))
        case _:
            return ANYTHING


def _object(schema: Mapping[str, JsonValue], definitions: Mapping[str, JsonValue], depth: int) -> Shape:
    declared, required, others = schema.get("properties"), schema.get("required"), schema.get("additionalProperties")
    fields = (
        {name: _shape(one, definitions, depth + 1) for name, one in declared.items()}
        if isinstance(declared, dict)
        else None
    )
    return Shape(
        OBJECT.kinds,
        fields=fields,
        required=frozenset(str(name) for name in required) if isinstance(required, list) else frozenset(),
        is_open=others is not False and (fields is None or others is not None),
        refuses_others=others is False,
        values=_shape(others, definitions, depth + 1) if isinstance(others, dict) else None,
    )
