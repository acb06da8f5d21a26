"""Put the rooms together: eyes and hands, what thinks and rules, and the house that the API shows."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

from grace.act.executors import Action
from grace.act.executors.authority import RecordedAuthority
from grace.act.executors.gate import Gate
from grace.act.executors.telling import TellingHands
from grace.act.executors.workplace import ProcessRules
from grace.act.healing.asking import TOPIC as APPROVAL_TOPIC
from grace.act.healing.asking import Asking
from grace.act.healing.baselines import RecordedBaselines
from grace.act.healing.checking import Checking
from grace.act.healing.deeds import Deeds
from grace.act.healing.desk import IncidentDesk
from grace.act.healing.doing import Doing
from grace.act.healing.escalating import Escalating
from grace.act.healing.guarding import Guarding
from grace.act.healing.handdesk import HandDesk
from grace.act.healing.handthinking import HandThinker
from grace.act.healing.heal import Heal
from grace.act.healing.holding_back import HoldingBack
from grace.act.healing.looking import Looker
from grace.act.healing.notes import handles_under_way
from grace.act.healing.onlooking import Onlooker, Patience
from grace.act.healing.proofs import Proofs
from grace.act.healing.queue import Queue
from grace.act.healing.restraining import RestrainedPolicy, Restrainer, RestraintDesk
from grace.act.healing.runs import Runs, Walks
from grace.act.healing.safe_points import SafePoints
from grace.act.healing.settling import Settling
from grace.act.healing.shelf import fill_shelf
from grace.act.healing.thinker import RecordedThinker, Shelf
from grace.act.healing.thinking import Thinking
from grace.act.healing.undoing import Undoer
from grace.act.healing.way_back import KeepRun, UndoRun
from grace.act.healing.worst import Watcher
from grace.act.safehold import Provider
from grace.act.safehold.vault import FolderVault, open_vault
from grace.act.verification.benchmarks import BenchmarkRunner
from grace.act.verification.measuring import InThreads
from grace.act.verification.sampler import Sampler
from grace.api.house import House, PlaybookCard
from grace.api.native_door import NativeDoor
from grace.api.tokens import TokenStore
from grace.doctor.vault import require_vault
from grace.drill.practice import Drills, Surroundings
from grace.govern.approvals.store import ApprovalStore
from grace.govern.halt.switch import HaltSwitch
from grace.govern.policy.live import LivePolicy
from grace.govern.restraint.restraints import Restraints
from grace.kit.clock import SteadyClock, SystemClock
from grace.kit.ids import IdMint
from grace.kit.lasting import LastingThread
from grace.kit.sqlite_child import Role, SqliteChild
from grace.model.catalogue import Catalogue
from grace.model.service import Service
from grace.model.warrant import Refusal
from grace.record.mesh.delivery import Mesh
from grace.record.mesh.webhooks.outbox import Outbox
from grace.record.opening import Record
from grace.sense.collectors.eyes import Eyes, found_collectors
from grace.sense.collectors.viewpoint import Viewpoint
from grace.sense.directory import Directory, read_declared
from grace.sense.intake.acceptance import Intake
from grace.settings import Settings, secret_named
from grace.think.incidents.grouping import Incidents
from grace.think.knowledge.checked import CheckedPacks
from grace.think.playbooks.means import Means
from grace.wiring.house_doctor import VERSION, HouseDoctor, Loaded
from grace.wiring.plugs import MadeHere, installed_playbooks, load_actions, load_providers
from grace.wiring.reference import ReferenceDesk
from grace.wiring.sources import drill_ground, folders_of, policy_source
from grace.wiring.speaking import clock_troubles

_LOG: Final = logging.getLogger(__name__)
_DRILL_ENDS_AFTER_S: Final = 120.0
"""How long a drill waits for its settlement after the last moment at which somebody could have answered."""


@dataclass(frozen=True, slots=True)
class Rooms:
    """What everything else is built from."""

    settings: Settings
    folder: Path
    clock: SteadyClock
    mint: IdMint
    record: Record
    mesh: Mesh
    outbox: Outbox
    opening: ExitStack
    lasting: list[LastingThread] = field(default_factory=list[LastingThread])
    """The threads of those who keep watch, once they are started."""

    def threads(self) -> tuple[LastingThread, ...]:
        """Return every thread that has to last as long as the server."""
        return (self.record.checkpointer.thread, *self.mesh.threads(), *self.lasting)


@dataclass(frozen=True, slots=True)
class Furnished:
    """The house, and those in it that are to be woken."""

    house: House
    runs: Runs
    drills: Drills
    onlooker: Onlooker
    restraint: RestraintDesk


@dataclass(frozen=True, slots=True)
class _Plugged:
    """Eyes, hands and keepers, with the one list of their names."""

    vault: FolderVault
    eyes: Eyes
    actions: dict[str, Action]
    providers: dict[str, Provider]
    catalogue: Catalogue
    directory: Directory
    made: MadeHere


@dataclass(frozen=True, slots=True)
class _Mind:
    """What thinks and what rules."""

    looker: Looker
    shelf: Shelf
    policy: LivePolicy
    restraints: Restraints
    restrained: RestrainedPolicy
    thinker: RecordedThinker


def _plug_in(rooms: Rooms) -> _Plugged:
    settings, folder = rooms.settings, rooms.folder
    vault = _open_vault(rooms)
    eyes = rooms.opening.enter_context(Eyes(found_collectors(Viewpoint(SystemClock(), secret_named))))
    writer_child = rooms.opening.enter_context(SqliteChild(Role.WRITER))
    directory = Directory()
    made = MadeHere()
    rules = ProcessRules(
        main_pids=directory.main_pids, made_here=made.pids, allow_as_root=settings.allow_process_control_as_root
    )
    reader = rooms.record.reader
    actions = load_actions(
        settings.action_folders, folder, rooms.clock, vault, writer_child, rules, lambda: handles_under_way(reader)
    )
    catalogue = Catalogue(actions={name: action.spec for name, action in actions.items()}, probes=eyes.specs)
    directory.read(settings.services_file, catalogue, folder)
    return _Plugged(vault, eyes, actions, load_providers(folder, writer_child), catalogue, directory, made)


def _open_vault(rooms: Rooms) -> FolderVault:
    """Open the vault; refuse the start where all of it is gone, and say loudly what lacks in it."""
    folder, key_file = rooms.folder / "vault", rooms.folder / "vault.key"
    with rooms.record.read() as connection:
        lost = require_vault(connection, folder, key_file)
    if lost is not None:
        _LOG.error("The vault lacks contents: no way back for %s. Look at it with `grace doctor`.", lost.sentence)
    return open_vault(folder, key_file)


def _make_up_mind(rooms: Rooms, plugged: _Plugged) -> _Mind:
    settings, catalogue = rooms.settings, plugged.catalogue
    policy = LivePolicy(policy_source(settings, catalogue), rooms.record)
    restraints = Restraints(rooms.record, rooms.clock, plugged.directory)
    restrained = RestrainedPolicy(policy, restraints)
    looker = Looker(plugged.eyes)
    shelf = fill_shelf(
        folders_of(settings.knowledge_folders, "knowledge"),
        (*folders_of(settings.playbook_folders, "playbooks"), *installed_playbooks()),
        Means(catalogue, looker, TellingHands(plugged.actions)),
        rooms.record,
        CheckedPacks.within(rooms.folder),
    )
    thinker = RecordedThinker(
        rooms.record, rooms.clock, plugged.directory, restrained, lambda: shelf, drill_ground(settings)
    )
    return _Mind(looker, shelf, policy, restraints, restrained, thinker)


def furnish(rooms: Rooms) -> Furnished:
    """Make everything that needs no engine yet; raise what stops a start, each with what to do."""
    settings, record, clock, mint = rooms.settings, rooms.record, rooms.clock, rooms.mint
    plugged = _plug_in(rooms)
    mind = _make_up_mind(rooms, plugged)
    bell = _Bell()
    halts = HaltSwitch(record, record, mint)
    approvals = ApprovalStore(record, record, clock, settings.approval_timedelta, bell.ring)
    undoer, walks = _walks(rooms, plugged, mind, approvals, halts)
    bell.runs = runs = Runs(record, record, clock, mint, walks, mind.restraints.deferral)
    restraint = RestraintDesk(Queue(runs, record, mind.restraints), Restrainer(record, record, mind.restraints, mint))
    runner = BenchmarkRunner(plugged.eyes, clock, InThreads())
    desk = IncidentDesk(record, mind.thinker)
    door = NativeDoor(Intake(record, Incidents(mint)), clock)
    drills = _drills(rooms, plugged, desk, door)
    tokens = TokenStore(record, record, clock, mint)
    house = House(
        record=record,
        clock=clock,
        tokens=tokens,
        approvals=approvals,
        halts=halts,
        policy=mind.policy,
        catalogue=plugged.catalogue,
        runs=runs,
        falls=runs.fallen,
        incidents=desk,
        proofs=Proofs(record, record, mint, plugged.directory, runner, undoer),
        declared=_Declared(plugged.directory, mind.shelf),
        knowledge=ReferenceDesk(mind.shelf.knowledge),
        drills=drills,
        by_hand=HandDesk(
            record, runs, mint, HandThinker(mind.thinker), Watcher(plugged.eyes, clock), plugged.providers
        ),
        restraint=restraint,
        doctor=_doctor(rooms, plugged, mind, halts, tokens),
        mesh=rooms.mesh,
        outbox=rooms.outbox,
        door=door,
        version=VERSION,
        session_lifetime=timedelta(seconds=settings.session_lifetime),
        body_limit_bytes=settings.body_limit_bytes,
        troubles=lambda: (*clock_troubles(clock), *_told(one.trouble for one in rooms.threads())),
        down=lambda: _told(one.down for one in rooms.threads()),
    )
    return Furnished(house, runs, drills, _onlooker(rooms, plugged, mind), restraint)


def _told(sentences: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(one for one in sentences if one is not None)


def _onlooker(rooms: Rooms, plugged: _Plugged, mind: _Mind) -> Onlooker:
    record, clock, settings = rooms.record, rooms.clock, rooms.settings
    patience = Patience(settings.observe_every, settings.observe_for)
    return Onlooker(record, record, Sampler(plugged.eyes, clock), mind.looker, clock, patience)


def _doctor(rooms: Rooms, plugged: _Plugged, mind: _Mind, halts: HaltSwitch, tokens: TokenStore) -> HouseDoctor:
    knowledge, library = mind.shelf.knowledge, mind.shelf.library
    return HouseDoctor(
        settings=rooms.settings,
        clock=rooms.clock,
        record=rooms.record,
        eyes=plugged.eyes,
        catalogue=plugged.catalogue,
        policy=mind.policy,
        mesh=rooms.mesh,
        halts=halts,
        services=lambda: plugged.directory.services,
        loaded=lambda: Loaded(len(knowledge.packs), len(knowledge.rules), len(library.playbooks)),
        usable_tokens=tokens.usable,
        threads=rooms.threads,
    )


def _drills(rooms: Rooms, plugged: _Plugged, desk: IncidentDesk, door: NativeDoor) -> Drills:
    directory, catalogue, settings = plugged.directory, plugged.catalogue, rooms.settings

    def send(body: bytes) -> Refusal | None:
        answer = asyncio.run(door.accept(body))
        return answer if isinstance(answer, Refusal) else None

    drills = Drills(
        Surroundings(
            root=settings.drill_ground,
            limit_s=settings.approval_lifetime + _DRILL_ENDS_AFTER_S,
            clock=rooms.clock,
            mint=rooms.mint,
            journal=rooms.record,
            reader=rooms.record,
            declarer=directory,
            closer=desk,
            read_services=lambda file: read_declared(file, catalogue),
            send=send,
        )
    )
    drills.declare_left()
    plugged.made.by = drills.made_pids
    return drills


def _walks(
    rooms: Rooms, plugged: _Plugged, mind: _Mind, approvals: ApprovalStore, halts: HaltSwitch
) -> tuple[Undoer, Walks]:
    record, providers, directory = rooms.record, plugged.providers, plugged.directory
    safe_points = SafePoints(halts)
    sampler = Sampler(plugged.eyes, rooms.clock)
    deeds = Deeds(Gate(plugged.actions, RecordedAuthority(record), drill_ground(rooms.settings)), plugged.vault)
    undoer = Undoer(deeds, providers, plugged.vault)
    hands = TellingHands(plugged.actions)
    guard = Guarding(mind.looker, hands, sampler, providers, plugged.vault, directory, safe_points, rooms.mint)
    end = Settling(Escalating(mind.thinker))
    heal = Heal(
        think=Thinking(HandThinker(mind.thinker), mind.restrained, directory),
        ask=Asking(approvals, safe_points),
        guard=guard,
        do=Doing(deeds, providers, safe_points),
        check=Checking(sampler, RecordedBaselines(record)),
        way_back=undoer,
        end=end,
        hold_back=HoldingBack(mind.restraints, directory),
        slots=asyncio.Semaphore(rooms.settings.run_concurrency),
    )
    return undoer, Walks(heal=heal, undo=UndoRun(guard, undoer, end), keep=KeepRun(guard, providers, end))


class _Bell:
    """Rings for a run whose question was answered; there is nobody to ring before the runs are put in."""

    def __init__(self) -> None:
        self.runs: Runs | None = None

    def ring(self, run_id: str) -> None:
        """Wake the run that waits."""
        if self.runs is not None:
            self.runs.ring(run_id, APPROVAL_TOPIC)


@dataclass(frozen=True, slots=True)
class _Declared:
    """What is declared in files, as the API shows it."""

    directory: Directory
    shelf: Shelf

    def services(self) -> Sequence[Service]:
        return self.directory.services

    def playbooks(self) -> Sequence[PlaybookCard]:
        return tuple(
            PlaybookCard(
                name=loaded.playbook.name,
                version=loaded.playbook.version,
                digest=loaded.digest,
                summary=loaded.playbook.summary,
                causes=(loaded.playbook.when.cause,),
                document=loaded.text,
                language=loaded.language,
            )
            for loaded in self.shelf.library.playbooks
        )
