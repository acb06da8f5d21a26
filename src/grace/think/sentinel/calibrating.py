"""Calibrate: turn a raw probability into the share of such answers that were right, as measured by cross-validation.

The points ship as data beside this file. `python -m bench.triage --calibrate` fits them anew from messages that no
rule was written for alone, each judged by a model of words that has not seen it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Final

import orjson

FILE: Final = "calibration.json"


@dataclass(frozen=True, slots=True)
class Calibration:
    """A rising curve through points; straight between them, level outside."""

    raw: tuple[float, ...]
    right: tuple[float, ...]

    def __call__(self, probability: float) -> float:
        """Return the share of right answers at this raw probability."""
        at = bisect_right(self.raw, probability)
        if at == 0:
            return self.right[0] * probability / self.raw[0] if self.raw[0] else self.right[0]
        if at == len(self.raw):
            return self.right[-1]
        low, high = self.raw[at - 1], self.raw[at]
        share = (probability - low) / (high - low)
        return self.right[at - 1] + share * (self.right[at] - self.right[at - 1])


@lru_cache(maxsize=1)
def shipped() -> Calibration:
    """Return the curve that ships."""
    points = orjson.loads(files(__package__ or "").joinpath(FILE).read_bytes())["points"]
    return Calibration(tuple(float(one[0]) for one in points), tuple(float(one[1]) for one in points))


def fit_calibration(judged: Iterable[tuple[float, bool]], *, doubt: float = 1.0) -> Calibration:
    """Fit the curve by pooling adjacent violators (isotonic regression).

    `doubt` adds as many wrong answers and half as many right ones to every pool, so that a few lucky answers do not
    make certainty.
    """
    pools = _pooled(sorted(judged))
    raw = tuple(sum(one) / len(one) for one, _ in pools)
    right = tuple((hits + doubt / 2) / (len(one) + doubt * 1.5) for one, hits in pools)
    rising = tuple(max(right[: at + 1]) for at in range(len(right)))
    return Calibration(raw, rising)


def _pooled(judged: Sequence[tuple[float, bool]], least: int = 12) -> list[tuple[list[float], int]]:
    pools: list[tuple[list[float], int]] = []
    for at in range(0, len(judged), least):
        part = judged[at : at + least]
        pools.append(([one for one, _ in part], sum(hit for _, hit in part)))
        while len(pools) > 1 and _share(pools[-2]) >= _share(pools[-1]):
            raw, hits = pools.pop()
            before, earlier = pools.pop()
            pools.append(([*before, *raw], earlier + hits))
    return pools


def _share(pool: tuple[list[float], int]) -> float:
    return pool[1] / len(pool[0])
