"""Rows of the table that `make bench` prints: each is a ratio to a named peer or limit, taken in the same run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Aim:
    """What the ratio should be: at most, or at least, so much."""

    ratio: float
    is_ceiling: bool

    def is_met_by(self, ratio: float) -> bool:
        """Tell whether a ratio is within the aim."""
        return ratio <= self.ratio if self.is_ceiling else ratio >= self.ratio

    def __str__(self) -> str:
        return f"{'≤' if self.is_ceiling else '≥'} {self.ratio:g}"


def at_most(ratio: float) -> Aim:
    """Aim at a ratio no higher than this."""
    return Aim(ratio, is_ceiling=True)


def at_least(ratio: float) -> Aim:
    """Aim at a ratio no lower than this."""
    return Aim(ratio, is_ceiling=False)


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement beside its peer, or beside the limit that it must keep."""

    name: str
    ours: float
    peer: float
    unit: str
    against: str
    """What the peer is: a program, or `the limit`."""
    ratio: float
    aim: Aim | None
    """None: shown to be known, and held to nothing."""
    note: str = ""

    @property
    def is_met(self) -> bool | None:
        """Tell whether the aim is met; None where there is none."""
        return None if self.aim is None else self.aim.is_met_by(self.ratio)


LIMIT = "the limit"


def against_limit(name: str, ours: float, aim: Aim, limit: float, unit: str, note: str = "") -> Row:
    """Return a row whose peer is a number that was promised."""
    return Row(name, ours, limit, unit, LIMIT, ours / limit, aim, note)
