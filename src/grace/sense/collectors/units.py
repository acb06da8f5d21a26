"""Units that a person declares for a value, and the values that they have: what lies outside was not measured well."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Final

from pydantic import JsonValue

from grace.model.reading import Known, Unknown
from grace.sense.collectors.meters import unknown


class Unit(StrEnum):
    """What a number is; nothing is guessed where none is declared."""

    SHARE = "share"
    PERCENT = "percent"
    COUNT = "count"


_MOST: Final = {Unit.SHARE: 1.0, Unit.PERCENT: 100.0, Unit.COUNT: math.inf}


def in_its_unit(found: Known | Unknown, unit: Unit | None, what: str) -> Known | Unknown:
    """Return the answer; unknown where the declared unit has no such number."""
    if unit is None or isinstance(found, Unknown) or _has(unit, found.value):
        return found
    span = "from 0 on" if unit is Unit.COUNT else f"from 0 to {_MOST[unit]:g}"
    return unknown(f"{what} is declared a {unit.value}, which is a number {span}, and is {found.value!r:.40}")


def _has(unit: Unit, value: JsonValue) -> bool:
    return not isinstance(value, bool) and isinstance(value, int | float) and 0 <= value <= _MOST[unit]
