"""Parse a document into a model: every error of the model becomes a flaw with its place and a next step."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Annotated, Final, TypeVar, Union, cast, get_args, get_origin

import orjson
from pydantic import AliasChoices, BaseModel, JsonValue, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from grace.kit.documents import Document, Flaw, Path, did_you_mean
from grace.kit.wording import flaw_in_words

M = TypeVar("M", bound=BaseModel)

_QUOTE: Final = "Write it in quotes."
_LONGEST_SHOWN: Final = 60
_SHOULD_BE: Final = "should be "
_ARM_ERRORS: Final = frozenset(
    {"float_type", "string_type", "int_type", "bool_type", "list_type", "dict_type", "none_required"}
)
"""How the arms of a union of plain kinds refuse a value of another kind."""


def parse(document: Document, model: type[M]) -> M | tuple[Flaw, ...]:
    """Return the model, or all flaws in the order of the file. Nothing is coerced: "5" is no number."""
    try:
        return validate(model, document.value)
    except ValidationError as error:
        return tuple(sorted({flaw_of(document, item, model) for item in _causes(document, error.errors())}))


def validate(model: type[M], value: JsonValue) -> M:
    """Return the model of a JSON value, strictly; raise `pydantic.ValidationError`."""
    return model.model_validate_json(orjson.dumps(value), strict=True)


def _causes(document: Document, errors: list[ErrorDetails]) -> list[ErrorDetails]:
    """Leave out what only follows from another error: a list that is too short because an item of it is wrong."""
    wrong = [error["loc"] for error in errors]
    return _joined(
        document,
        [
            error
            for error in errors
            if error["type"] != "too_short" or not any(_is_within(loc, error["loc"]) for loc in wrong)
        ],
    )


def _is_within(inner: Path, outer: Path) -> bool:
    return len(inner) > len(outer) and inner[: len(outer)] == outer


def _joined(document: Document, errors: list[ErrorDetails]) -> list[ErrorDetails]:
    """Make one error of those that only tell how each arm of a union refuses the same value."""
    joined: dict[Path, ErrorDetails] = {}
    for error in errors:
        loc = error["loc"]
        is_arm = error["type"] in _ARM_ERRORS and len(loc) > 1 and loc not in document.marks
        place = loc[:-1] if is_arm else loc
        standing = joined.get(place)
        if standing is None:
            joined[place] = cast("ErrorDetails", {**error, "loc": place})
        elif is_arm:
            said = flaw_in_words(error).removeprefix(_SHOULD_BE)
            standing["msg"] = f"{flaw_in_words(standing)} or {said}"
            standing["type"] = "value_error"
    return list(joined.values())


def flaw_of(document: Document, error: ErrorDetails, model: type[BaseModel], at: Path = ()) -> Flaw:
    """Say what one error of a model means for the person who wrote the part of the document at `at`."""
    loc: Path = error["loc"]
    name = str(loc[-1]) if loc else ""
    match error["type"]:
        case "extra_forbidden":
            known = _names_at(model, loc[:-1])
            return document.flaw((*at, *loc), "unknown-key", f"unknown key {name!r}", did_you_mean(name, known))
        case "missing":
            return document.flaw((*at, *loc), "missing-key", f"{_dotted((*at, *loc))} is missing", f"Add `{name}:`.")
        case "string_type" if isinstance(error["input"], int | float):
            message = f"{_dotted((*at, *loc))} must be text, and {_shown(error['input'])} is not"
            return document.flaw((*at, *loc), "wrong-type", message, _QUOTE)
        case _:
            return document.flaw((*at, *loc), "wrong-value", _sentence(error, (*at, *loc)))


def _sentence(error: ErrorDetails, path: Path) -> str:
    where = f"{_dotted(path)}: " if path else ""
    return f"{where}{flaw_in_words(error)}"


def _dotted(path: Path) -> str:
    return ".".join(str(step) for step in path) or "the document"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _names_at(model: type[BaseModel], loc: Path) -> set[str]:
    """Return the keys that the model allows at a place; of all arms, where there are several."""
    kinds: list[object] = [model]
    for step in loc:
        deeper = [kind for kind in (_step(kind, step) for kind in _arms(kinds)) if kind is not None]
        kinds = deeper or kinds
    return {name for kind in _arms(kinds) if _is_model(kind) for name in _names_of(cast("type[BaseModel]", kind))}


def _names_of(model: type[BaseModel]) -> set[str]:
    return {_name_of(name, info) for name, info in model.model_fields.items()}


def _name_of(name: str, info: FieldInfo) -> str:
    """Return the name that is meant for people: the first alias, where there is one."""
    alias = info.validation_alias
    first = alias.choices[0] if isinstance(alias, AliasChoices) else alias
    return first if isinstance(first, str) else name


def _step(kind: object, step: str | int) -> object | None:
    if _is_model(kind):
        fields = cast("type[BaseModel]", kind).model_fields
        found = next((info for name, info in fields.items() if step in (name, _name_of(name, info))), None)
        return found.annotation if found else None
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (tuple, list) and isinstance(step, int):
        return arguments[0]
    if origin in (dict, Mapping) and isinstance(step, str):
        return arguments[1]
    return None


def _arms(kinds: list[object]) -> list[object]:
    arms: list[object] = []
    for kind in kinds:
        origin, arguments = get_origin(kind), get_args(kind)
        if origin in (Union, types.UnionType):
            arms += _arms(list(arguments))
        else:
            arms += _arms([arguments[0]]) if origin is Annotated else [kind]
    return arms


def _is_model(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
