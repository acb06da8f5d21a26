"""How a service does right now: the worst that each indicator reads in a short series, before anything is done."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from grace.act.verification import Eyes
from grace.act.verification.measuring import InThreads, measure
from grace.kit.clock import Clock
from grace.model.reading import Known, Unknown
from grace.model.service import Indicator, Service

_ROUNDS: Final = 4
_LONGEST_BEAT_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Standing:
    """The worst of each indicator as a number, and why others have none."""

    worst: Mapping[str, float]
    unknown: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Watcher:
    """Reads all indicators of a service a few times; a rate has no value at its first reading."""

    eyes: Eyes
    clock: Clock

    def read(self, service: Service) -> Standing:
        """Return after some seconds at most; what was never a number is unknown."""
        return asyncio.run(self._read(service))

    async def _read(self, service: Service) -> Standing:
        measuring = InThreads()
        series = await asyncio.gather(*(self._series(measuring, one) for one in service.indicators.values()))
        worst: dict[str, float] = {}
        unknown: dict[str, str] = {}
        for name, found in zip(service.indicators, series, strict=True):
            if isinstance(found, Unknown):
                unknown[name] = found.why
            else:
                worst[name] = found
        return Standing(worst, unknown)

    async def _series(self, measuring: InThreads, indicator: Indicator) -> float | Unknown:
        meter = self.eyes.aim(indicator.probe, indicator.parameters)
        numbers: list[float] = []
        why = Unknown(why="it was never read")
        for nth in range(_ROUNDS):
            if nth:
                await self.clock.wait(min(indicator.every, _LONGEST_BEAT_S))
            match await measure(measuring, meter):
                case Known(value=bool()):
                    why = Unknown(why="it is no number")
                case Known(value=int() | float() as number):
                    numbers.append(float(number))
                case Known():
                    why = Unknown(why="it is no number")
                case Unknown() as unknown:
                    why = unknown
        return max(numbers) if numbers else why
