"""The survey: one look at everything, and which service each thing belongs to."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

from grace.kit.procfs import PROC
from grace.sense.collectors.viewpoint import Viewpoint
from grace.sense.discovery.candidates import Candidate, findings_of, notes_on, source_of
from grace.sense.discovery.containers import DOCKER_SOCKET, Container, container_of, see_containers
from grace.sense.discovery.databases import database_server, sqlite_files
from grace.sense.discovery.files import configurations_of, pid_file_of
from grace.sense.discovery.findings import (
    NO_NARROWING,
    Finding,
    FoundService,
    LeftOut,
    Narrowing,
    Survey,
    Traced,
    Unseen,
    shown,
)
from grace.sense.discovery.logs import logs_of
from grace.sense.discovery.naming import as_name, is_own, is_system, program_of, service_name
from grace.sense.discovery.pages import SILENT, Pages, base_url, read_metrics_at, read_pages
from grace.sense.discovery.processes import Processes, SeenProcess, owner_of, see_processes
from grace.sense.discovery.units import UNIT_FOLDERS, Unit, UnreadableUnit, read_unit, unit_of

_AT_ONCE: Final = 8
_KEY_OF_A_LEDGER: Final = "ledger.key"
"""Stands in every data folder of GRACE."""
_AS_OWNER: Final = "Look as that user or as root, and where its container is."


@dataclass(frozen=True, slots=True)
class Ground:
    """Where to look. Everything can be named, so that a recorded machine is looked at like a living one."""

    proc: Path = PROC
    unit_folders: Sequence[Path] = UNIT_FOLDERS
    docker: Path = DOCKER_SOCKET
    own_folder: Path | None = None
    """GRACE's own folder: what lies in it is nobody's target."""
    asks_pages: bool = True


@dataclass(slots=True)
class _Book:
    """What is written down during one look."""

    findings: list[Finding] = field(default_factory=list[Finding])
    unseen: list[Unseen] = field(default_factory=list[Unseen])


def survey(ground: Ground, viewpoint: Viewpoint, narrowing: Narrowing = NO_NARROWING) -> Survey:
    """Look once, read-only, and return the services with everything that belongs to them."""
    seen = see_processes(ground.proc)
    book = _Book()
    containers = _containers(ground, book)
    candidates, left_out = _candidates(seen, containers, ground, narrowing)
    named = zip(candidates, _uniquely_named(candidates), strict=True)
    chosen = [one for called, one in named if _is_wanted(one, {called.name, one.name}, narrowing)]
    pages = _pages(chosen, viewpoint) if ground.asks_pages else {}
    services = [_service(one, pages.get(one.name, SILENT), ground, book) for one in chosen]
    services = _with_dependencies(services, chosen)
    book.unseen += _held(seen, narrowing, ground)
    return Survey(tuple(services), tuple(book.findings), tuple(book.unseen), left_out)


def _containers(ground: Ground, book: _Book) -> tuple[Container, ...]:
    found = see_containers(ground.docker)
    if isinstance(found, Unseen):
        book.unseen.append(found)
        return ()
    return found


def _candidates(
    seen: Processes, containers: Sequence[Container], ground: Ground, narrowing: Narrowing
) -> tuple[list[Candidate], LeftOut]:
    mains = {one.pid: one for one in seen.mains()}
    units = {pid: name for pid, one in seen.by_pid.items() if (name := unit_of(one.cgroups))}
    known = {name: read_unit(name, ground.unit_folders) for name in sorted(set(units.values()))}
    by_id = {one.id: one for one in containers}
    inside = _in_containers(seen, mains, by_id)
    unheard = _unheard_units(seen, mains, units, known) | _local_databases(seen) | set(inside.values())
    for pid in unheard | (narrowing.pids & seen.by_pid.keys()):
        mains.setdefault(pid, seen.by_pid[pid])
    system: list[str] = []
    found: list[Candidate] = []
    own = 0
    for pid, one in sorted(mains.items()):
        if is_own(one.argv):
            own += 1
            continue
        container = by_id.get(container_of(one.cgroups))
        if container is None and is_system(one.argv, one.stat.name) and pid not in narrowing.pids:
            system.append(program_of(one.argv))
            continue
        unit = known.get(units.get(pid, ""))
        endpoints = one.endpoints
        if container is not None and inside.get(container.id) == pid:
            endpoints = tuple(dict.fromkeys((*endpoints, *container.endpoints)))
        found.append(Candidate(_name(one, unit, container), one, endpoints, seen.family(pid, mains), unit, container))
    taken = {one.container.id for one in found if one.container}
    found += [
        Candidate(as_name(one.name), None, one.endpoints, container=one)
        for one in containers
        if one.is_at_work and one.id not in taken
    ]
    return sorted(found, key=lambda one: one.order), LeftOut(tuple(sorted(system)), own)


def _in_containers(
    seen: Processes, mains: Mapping[int, SeenProcess], containers: Mapping[str, Container]
) -> dict[str, int]:
    """Return of each container whose processes we may see the one that its ports lead to: a listener, or the eldest."""
    found: dict[str, int] = {}
    for one in sorted(seen.by_pid.values(), key=lambda one: (one.pid not in mains, one.stat.started_at, one.pid)):
        container = container_of(one.cgroups)
        if container in containers:
            found.setdefault(container, one.pid)
    return found


def _local_databases(seen: Processes) -> set[int]:
    """Return the databases that listen at a socket in the file system, of each family the eldest."""
    servers = {one.pid: one for one in seen.by_pid.values() if one.local and database_server(one.argv)}
    return {pid for pid, one in servers.items() if one.stat.parent not in servers}


def _unheard_units(
    seen: Processes,
    mains: Mapping[int, SeenProcess],
    units: Mapping[int, str],
    known: Mapping[str, Unit | UnreadableUnit],
) -> set[int]:
    """Return the eldest process of each unit that an administrator wrote and that listens nowhere: workers."""
    heard = {units[pid] for pid in mains if pid in units}
    found: dict[str, int] = {}
    for pid in sorted(units, key=lambda pid: (seen.by_pid[pid].stat.started_at, pid)):
        unit = known[units[pid]]
        if isinstance(unit, Unit) and unit.is_administrators and unit.name not in heard:
            found.setdefault(unit.name, pid)
    return set(found.values())


def _name(process: SeenProcess, unit: Unit | UnreadableUnit | None, container: Container | None) -> str:
    if container is not None:
        return as_name(container.name)
    if unit is not None:
        return as_name(unit.name)
    if server := database_server(process.argv):
        return as_name(server)
    return service_name(process.argv, process.cwd)


def _uniquely_named(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Add the port, else the pid, to names that several have; the order stays."""
    counts = Counter(one.name for one in candidates)
    taken: set[str] = set()
    found: list[Candidate] = []
    for one in candidates:
        name = one.name
        if counts[name] > 1 or name in taken:
            mark = one.endpoints[0].port if one.endpoints else one.process.pid if one.process else len(taken)
            name = as_name(f"{name[:50]}-{mark}")
        while name in taken:
            name = as_name(f"{name[:50]}-{one.process.pid if one.process else len(taken)}")
        taken.add(name)
        found.append(replace(one, name=name))
    return found


def _is_wanted(one: Candidate, names: set[str], narrowing: Narrowing) -> bool:
    if narrowing.is_none:
        return True
    pids = {member.pid for member in one.family}
    return bool(
        pids & narrowing.pids or {at.port for at in one.endpoints} & narrowing.ports or names & narrowing.services
    )


def _pages(chosen: Sequence[Candidate], viewpoint: Viewpoint) -> dict[str, Pages]:
    """Ask each service for its pages, several at a time; databases are never asked."""
    bases: dict[str, str] = {
        one.name: base
        for one in chosen
        if not one.database and (base := next((url for at in one.endpoints if (url := base_url(at))), None))
    }
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = pool.map(partial(read_pages, viewpoint=viewpoint), bases.values())
        answers = dict(zip(bases, found, strict=True))
    targets = [target for one in answers.values() for target in one.targets]
    for name, base in bases.items():
        if targets and answers[name].speaks_http and not answers[name].metrics:
            answers[name] = read_metrics_at(base, targets, answers[name], viewpoint)
    return answers


def _service(one: Candidate, pages: Pages, ground: Ground, book: _Book) -> FoundService:
    """Put together what belongs to one service, and write down each thing."""
    databases, unseen = sqlite_files(one.family)
    book.unseen += unseen
    databases = tuple(db for db in databases if not _is_of_a_grace(Path(db.value), ground.own_folder))
    process, unit = one.process, one.unit if isinstance(one.unit, Unit) else None
    base = next((url for at in one.endpoints if (url := base_url(at))), "")
    service = FoundService(
        name=one.name,
        source=source_of(one),
        main_pid=process.pid if process else None,
        endpoints=one.endpoints,
        address=Traced(base, "answers HTTP") if pages.speaks_http else None,
        databases=databases,
        configurations=configurations_of(process) if process else (),
        logs=_logs(one, unit, databases),
        pid_file=pid_file_of(process, one.name, unit.pid_file if unit else "") if process else None,
        error_rate=pages.error_rate,
        health=Traced(pages.health, "answered with status 200") if pages.health else None,
        notes=tuple(notes_on(one, pages)),
    )
    book.findings += findings_of(one, service, pages)
    return service


def _is_of_a_grace(file: Path, own: Path | None) -> bool:
    """Tell whether a file lies in the data folder of this GRACE, or of another one on this machine."""
    is_ours = own is not None and file.is_relative_to(own)
    return is_ours or os.path.exists(file.parent / _KEY_OF_A_LEDGER)  # noqa: PTH110 - who may not look finds none


def _logs(one: Candidate, unit: Unit | None, databases: Iterable[Traced]) -> tuple[Traced, ...]:
    logs = {log.value: log for log in logs_of(one.family, {db.value for db in databases})}
    for path in unit.appends if unit else ():
        logs.setdefault(path, Traced(path, f"named by the unit {one.name}"))
    return tuple(logs[path] for path in sorted(logs))


def _with_dependencies(services: Sequence[FoundService], chosen: Sequence[Candidate]) -> list[FoundService]:
    """Write into each service which of the others it is connected to, or its unit needs."""
    by_port = {at.port: one.name for one in services for at in one.endpoints if base_url(at)}
    by_unit = {one.unit.name: one.name for one in chosen if isinstance(one.unit, Unit)}
    return [
        replace(service, depends_on=tuple(_dependencies(one, by_port, by_unit)))
        for service, one in zip(services, chosen, strict=True)
    ]


def _dependencies(one: Candidate, by_port: Mapping[int, str], by_unit: Mapping[str, str]) -> Iterator[Traced]:
    found: dict[str, Traced] = {}
    for member in one.family:
        for at in member.talks_to:
            name = by_port.get(at.port)
            if name and name != one.name and base_url(at):
                found.setdefault(name, Traced(name, f"process {member.pid} is connected to {shown(at)}"))
    for unit in one.unit.needs if isinstance(one.unit, Unit) else ():
        if unit in by_unit and by_unit[unit] != one.name:
            found.setdefault(by_unit[unit], Traced(by_unit[unit], f"its unit needs {unit}"))
    yield from (found[name] for name in sorted(found))


def _held(seen: Processes, narrowing: Narrowing, ground: Ground) -> Iterator[Unseen]:
    """Tell of ports whose process, and of processes that were asked for whose files, may not be looked into."""
    for one in seen.held:
        if narrowing.is_none or one.endpoint.port in narrowing.ports:
            why = f"no process that may be looked into holds it; it belongs to user id {one.uid}"
            yield Unseen(f"port {shown(one.endpoint)}", why, _AS_OWNER)
    for pid in sorted(narrowing.pids & set(seen.hidden)):
        why = f"a process of user id {owner_of(pid, ground.proc)} that may not be looked into"
        yield Unseen(f"process {pid}", why, _AS_OWNER)
