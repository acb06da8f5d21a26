"""The doctor of a server: looks with the server's own eyes, rights and clock at what it has open."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

from grace.doctor import Check, examine
from grace.doctor.address import Address
from grace.doctor.clocks import Clocks, ask_kernel, set_back
from grace.doctor.ground import Ground
from grace.doctor.record import engine_database, ledger
from grace.doctor.rights import Rights
from grace.doctor.rules import PolicyLook, loaded
from grace.doctor.running import Server, Witnessed, threads
from grace.doctor.saying import doubtful, failed, well
from grace.doctor.software import software
from grace.doctor.vault import vault
from grace.doctor.watched import Services
from grace.govern.halt.switch import HaltSwitch
from grace.govern.policy.live import LivePolicy
from grace.kit.clock import SteadyClock, SystemClock
from grace.kit.lasting import LastingThread
from grace.model.catalogue import Catalogue
from grace.model.examination import CheckResult, Examination
from grace.model.service import Service
from grace.record.ledger.note import VerifierKey
from grace.record.mesh.delivery import Mesh
from grace.record.opening import Record
from grace.sense.collectors.eyes import Eyes
from grace.settings import Settings

VERSION: Final = version("grace-heal")
_LOOK: Final = "read docs/settings.md"


@dataclass(frozen=True, slots=True)
class Loaded:
    """How much of each kind a server has in force."""

    packs: int
    entries: int
    playbooks: int

    def checks(self) -> Iterator[CheckResult]:
        yield loaded("knowledge.loaded", f"knowledge, {self.packs} packs", self.entries, "entries", _LOOK)
        yield loaded("playbooks.loaded", "playbooks", self.playbooks, "playbooks", _LOOK)


@dataclass(frozen=True, slots=True)
class HouseDoctor:
    """Examines the server that it lives in, with the server's own eyes, rights and clock."""

    settings: Settings
    clock: SteadyClock
    record: Record
    eyes: Eyes
    catalogue: Catalogue
    policy: LivePolicy
    mesh: Mesh
    halts: HaltSwitch
    services: Callable[[], Sequence[Service]]
    loaded: Callable[[], Loaded]
    usable_tokens: Callable[[], int]
    threads: Callable[[], Sequence[LastingThread]]

    def examine(self, service: str | None = None) -> Examination:
        """Look at everything; with a name, at this service alone."""
        checks = self._of_services(service) if service else self._everything()
        return Examination(at=self.clock.now(), version=VERSION, place="server", results=examine(checks))

    def _everything(self) -> tuple[Check, ...]:
        settings, clock, folder = self.settings, self.clock, self.settings.data_folder.resolve()
        address = Address(settings.host, settings.port, settings.is_public, self.usable_tokens(), os.getpid())
        policy = PolicyLook(
            self.policy.current.rules,
            self.policy.decide,
            tuple(self.catalogue.actions.values()),
            clock,
            self.policy.problems,
        )
        server = Server(
            clock, lambda: self.record.writer.trouble, self.mesh.progress, self.halts.standing, self._witnessed
        )
        return (
            software,
            Ground(folder, clock).checks,
            Rights(settings.allow_process_control_as_root).checks,
            Clocks(SystemClock(), folder, ask_kernel).checks,
            lambda: iter([set_back(clock.behind_s, clock.jumps)]),
            self._ledger,
            address.checks,
            self.loaded().checks,
            policy.checks,
            server.checks,
            lambda: threads(self.threads()),
            lambda: declared(settings, self.services()),
            *self._of_services(None),
        )

    def _of_services(self, name: str | None) -> tuple[Check, ...]:
        chosen = [one for one in self.services() if name in {None, one.name}]
        return (Services(chosen, self.eyes, self.clock).checks,)

    def _ledger(self) -> Iterator[CheckResult]:
        key = VerifierKey.parse(self.record.verifier_key)
        yield ledger(self.record.reader, key, self.settings.witness, SystemClock())
        with self.record.read() as connection:
            yield from vault(connection, self.settings.data_folder.resolve() / "vault")
        yield engine_database(self.settings.data_folder.resolve() / "engine.db", is_ours=True)

    def _witnessed(self) -> Witnessed:
        checkpointer = self.record.checkpointer
        kept = checkpointer.kept
        return Witnessed(self.record.head().size, kept.size, kept.at, checkpointer.trouble)


def declared(settings: Settings, services: Sequence[Service]) -> Iterator[CheckResult]:
    """Say how many services a file declares, or that none is watched."""
    file = settings.services_file
    about = str(file)
    if file.exists():
        yield well("services.loaded", about, f"{len(services)} services", float(len(services)), "services")
    elif "services_file" in settings.model_fields_set:
        yield failed("services.loaded", about, "was named and is not there", "grace init, or name another")
    else:
        yield doubtful("services.loaded", about, "is not there: nothing is watched", "grace init")
