"""Services: what plans may write, what is measured, and whom a playbook may have to signal; nothing is written."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from pydantic import JsonValue

from grace.act.verification.measuring import InThreads, measure
from grace.act.verification.newness import LEAST_PATIENCE_S, LONGEST_GAP_BEATS
from grace.doctor.saying import doubtful, failed, not_known, well
from grace.kit.clock import Clock
from grace.kit.procfs import Holders, process_stat, tcp_listeners, uid_of
from grace.model.examination import CheckResult
from grace.model.reading import Known, Unknown
from grace.model.service import DRILL_ENVIRONMENT, AllowedTarget, Service
from grace.sense.collectors import Meter

_LONGEST_PAUSE_S: Final = 1.0
_SHOWN: Final = 120
_UNITS: Final = frozenset({"ms", "s", "bytes", "share", "count"})


class Aiming(Protocol):
    """Aims a probe by its name; one that is not known reads as unknown."""

    def aim(self, probe: str, parameters: Mapping[str, JsonValue]) -> Meter: ...


@dataclass(frozen=True, slots=True)
class Services:
    """The declared services, and what looks at them."""

    services: Sequence[Service]
    eyes: Aiming
    clock: Clock

    def checks(self) -> Iterator[CheckResult]:
        """Look at each service's targets, processes and probes; drills are of GRACE's own making."""
        for service in self.services:
            if service.environment == DRILL_ENVIRONMENT:
                continue
            for allowed in service.targets:
                yield from target(service.name, allowed)
            yield from main_process(service)
            yield from evidence(service)
            yield from unwatched(service)
        yield from self._probes()

    def _probes(self) -> Iterator[CheckResult]:
        aimed = [
            _Aimed(service.name, name, declared.probe, self.eyes.aim(declared.probe, declared.parameters), pause_s)
            for service in self.services
            if service.environment != DRILL_ENVIRONMENT
            for name, declared, pause_s in (
                *((name, one, one.every) for name, one in service.indicators.items()),
                *((name, one, 0.0) for name, one in service.benchmarks.items()),
            )
        ]
        for one, (found, took_s) in zip(aimed, asyncio.run(self._read_all(aimed)), strict=True):
            yield self._behind(one, found) or reading(one.service, one.name, one.probe, found, took_s)

    def _behind(self, one: _Aimed, found: Known | Unknown) -> CheckResult | None:
        """Say of an indicator that its source measures more rarely than it is asked, which leaves clauses unproven."""
        if isinstance(found, Unknown) or found.as_of is None or not one.pause_s:
            return None
        ago_s = (self.clock.now() - found.as_of).total_seconds()
        if ago_s <= max(one.pause_s * LONGEST_GAP_BEATS, LEAST_PATIENCE_S):
            return None
        about = f"{one.service}: {one.name} ({one.probe})"
        why = f"its newest value is {ago_s:.0f} s old, and it is asked every {one.pause_s:g} s"
        advice = f"give {one.name} of {one.service} an `every` like its source's own: docs/probes.md"
        return doubtful("service.probe", about, why, advice)

    async def _read_all(self, aimed: Sequence[_Aimed]) -> list[tuple[Known | Unknown, float]]:
        threads = InThreads()
        return await asyncio.gather(*(self._read(threads, one) for one in aimed))

    async def _read(self, threads: InThreads, one: _Aimed) -> tuple[Known | Unknown, float]:
        """Read once, and once more where the first reading is only what the second is compared with."""
        begun = self.clock.monotonic()
        found = await measure(threads, one.meter)
        if isinstance(found, Unknown) and one.pause_s:
            await self.clock.wait(min(one.pause_s, _LONGEST_PAUSE_S))
            begun = self.clock.monotonic()
            found = await measure(threads, one.meter)
        return found, self.clock.monotonic() - begun


@dataclass(frozen=True, slots=True)
class _Aimed:
    """A probe of a service, aimed."""

    service: str
    name: str
    probe: str
    meter: Meter
    pause_s: float


def reading(service: str, name: str, probe: str, found: Known | Unknown, took_s: float) -> CheckResult:
    """Say what a probe answered: a value is well, whatever it is; no value is unknown, and why."""
    check, about = "service.probe", f"{service}: {name} ({probe})"
    match found:
        case Unknown(why=why):
            advice = f"mend {name} of {service} in grace.yaml, or what it measures: docs/probes.md, {probe}"
            return not_known(check, about, f"unknown: {why}", advice)
        case Known(value=value):
            said = f"known {value!s:.{_SHOWN}} in {took_s * 1000:.0f} ms"
            if isinstance(value, bool) or not isinstance(value, int | float):
                return well(check, about, said)
            return well(check, about, said, float(value), _unit_of(probe))


def _unit_of(probe: str) -> str:
    """Return the unit that a probe has in its name, such as `http.latency_ms`."""
    unit = probe.rpartition("_")[2]
    return unit if unit in _UNITS else ""


def target(service: str, allowed: AllowedTarget) -> Iterator[CheckResult]:
    """Look whether plans could read and write a target that they may write."""
    match allowed.kind:
        case "file" | "sqlite" | "files":
            yield path_target(service, allowed)
        case "port":
            yield from port_target(service, allowed)
        case kind:
            about = f"{service}: {kind} {allowed.id}"
            why = f"a {kind} can be looked at by acting on it only"
            yield not_known(
                "service.target", about, why, f"grace plan INCIDENT shows what a heal of {service} would do"
            )


def path_target(service: str, allowed: AllowedTarget) -> CheckResult:
    """Ask the system, without writing, whether this user may read and write a path and the folder it is in."""
    check, about, path = "service.target", f"{service}: {allowed.kind} {allowed.id}", Path(allowed.id)
    is_folder = allowed.id.endswith("/")
    try:
        status = path.stat()
    except FileNotFoundError:
        return _absent(check, about, path, may_come=not is_folder and allowed.kind != "sqlite")
    except OSError as error:
        return failed(check, about, str(error.strerror), f"let user {os.geteuid()} into {path.parent}")
    owner = f"it belongs to user {status.st_uid}, mode {status.st_mode & 0o7777:o}"
    wanted = os.R_OK | os.W_OK | (os.X_OK if is_folder else 0)
    if is_folder and not path.is_dir():
        return failed(check, about, "is no folder", "write the id without a slash at its end, or name a folder")
    for place, needed in ((path, wanted), *(() if is_folder else ((path.parent, os.W_OK | os.X_OK),))):
        missing = [word for word, bit in _RIGHTS if needed & bit and not _may(place, bit)]
        if missing:
            advice = f"run GRACE as its owner, or let user {os.geteuid()} {' and '.join(missing)} {place}"
            return failed(check, about, f"user {os.geteuid()} may not {' or '.join(missing)} {place}; {owner}", advice)
    return well(check, about, f"user {os.geteuid()} may read and write it; {owner}")


_RIGHTS: Final = (("read", os.R_OK), ("write", os.W_OK), ("enter", os.X_OK))


def _may(place: Path, bit: int) -> bool:
    return os.access(place, bit, effective_ids=True)


def _absent(check: str, about: str, path: Path, *, may_come: bool) -> CheckResult:
    advice = "mend its path in grace.yaml, or make it"
    if not may_come:
        return failed(check, about, "is not there", advice)
    if not _may(path.parent, os.W_OK | os.X_OK):
        return failed(check, about, f"is not there, and {path.parent} may not be written", advice)
    return doubtful(check, about, "is not there; a plan could make it", advice)


def port_target(service: str, allowed: AllowedTarget) -> Iterator[CheckResult]:
    """Look who listens on a port, and whether we could signal them."""
    about = f"{service}: port {allowed.id}"
    if not (allowed.id.isascii() and allowed.id.isdigit()):
        yield failed("service.target", about, "is no number of a port", "write it in quotes in grace.yaml: '8001'")
        return
    holders: Holders = tcp_listeners(int(allowed.id))
    for pid in holders.pids:
        yield process("service.target", about, pid)
    if not holders.pids:
        hidden = f"; {len(holders.hidden)} processes may not be looked into" if holders.hidden else ""
        yield not_known(
            "service.target", about, f"nobody is seen listening{hidden}", f"start {service}, then grace doctor"
        )


def main_process(service: Service) -> Iterator[CheckResult]:
    """Look whether the main process is alive, and whose it is."""
    if service.pid_file is None:
        return
    check, about = "service.process", f"{service.name}: {service.pid_file}"
    try:
        written = Path(service.pid_file).read_text(encoding="ascii", errors="replace").strip()
    except OSError as error:
        yield not_known(check, about, f"cannot be read: {error.strerror}", f"start {service.name}, or mend `pid_file`")
        return
    if not (written.isascii() and written.isdigit()):
        yield failed(check, about, "holds no pid", f"mend `pid_file` of {service.name} in grace.yaml")
        return
    yield process(check, about, int(written))


def evidence(service: Service) -> Iterator[CheckResult]:
    """Look whether what is to be kept before the first write can be read; nothing is read now."""
    for written in service.evidence:
        check, about, path = "service.evidence", f"{service.name}: {written}", Path(written)
        advice = f"mend `evidence` of {service.name} in grace.yaml, or let user {os.geteuid()} read it"
        try:
            status = path.stat()
        except FileNotFoundError:
            yield doubtful(check, about, "is not there: nothing of it could be kept", advice)
        except OSError as error:
            yield failed(check, about, str(error.strerror), advice)
        else:
            if _may(path, os.R_OK):
                yield well(check, about, f"user {os.geteuid()} may read it", float(status.st_size), "bytes")
            else:
                yield failed(check, about, f"user {os.geteuid()} may not read it", advice)


def unwatched(service: Service) -> Iterator[CheckResult]:
    """Say of a service that nothing of it is measured: nobody can tell whether it is well."""
    if not (service.indicators or service.benchmarks or service.pid_file):
        why = "nothing of it is measured: no indicator, no benchmark, no pid file"
        yield not_known("service.watched", service.name, why, f"give {service.name} an indicator: docs/probes.md")


def process(check: str, about: str, pid: int) -> CheckResult:
    """Say whose a process is, and whether the system would let us signal it; nothing is sent."""
    stat = process_stat(pid)
    if stat is None or not stat.is_alive:
        return failed(check, about, f"process {pid} does not run", "start the service, or remove its old pid file")
    who = f"process {pid} ({stat.name}) of user {uid_of(pid)}"
    try:
        os.kill(pid, 0)
    except PermissionError:
        advice = "run GRACE as that user, where playbooks are to end processes; else leave it"
        return doubtful(check, about, f"{who} runs, and we (user {os.geteuid()}) may not signal it", advice)
    except ProcessLookupError:
        return failed(check, about, f"process {pid} has just ended", "grace doctor")
    return well(check, about, f"{who} runs, and we may signal it")
