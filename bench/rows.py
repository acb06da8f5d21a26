"""Rows of the table that `make bench` prints."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement beside its peer, taken in the same run."""

    name: str
    ours: float
    peer: float | None
    ratio: float | None
    unit: str
    aim: str
    note: str = ""
