"""Step: one event of an operation, as it is remembered in a trail."""

from __future__ import annotations

from grace_sdk.annotating import NamedTuple


class Step(NamedTuple):
    """One event of an operation."""

    at_ns: int
    operation: str
    state: str
    duration_ns: int | None
    number: int
    """The same for all steps of one operation; unique in its session."""
    outer_number: int | None
