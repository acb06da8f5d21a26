"""Parse a document into a model: every error of the model becomes a flaw with its place and a next step."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass
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
    {
        *("float_type", "string_type", "int_type", "bool_type", "list_type", "tuple_type", "dict_type", "mapping_type"),
        *("model_type", "model_attributes_type", "none_required"),
    }
)
"""How the arms of a union of plain kinds refuse a value of another kind."""


def parse(document: Document, model: type[M]) -> M | tuple[Flaw, ...]:
    """Return the model, or all flaws in the order of the file. Nothing is coerced: "5" is no number."""
    try:
        return validate(model, document.value)
    except ValidationError as error:
        return tuple(sorted({flaw_of(document, item, model) for item in _causes(document, model, error.errors())}))


def validate(model: type[M], value: JsonValue) -> M:
    """Return the model of a JSON value, strictly; raise `pydantic.ValidationError`."""
    return model.model_validate_json(orjson.dumps(value), strict=True)


def _causes(document: Document, model: type[BaseModel], errors: list[ErrorDetails]) -> list[ErrorDetails]:
    """Leave out what only follows from another error: a list that is too short because an item of it is wrong."""
    wrong = [error["loc"] for error in errors]
    return _joined(
        [
            _placed(document, model, error)
            for error in errors
            if error["type"] != "too_short" or not any(_is_within(loc, error["loc"]) for loc in wrong)
        ]
    )


def _is_within(inner: Path, outer: Path) -> bool:
    return len(inner) > len(outer) and inner[: len(outer)] == outer


@dataclass(frozen=True, slots=True)
class _Placed:
    """An error at its place in the document, and the place of the union whose arm it is of."""

    error: ErrorDetails
    loc: Path
    union: Path | None

    @property
    def is_of_kind(self) -> bool:
        """Tell whether it only says that the value is not of the kind of one arm."""
        return self.loc == self.union and self.error["type"] in _ARM_ERRORS


def _placed(document: Document, model: type[BaseModel], error: ErrorDetails) -> _Placed:
    """Take the names of arms out of a place: they are the validator's, and nobody wrote them."""
    path: Path = ()
    union: Path | None = None
    kinds, value = [cast("object", model)], document.value
    for step in error["loc"]:
        arms = [arm for arm in _arms(kinds) if arm is not types.NoneType]
        is_there = (isinstance(value, Mapping) and step in value) or (isinstance(value, list) and isinstance(step, int))
        is_key = is_there or any(_is_model(arm) and _step(arm, step) is not None for arm in arms)
        if isinstance(step, str) and len(arms) > 1 and not is_key:
            union = path
            continue
        path = (*path, step)
        kinds = [deeper for deeper in (_step(arm, step) for arm in arms) if deeper is not None]
        value = _member(value, step) if is_there else None
    if union is None and error["type"] in _ARM_ERRORS and len(path) > 1 and path not in document.marks:
        path = union = path[:-1]  # an arm of a union that the types do not show
    return _Placed(cast("ErrorDetails", {**error, "loc": path}), path, union)


def _member(value: JsonValue, step: str | int) -> JsonValue:
    if isinstance(value, list) and isinstance(step, int):
        return value[step] if -len(value) <= step < len(value) else None
    return value.get(step) if isinstance(value, dict) and isinstance(step, str) else None


def _joined(placed: list[_Placed]) -> list[ErrorDetails]:
    """Make one error of those that only tell of which kinds the arms of a union are.

    Where one arm takes the kind of the value, what it says of the value is all that counts.
    """
    taken = {one.union for one in placed if one.union is not None and not one.is_of_kind}
    joined: dict[Path, ErrorDetails] = {}
    told: list[ErrorDetails] = []
    for one in placed:
        if not one.is_of_kind:
            told.append(one.error)
        elif one.loc not in taken:
            standing = joined.get(one.loc)
            if standing is None:
                joined[one.loc] = one.error
            else:
                said = flaw_in_words(one.error).removeprefix(_SHOULD_BE)
                standing["msg"] = f"{flaw_in_words(standing)} or {said}"
                standing["type"] = "value_error"
    return [*told, *joined.values()]


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
