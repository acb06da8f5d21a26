"""What discovery finds: things with the place where each was seen, and what could not be looked at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from grace.kit.procfs import Endpoint


class Kind(StrEnum):
    """What a finding is."""

    PROCESS = "process"
    UNIT = "unit"
    CONTAINER = "container"
    DATABASE = "database"
    LOG = "log"
    METRICS = "metrics"
    HEALTH = "health"
    PROMETHEUS = "prometheus"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found, where it was seen, and the service that it belongs to."""

    kind: Kind
    what: str
    where: str
    service: str
    note: str = ""
    """Why it is of no use for the proposal; empty: it is used."""


@dataclass(frozen=True, slots=True)
class Unseen:
    """What could not be looked at: it is unknown, not absent."""

    what: str
    why: str
    next: str = ""


@dataclass(frozen=True, slots=True)
class Traced:
    """A value, and where it was found."""

    value: str
    source: str


@dataclass(frozen=True, slots=True)
class ErrorRate:
    """Counters of a metrics page whose increases give the share of requests that failed."""

    url: str
    numerator: str
    denominator: str
    label: str
    """The label of the status in both; empty: two counters without one."""
    source: str


@dataclass(frozen=True, slots=True)
class FoundService:
    """A service as it will be proposed."""

    name: str
    source: str
    main_pid: int | None = None
    endpoints: tuple[Endpoint, ...] = ()
    address: Traced | None = None
    databases: tuple[Traced, ...] = ()
    configurations: tuple[Traced, ...] = ()
    logs: tuple[Traced, ...] = ()
    pid_file: Traced | None = None
    error_rate: ErrorRate | None = None
    health: Traced | None = None
    depends_on: tuple[Traced, ...] = ()
    notes: tuple[str, ...] = ()
    """What was seen and could not be used, and why."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Listeners that no team calls its service, counted by name."""

    system: tuple[str, ...] = ()
    own: int = 0
    """Processes of GRACE itself."""


@dataclass(frozen=True, slots=True)
class Survey:
    """Everything that was found, in an order that does not change from look to look."""

    services: tuple[FoundService, ...]
    findings: tuple[Finding, ...]
    unseen: tuple[Unseen, ...]
    left_out: LeftOut = LeftOut()


@dataclass(frozen=True, slots=True)
class Narrowing:
    """Only these; empty: everything that listens."""

    pids: frozenset[int] = frozenset()
    ports: frozenset[int] = frozenset()
    services: frozenset[str] = frozenset()

    @property
    def is_none(self) -> bool:
        return not (self.pids or self.ports or self.services)


NO_NARROWING: Final = Narrowing()


def shown(endpoint: Endpoint) -> str:
    """Write an endpoint as people do: an IPv6 address stands in brackets."""
    host = f"[{endpoint.address}]" if endpoint.address.version == 6 else str(endpoint.address)  # noqa: PLR2004
    return f"{host}:{endpoint.port}"
