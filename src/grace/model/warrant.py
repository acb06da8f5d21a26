"""Warrant: what an executor demands before it lifts a hand."""

from __future__ import annotations

from grace.model.noun import Noun


class Warrant(Noun):
    """A claim that a run may execute one plan digest; the gate checks each word of it against the record."""

    run_id: str
    plan_digest: str
    fence: int
    approval_id: str | None = None


class Refusal(Noun):
    """A no, the rule that says so, and what to do next."""

    rule: str
    why: str
    next: str = ""
    is_of_now: bool = False
    """Whether it speaks of the world as it is now, which a deed may change: then it is no reason against its undo."""
