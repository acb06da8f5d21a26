"""Observation: what became of a fault that GRACE only watched, and what people say of what it would have done."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import Field, JsonValue

from grace.model.noun import Noun
from grace.model.verdict import Finding, Verdict


class Difference(Noun):
    """One find of the plan, as it was when the plan was made and as it is now: the trace of what people did."""

    find: str
    uses: str
    was: JsonValue
    now: JsonValue = None
    unknown: str = ""
    """Why nothing can be told of it now; `now` is then null."""


class Observation(Noun):
    """The contract of an observed run, judged against what others then did; GRACE touched nothing."""

    run_id: str
    finding: Finding
    why: str
    after_s: float = Field(ge=0)
    """From the moment at which GRACE would have gone on: to the beginning of the window in which the contract was
    met, else to the last look."""
    differences: tuple[Difference, ...] = ()
    closed_by: str | None = None
    """Who closed the incident while it was watched, and `closed_because` why."""
    closed_because: str = ""
    verdict: Verdict | None = None
    """None where nobody looked in time."""
    at: datetime


class MarkWord(StrEnum):
    """One word of a person on a run. It is for people and for the report; it never promotes anything."""

    RIGHT = "right"
    WRONG = "wrong"
    UNSAFE = "unsafe"


class Mark(Noun):
    """What one person thinks of what a run did, or would have done."""

    run_id: str
    word: MarkWord
    note: str = ""
    by: str
    at: datetime
