"""How often a clause is sampled: stated, and often enough that a verdict rests on at least five samples."""

from __future__ import annotations

import math
from typing import Final

from grace.model.contract import MINIMUM_SAMPLES
from grace.think.playbooks.format import ClauseForm

SLOWEST_DEFAULT_S: Final = 1.0
THROUGHOUT_EVERY_S: Final = 1.0


def samples_that_fit(for_s: float, every_s: float) -> int:
    """Return how many samples an unbroken run over `for_s` holds, its first and last included."""
    return math.floor(round(for_s / every_s, 9)) + 1


def default_every_s(clause: ClauseForm) -> float:
    """Return the beat of a clause that names none: a fifth of what it waits for, at most a second."""
    span = clause.for_ or clause.within or 0.0
    return min(SLOWEST_DEFAULT_S, span / MINIMUM_SAMPLES)


def too_slow(for_s: float, every_s: float) -> str | None:
    """Say why this beat is too slow for the run that the clause asks for; None when it is not."""
    if for_s == 0 or samples_that_fit(for_s, every_s) >= MINIMUM_SAMPLES:
        return None
    fit = f"only {samples_that_fit(for_s, every_s)} samples, one each {every_s:g} s, fit into {for_s:g} s"
    return f"{fit}; at least {MINIMUM_SAMPLES} are needed"
