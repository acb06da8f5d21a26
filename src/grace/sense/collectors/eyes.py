"""Find every collector that is installed, and aim probes by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import entry_points
from types import TracebackType
from typing import Final, Self, cast

from pydantic import JsonValue, ValidationError

from grace.kit.parsing import validate
from grace.kit.redaction import redact
from grace.kit.wording import in_words
from grace.model.catalogue import ProbeSpec
from grace.model.reading import Known, Unknown
from grace.sense.collectors import Collector, Meter, Probe
from grace.sense.collectors.meters import Blind
from grace.sense.collectors.viewpoint import CollectorFactory, Viewpoint

GROUP: Final = "grace.collectors"


class ProbeNamedTwice(ValueError):
    """Two collectors offer a probe of one name, so that nobody could say which is meant."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"Two collectors offer the probe {name!r}. Uninstall one of them.")


@dataclass(frozen=True, slots=True)
class Discreet:
    """A meter whose answers show no secret: they go into ledgers, pages and exports."""

    meter: Meter

    @property
    def limit_s(self) -> float:
        return self.meter.limit_s

    def read(self) -> Known | Unknown:
        match self.meter.read():
            case Known(value=value, as_of=as_of):
                return Known(value=redact(value).value, as_of=as_of)
            case found:
                return found


class Eyes:
    """Every probe that is wired, by name. Use it as a `with` block, or close it, to end what collectors started."""

    def __init__(self, collectors: Sequence[Collector]) -> None:
        self._collectors = tuple(collectors)
        self._probes: dict[str, Probe] = {}
        for collector in self._collectors:
            for name, probe in collector.probes.items():
                if name in self._probes:
                    raise ProbeNamedTwice(name)
                self._probes[name] = probe

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def specs(self) -> Mapping[str, ProbeSpec]:
        """Return every probe as data: the probes of the catalogue."""
        return {name: probe.spec for name, probe in self._probes.items()}

    @property
    def probes(self) -> Mapping[str, Probe]:
        return self._probes

    def aim(self, probe: str, parameters: Mapping[str, JsonValue]) -> Meter:
        """Return a meter; a probe or parameter that is not known here reads as `Unknown`, with the reason."""
        found = self._probes.get(probe)
        if found is None:
            return Blind(f"there is no probe {probe!r}")
        try:
            return Discreet(found.aim(validate(found.spec.parameters, dict(parameters))))
        except ValidationError as error:
            return Blind(f"{probe} cannot be aimed: {in_words(error)}")

    def close(self) -> None:
        """End what the collectors started."""
        with ExitStack() as closing:
            for collector in self._collectors:
                closing.callback(collector.close)


def found_collectors(viewpoint: Viewpoint) -> tuple[Collector, ...]:
    """Return every installed collector, in the order of their names; one that cannot be imported stops the start."""
    points = sorted(entry_points(group=GROUP), key=lambda point: point.name)
    return tuple(cast("CollectorFactory", point.load())(viewpoint) for point in points)
