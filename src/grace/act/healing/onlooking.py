"""Onlooking: after a run that only observed, see whether its contract comes to hold by what others do, and record it.

The first look that finds every required outcome begins a whole window, judged as after a deed of our own. When
somebody closes the incident, or time is over, the last window decides. Nothing is written but the record.
"""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pydantic import JsonValue
from sqlalchemy import text

from grace.act.healing.looking import Looker
from grace.act.verification.comparison import Held, hold_against
from grace.act.verification.judge import judge
from grace.act.verification.sampler import Sampler
from grace.kit.clock import Clock
from grace.kit.lasting import LastingThread
from grace.model.contract import Clause, ClauseSource, Contract, Phase
from grace.model.events import EventType, IncidentClosed
from grace.model.ledger_entry import Draft, LedgerEntry
from grace.model.observation import Difference, Observation
from grace.model.plan import Found, Plan
from grace.model.reading import Known, Reading
from grace.model.run import Run
from grace.model.settlement import Settlement, SettlementKind
from grace.model.verdict import Verdict
from grace.record import Journal, Reader
from grace.record.reading import noun_at

SUBSCRIBER: Final = "onlooking"
FOLLOWED: Final = (EventType.RUN_SETTLED, EventType.INCIDENT_CLOSED)
_MOST_AT_ONCE: Final = 8
_AGAIN_AFTER_S: Final = 1.0
"""A rate has no value at its first reading."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How often an observed run is looked at, and for how long."""

    every_s: float
    for_s: float


@dataclass(frozen=True, slots=True)
class _Watched:
    """An observed run with the outcomes that its plan asks for."""

    run: Run
    plan: Plan
    since: datetime

    @property
    def outcomes(self) -> Contract:
        """Return the `after` clauses: nobody knows when others begin, so nothing before can be judged."""
        return Contract(clauses=self.plan.contract.of(Phase.AFTER))

    @property
    def required(self) -> tuple[Clause, ...]:
        return tuple(c for c in self.outcomes.clauses if c.required and c.source is not ClauseSource.BENCHMARK)


class Onlooker:
    """Looks after observed runs in a thread of its own until closed; what it missed while closed counts as missing."""

    def __init__(
        self, journal: Journal, reader: Reader, sampler: Sampler, looker: Looker, clock: Clock, patience: Patience
    ) -> None:
        self._journal = journal
        self._reader = reader
        self._sampler = sampler
        self._looker = looker
        self._clock = clock
        self._patience = patience
        self._called = threading.Event()
        self._closing = False
        self.thread = LastingThread("grace-onlooker", self._serve)

    def start(self) -> None:
        """Begin with what an earlier server left."""
        self.thread.start()

    def deliver(self, _entry: LedgerEntry) -> None:
        """Take an entry from the mesh: a run has settled or an incident was closed, so look now."""
        self._called.set()

    def close(self) -> None:
        """End after the look that is under way."""
        self._closing = True
        self._called.set()
        self.thread.join()

    def _serve(self) -> None:
        while not self._closing:
            asyncio.run(self._round())
            self._called.wait(self._patience.every_s)
            self._called.clear()

    async def _round(self) -> None:
        slots = asyncio.Semaphore(_MOST_AT_ONCE)

        async def one(watched: _Watched) -> None:
            async with slots:
                if not self._closing:
                    await self._look(watched)

        watched = await asyncio.to_thread(self._unjudged)
        await asyncio.gather(*(one(each) for each in watched))

    async def _look(self, watched: _Watched) -> None:
        closing = await asyncio.to_thread(self._closing_of, watched)
        is_over = closing is not None or self._clock.now() >= watched.since + timedelta(seconds=self._patience.for_s)
        if not is_over and not await self._seems_met(watched):
            return
        verdict, began = await self._judge(watched)
        if verdict.is_met or is_over:
            observation = await self._observed(watched, verdict, began, closing)
            await asyncio.to_thread(self._journal.append, _draft(watched.run, observation))

    async def _seems_met(self, watched: _Watched) -> bool:
        if not watched.required:
            return True
        seen = await self._sampler.look(watched.required, again_after_s=_AGAIN_AFTER_S)
        return all(_holds(clause, seen.get(clause.id)) for clause in watched.required)

    async def _judge(self, watched: _Watched) -> tuple[Verdict, datetime]:
        began = self._clock.now()
        async with self._sampler.watch(watched.outcomes) as watch:
            evidence = await watch.see_out()
        return judge(watched.outcomes, evidence), began

    async def _observed(
        self, watched: _Watched, verdict: Verdict, began: datetime, closing: IncidentClosed | None
    ) -> Observation:
        moment = began if verdict.is_met else verdict.at
        return Observation(
            run_id=watched.run.id,
            finding=verdict.finding,
            why=verdict.why,
            after_s=max(0.0, (moment - watched.since).total_seconds()),
            differences=await asyncio.to_thread(self._differences, watched.plan),
            closed_by=closing.by if closing else None,
            closed_because=closing.reason if closing else "",
            verdict=verdict,
            at=self._clock.now(),
        )

    def _differences(self, plan: Plan) -> tuple[Difference, ...]:
        looked = (self._difference(found) for found in plan.finds)
        return tuple(difference for difference in looked if difference is not None)

    def _difference(self, found: Found) -> Difference | None:
        match self._looker.look(found.uses, found.parameters):
            case Known(value=value):
                if _is_same(found, value):
                    return None
                return Difference(find=found.id, uses=found.uses, was=found.result, now=value)
            case unknown:
                return Difference(find=found.id, uses=found.uses, was=found.result, unknown=unknown.why)

    def _unjudged(self) -> list[_Watched]:
        """Return every observed run without an observation, oldest first."""
        query = text(
            "SELECT id FROM runs WHERE settlement = :observed AND NOT EXISTS"
            " (SELECT 1 FROM ledger_entries WHERE key = runs.id || '/observation') ORDER BY id"
        )
        with self._reader.read() as connection:
            ids = connection.execute(query, {"observed": SettlementKind.OBSERVED.value}).scalars().all()
        watched = (self._watched(str(run_id)) for run_id in ids)
        return [each for each in watched if each is not None]

    def _watched(self, run_id: str) -> _Watched | None:
        """Return a run with its plan; None where a payload of it was erased: then there is nothing to judge."""
        run = noun_at(self._reader.find, f"{run_id}/opened", Run)
        plan = noun_at(self._reader.find, f"{run_id}/plan", Plan)
        settled = noun_at(self._reader.find, f"{run_id}/settled", Settlement)
        return None if run is None or plan is None or settled is None else _Watched(run, plan, settled.at)

    def _closing_of(self, watched: _Watched) -> IncidentClosed | None:
        run = watched.run
        return noun_at(self._reader.find, f"{run.incident_id}/closed/{run.occurrence}", IncidentClosed)


def _is_same(found: Found, value: JsonValue) -> bool:
    """Tell whether a find sees the same thing as when the plan was made; how old or how long does not count."""
    if isinstance(found.identity, dict) and isinstance(value, dict):
        return all(value.get(name) == old for name, old in found.identity.items())
    return value == found.result


def _holds(clause: Clause, reading: Reading | None) -> bool:
    return reading is not None and hold_against(clause, reading) is Held.HOLDS


def _draft(run: Run, observation: Observation) -> Draft:
    return Draft(
        key=f"{run.id}/observation",
        type=EventType.OBSERVATION_JUDGED,
        actor="grace",
        run_id=run.id,
        incident_id=run.incident_id,
        service=run.service,
        payload=observation.to_json(),
    )
