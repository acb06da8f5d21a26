"""Reading: what a probe found at one moment. Unknown is a value with a reason, never a zero."""

from __future__ import annotations

from datetime import datetime

from pydantic import JsonValue

from grace.model.noun import Noun


class Known(Noun):
    """A measured value: boolean, number, text or an object of these."""

    value: JsonValue


class Unknown(Noun):
    """No value, and why."""

    why: str


class Reading(Noun):
    """One sample: when it was taken and what was found."""

    at: datetime
    found: Known | Unknown
