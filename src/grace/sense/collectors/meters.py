"""What most probes are made of: a spec, and a function that reads once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from grace.model.catalogue import ProbeSpec
from grace.model.reading import Known, Unknown
from grace.sense.collectors import Meter, Probe

P = TypeVar("P", bound=BaseModel)

OVERTIME_S = 1.0
"""What a read may take on top of its own limit before whoever waits gives up."""


class ProbeParameters(BaseModel):
    """Parameters of a probe: frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, slots=True)
class Reads:
    """A meter made of a function that reads once."""

    limit_s: float
    function: Callable[[], Known | Unknown]

    def read(self) -> Known | Unknown:
        return self.function()


@dataclass(frozen=True, slots=True)
class Blind:
    """A meter that cannot be aimed: it always says why."""

    why: str
    limit_s: float = OVERTIME_S

    def read(self) -> Known | Unknown:
        return Unknown(why=self.why)


class TypedProbe(Generic[P]):
    """A probe whose parameters have a type of their own."""

    def __init__(self, spec: ProbeSpec, parameters: type[P], aim: Callable[[P], Meter]) -> None:
        self._spec = spec
        self._parameters = parameters
        self._aim = aim

    @property
    def spec(self) -> ProbeSpec:
        return self._spec

    def aim(self, parameters: BaseModel) -> Meter:
        """Return a meter; parameters of another probe are a TypeError."""
        if not isinstance(parameters, self._parameters):
            message = f"{self._spec.name} takes {self._parameters.__name__}, got {type(parameters).__name__}."
            raise TypeError(message)
        return self._aim(parameters)


def by_name(probes: Sequence[Probe]) -> Mapping[str, Probe]:
    """Return probes by their names."""
    return {probe.spec.name: probe for probe in probes}


def unknown(why: str) -> Unknown:
    return Unknown(why=why)
