"""Reading: what a probe found at one moment. Unknown is a value with a reason, never a zero."""

from __future__ import annotations

from datetime import datetime

from pydantic import AwareDatetime, Field, JsonValue

from grace.model.noun import Noun


class Known(Noun):
    """A measured value: boolean, number, text or an object of these."""

    value: JsonValue
    as_of: AwareDatetime | None = Field(default=None, exclude_if=lambda own: own is None)
    """When the source itself says that it measured this, by its own clock; None where it says nothing of it.

    A source may tell one value for long. Only what it measured after the deed tells how the deed came out.
    """


class Unknown(Noun):
    """No value, and why."""

    why: str


class Reading(Noun):
    """One sample: when it was taken and what was found."""

    at: datetime
    found: Known | Unknown
