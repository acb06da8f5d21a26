"""Calls: the parameters of a probe or action, filled in, validated by its model and written out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from pydantic import BaseModel, JsonValue, ValidationError

from grace.kit.parsing import validate
from grace.kit.wording import in_words
from grace.think.playbooks.evaluation import AbsentError, Values, fill
from grace.think.playbooks.refusing import Rule, refused


def call_of(what: str, model: type[BaseModel], parameters: Mapping[str, JsonValue], values: Values) -> BaseModel:
    """Return the parameters of a call, filled in and validated by the model; raise RefusedError."""
    try:
        filled = fill(dict(parameters), values)
        return validate(model, filled)
    except AbsentError as error:
        raise refused(Rule.REFERENCE, f"{what}: {error}") from error
    except ValidationError as error:
        raise refused(Rule.PARAMETERS, f"{what}: {in_words(error)}") from error


def literal(parameters: BaseModel) -> dict[str, JsonValue]:
    """Return parameters as they stand in a plan: complete, with every default written out."""
    return cast("dict[str, JsonValue]", parameters.model_dump(mode="json", by_alias=True))
