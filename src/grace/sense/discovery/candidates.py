"""Candidates: what may be a service, and what is told of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from grace.kit.procfs import Endpoint
from grace.sense.discovery.containers import Container
from grace.sense.discovery.databases import database_server
from grace.sense.discovery.findings import Finding, FoundService, Kind, shown
from grace.sense.discovery.naming import printable, told_command
from grace.sense.discovery.pages import Pages
from grace.sense.discovery.processes import SeenProcess
from grace.sense.discovery.units import Unit, UnreadableUnit

_MOST_DOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Candidate:
    """A process that may be a service, or a container whose processes are not ours to see."""

    name: str
    process: SeenProcess | None
    endpoints: tuple[Endpoint, ...]
    family: tuple[SeenProcess, ...] = ()
    unit: Unit | UnreadableUnit | None = None
    container: Container | None = None

    @property
    def database(self) -> str:
        """Which database server it is, by its program or container; else nothing."""
        by_program = database_server(self.process.argv) if self.process else ""
        return by_program or (self.container.database if self.container else "")

    @property
    def places(self) -> str:
        """Where it listens, for people."""
        local = self.process.local if self.process else ()
        return ", ".join((*map(shown, self.endpoints), *map(printable, local)))

    @property
    def order(self) -> tuple[str, int, int]:
        return (self.name, self.endpoints[0].port if self.endpoints else 0, self.process.pid if self.process else 0)


def source_of(one: Candidate) -> str:
    """Say in one line what a service is and where it was seen."""
    parts = [f"process {one.process.pid}: {told_command(one.process.argv)}"] if one.process else []
    if one.places:
        parts.append(f"listens at {one.places}")
    if isinstance(one.unit, Unit):
        parts.append(f"unit {one.unit.name} ({one.unit.file})")
    if one.container is not None:
        parts.append(f"container {one.container.name} ({one.container.image})")
    return "; ".join(parts)


def notes_on(one: Candidate, pages: Pages) -> Iterator[str]:
    """Yield what was seen of a service and could not be used, and why."""
    if isinstance(one.unit, UnreadableUnit):
        yield f"unit {one.unit.name}: unknown, {one.unit.why}"
    if one.process is None:
        yield "what the container's processes have open was not looked at"
    elif not one.process.cwd:
        yield "it lives in a file system of its own, such as a container's: no file of it is named here"
    if one.database:
        yield f"{one.database} was not spoken to: name what depends on it, and watch it by probes of its own"
    elif one.endpoints and not pages.speaks_http:
        yield f"no answer to HTTP at {', '.join(map(shown, one.endpoints))}, or it was not asked"
    if pages.why_no_rate:
        yield f"no error_rate: {pages.why_no_rate}"
    if pages.is_prometheus:
        yield f"this is a Prometheus, which reads {len(pages.targets)} pages; GRACE reads such pages itself"
    for told in pages.down[:_MOST_DOWN]:
        yield f"it cannot read {told}"
    if len(pages.down) > _MOST_DOWN:
        yield f"nor {len(pages.down) - _MOST_DOWN} more"


def findings_of(one: Candidate, service: FoundService, pages: Pages) -> Iterator[Finding]:
    """Yield each thing that belongs to a service, with the place where it was seen."""
    told = (*_of_process(one), *_of_server(one), *_of_unit(one), *_of_container(one), *_of_pages(pages))
    for kind, what, where, note in told:
        yield Finding(kind, what, where, service.name, note)
    for kind, prefix, several in (
        (Kind.DATABASE, "SQLite ", service.databases),
        (Kind.LOG, "", service.logs),
        (Kind.HEALTH, "", (service.health,) if service.health else ()),
    ):
        yield from (Finding(kind, f"{prefix}{each.value}", each.source, service.name) for each in several)


_Told: TypeAlias = tuple[Kind, str, str, str]


def _of_process(one: Candidate) -> Iterator[_Told]:
    if one.process is None:
        return
    at = one.places or "nowhere"
    yield Kind.PROCESS, f"pid {one.process.pid}, {told_command(one.process.argv)}", f"listens at {at}", ""


def _of_server(one: Candidate) -> Iterator[_Told]:
    if one.database:
        seen = "its program" if one.process and database_server(one.process.argv) else "its container"
        yield Kind.DATABASE, one.database, seen, "it is not asked over its port"


def _of_unit(one: Candidate) -> Iterator[_Told]:
    match one.unit:
        case Unit() as unit:
            yield Kind.UNIT, unit.name, str(unit.file), ""
        case UnreadableUnit() as unit:
            yield Kind.UNIT, unit.name, "control group", unit.why
        case None:
            return


def _of_container(one: Candidate) -> Iterator[_Told]:
    if one.container is not None:
        yield Kind.CONTAINER, one.container.name, f"{one.container.image}, {one.container.status}", ""


def _of_pages(pages: Pages) -> Iterator[_Told]:
    if pages.is_prometheus:
        down = f", {len(pages.down)} of them in vain" if pages.down else ""
        yield Kind.PROMETHEUS, pages.metrics, f"reads {len(pages.targets)} pages{down}", ""
    elif pages.metrics:
        rate = pages.error_rate
        yield Kind.METRICS, pages.metrics, rate.source if rate else "answered", "" if rate else pages.why_no_rate
