"""Outputs: what earlier writes of a run gave, put where the plan refers to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from pydantic import JsonValue

from grace.model.reading import Unknown
from grace.think.playbooks.evaluation import OUTPUTS, AbsentError, fill


def fill_outputs(
    parameters: Mapping[str, JsonValue], outputs: Mapping[str, Mapping[str, JsonValue]]
) -> dict[str, JsonValue] | Unknown:
    """Return the parameters of a planned call with every `${{ do.ID.FIELD }}` filled in from outputs by step id."""
    known: dict[str, JsonValue] = {step: dict(output) for step, output in outputs.items()}
    try:
        return cast("dict[str, JsonValue]", fill(dict(parameters), {OUTPUTS: known}))
    except AbsentError as error:
        return Unknown(why=str(error))
