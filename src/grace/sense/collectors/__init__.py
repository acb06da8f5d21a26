"""The eyes: probes that read the world and never write it, one file for each kind.

A collector is found by an entry point of the group `grace.collectors`, which names a callable that takes a `Viewpoint`
and returns it. `meters.py` has what most probes are made of, `eyes.py` finds the collectors and aims by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from pydantic import BaseModel

from grace.model.catalogue import ProbeSpec
from grace.model.reading import Known, Unknown


class Meter(Protocol):
    """A probe aimed at one thing; it may remember its last reading, as a rate must."""

    @property
    def limit_s(self) -> float:
        """Return the longest that a read may take; whoever waits gives up after it."""
        ...

    def read(self) -> Known | Unknown:
        """Return what is there now. Failures, time-outs and absent values are `Unknown` with a reason."""
        ...


class Probe(Protocol):
    """One thing that can be measured, read-only."""

    @property
    def spec(self) -> ProbeSpec:
        """Return the probe as data."""
        ...

    def aim(self, parameters: BaseModel) -> Meter:
        """Return a meter for these parameters; touches nothing yet."""
        ...


class Collector(Protocol):
    """A family of probes: found by entry point `grace.collectors`, one file each."""

    @property
    def probes(self) -> Mapping[str, Probe]:
        """Return the probes by name, each beginning with the collector's kind and a dot."""
        ...

    def close(self) -> None:
        """End what the collector started; a later read may start it again."""
        ...
