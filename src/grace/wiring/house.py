"""Open a data folder and put the rooms together."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Self

from fastapi import FastAPI

from grace.act.healing.asking import TOPIC as APPROVAL_TOPIC
from grace.act.healing.engine import DurableEngine
from grace.act.healing.keeping_watch import Watchkeeper
from grace.act.healing.onlooking import FOLLOWED as LOOKED_ON
from grace.act.healing.onlooking import SUBSCRIBER as ONLOOKING
from grace.act.healing.restraining import watch_restraint
from grace.act.healing.runs import Runs
from grace.act.healing.waking import climb_ladders, heal_new_incidents
from grace.api.application import create_app
from grace.api.house import House
from grace.drill.practice import FOLLOWED
from grace.drill.practice import SUBSCRIBER as DRILL_SUBSCRIBER
from grace.kit.clock import SteadyClock, SystemClock
from grace.kit.ids import IdMint
from grace.model.events import EventType, ServerStarted
from grace.model.ledger_entry import Draft
from grace.record.ledger.witness import FileWitness
from grace.record.mesh.delivery import Mesh
from grace.record.mesh.webhooks.declarations import load_webhooks
from grace.record.mesh.webhooks.outbox import Outbox
from grace.record.opening import open_record
from grace.settings import Settings, secret_named
from grace.wiring.furnishing import Furnished, Rooms, furnish
from grace.wiring.house_doctor import VERSION
from grace.wiring.offline import go_on_from, only_one, places
from grace.wiring.speaking import tell_of_jumps


@dataclass(frozen=True, slots=True)
class Running:
    """A house with its lights on. Close it to put them out in the right order."""

    house: House
    engine: DurableEngine
    recovered: tuple[str, ...]
    _closing: ExitStack

    @property
    def app(self) -> FastAPI:
        """Return the application that serves this house."""
        return create_app(self.house)

    def close(self) -> None:
        """Stop, innermost first; runs under way are carried on at the next start."""
        self._closing.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_house(settings: Settings, *, adopt_ledger: bool = False, clock: SteadyClock | None = None) -> Running:
    """Open the data folder, put the rooms together, and carry on what was under way.

    `adopt_ledger` takes on a log whose witness is empty, and says so on the record; never one that contradicts it.

    Raise what stops a start, each with what to do: an untrusted ledger, a schema that does not fit, broken policies,
    services or playbooks, a data folder that another GRACE has open.
    """
    with ExitStack() as opening:
        clock = clock or SteadyClock()
        folder = settings.data_folder.resolve()
        opening.enter_context(only_one(folder))
        adopted = adopt_ledger and FileWitness(settings.witness).newest() is None
        record = opening.enter_context(
            open_record(places(settings), clock=clock, witness_interval_s=settings.witness_interval, adopt=adopted)
        )
        go_on_from(clock, record)
        mesh = Mesh(record, record.reader, clock)
        opening.callback(mesh.close)
        record.on_added(mesh.notice_added)
        outbox = Outbox(load_webhooks(settings.webhooks_file, secret_named), record.origin, secret_named, SystemClock())
        rooms = Rooms(settings, folder, clock, IdMint(clock), record, mesh, outbox, opening)
        furnished = furnish(rooms)
        engine, recovered = _carry_on(rooms, furnished.runs)
        _say_started(rooms, furnished.house.policy.digest, recovered, adopted=adopted)
        _let_hear(rooms, furnished)
        _keep_watch(rooms, furnished)
        return Running(furnished.house, engine, recovered, opening.pop_all())


def _carry_on(rooms: Rooms, runs: Runs) -> tuple[DurableEngine, tuple[str, ...]]:
    """Start the engine and the runs that were under way; return their ids."""
    engine = DurableEngine(rooms.folder / "engine.db", runs.walk)
    rooms.opening.callback(engine.close)
    runs.use(engine)
    engine.launch()
    recovered = runs.recover()
    for run_id in recovered:  # An answer may stand since the moment before the last end, with nobody left to ring.
        runs.ring(run_id, APPROVAL_TOPIC)
    return engine, recovered


def _let_hear(rooms: Rooms, furnished: Furnished) -> None:
    """Subscribe everyone who acts on what is recorded."""
    mesh, opening = rooms.mesh, rooms.opening
    heal_new_incidents(mesh, furnished.runs)
    climb_ladders(mesh, furnished.runs)
    watch_restraint(mesh, furnished.restraint.restrainer, furnished.restraint.queue)
    rooms.outbox.subscribe(mesh)
    mesh.subscribe(ONLOOKING, LOOKED_ON, furnished.onlooker.deliver)
    opening.callback(furnished.onlooker.close)
    furnished.onlooker.start()
    rooms.lasting.append(furnished.onlooker.thread)
    drills = furnished.drills
    mesh.subscribe(DRILL_SUBSCRIBER, FOLLOWED, drills.deliver, heeds=drills.is_under_way)
    opening.callback(drills.close)


def _keep_watch(rooms: Rooms, furnished: Furnished) -> None:
    """Look regularly at what time alone brings about."""
    restraint = furnished.restraint
    expire = furnished.house.approvals.expire
    watchkeeper = Watchkeeper(
        (
            furnished.runs.recover,
            expire,
            restraint.queue.begin,
            restraint.restrainer.tell_who_is_steady,
            lambda: tell_of_jumps(rooms.clock),
        )
    )
    rooms.opening.callback(watchkeeper.close)
    watchkeeper.start()
    rooms.lasting.append(watchkeeper.thread)


def _say_started(rooms: Rooms, policy_digest: str, recovered: tuple[str, ...], *, adopted: bool) -> None:
    started = ServerStarted(version=VERSION, policy_digest=policy_digest, recovered=recovered, adopted=adopted)
    rooms.record.append(
        Draft(key=rooms.mint.mint("start"), type=EventType.SERVER_STARTED, actor="grace", payload=started.to_json())
    )
