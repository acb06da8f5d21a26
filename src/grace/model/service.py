"""Service: what is watched, as declared in `grace.yaml`."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field, JsonValue

from grace.model.noun import WITH, Noun
from grace.model.quantities import Duration
from grace.model.restraint import SHIPPED, Restraint


class Mode(StrEnum):
    """How far GRACE may go for a service. The shipped mode is `observe`."""

    OBSERVE = "observe"
    SUGGEST = "suggest"
    AUTO = "auto"


DRILL_ENVIRONMENT = "drill"


class Indicator(Noun):
    """A service-level indicator: the probe that measures it."""

    probe: str
    parameters: dict[str, JsonValue] = Field(default_factory=dict, serialization_alias="with", validation_alias=WITH)
    every: Duration = 1.0


class ServiceBenchmark(Noun):
    """A benchmark: a probe measured so many times; a smaller value is better unless it says otherwise."""

    probe: str
    parameters: dict[str, JsonValue] = Field(default_factory=dict, serialization_alias="with", validation_alias=WITH)
    samples: int = Field(default=100, ge=5, le=1000)
    """Of idle noise, 20 samples are called 20 % worse in one comparison of seven, 100 in less than one of a hundred."""
    better: str = Field(default="lower", pattern="^(lower|higher)$")


class AllowedTarget(Noun):
    """What plans may write for this service: a kind and an exact id or a path prefix ending in `/`."""

    kind: str
    id: str

    def covers(self, kind: str, identity: str) -> bool:
        """Tell whether a target of this kind and id lies within the allowance."""
        inside = identity.startswith(self.id) if self.id.endswith("/") else identity == self.id
        return kind == self.kind and inside


class Service(Noun):
    """Name, environment, owner, mode, matchers, indicators, benchmarks, allowed targets and dependencies."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")
    environment: str = "production"
    owner: str = "nobody"
    mode: Mode = Mode.OBSERVE
    match: dict[str, str] = Field(default_factory=dict)
    """Labels a signal must carry to belong here, beside the service's name."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Facts about the service that playbooks may refer to as `service.labels.NAME`."""
    indicators: dict[str, Indicator] = Field(default_factory=dict)
    benchmarks: dict[str, ServiceBenchmark] = Field(default_factory=dict)
    targets: tuple[AllowedTarget, ...] = ()
    evidence: tuple[str, ...] = ()
    """Files and logs that are kept before the first write, beside the targets themselves."""
    pid_file: str | None = None
    """Where the service's main process writes its pid; that process is never ended by a playbook."""
    depends_on: tuple[str, ...] = ()
    staging: str | None = None
    rungs: int = Field(default=3, ge=1, le=10)
    """How many playbooks may be tried for one occurrence of an incident, each after the one before was undone."""
    restraint: Restraint = SHIPPED
    """How far it is held back although the policy would let it act: cool-down, flapping, breaker, pace."""
