"""Outcome: what became of signals that were sent."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias


class Delivered(NamedTuple):
    """The server answered for every signal: it keeps them, or refuses `refused` of them for good."""

    kept: int
    refused: int
    why: str


class Postponed(NamedTuple):
    """The server could not be reached or cannot take signals now; all may be sent again."""

    why: str
    after_s: float


Outcome: TypeAlias = "Delivered | Postponed"
