"""Restrain: the policy while a breaker is open or an incident flaps, and what is said of both on the record."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from grace.act.healing.queue import Queue, told
from grace.govern.policy import PolicyEngine, Question
from grace.govern.restraint import history
from grace.govern.restraint.breaker import Breaker, Position
from grace.govern.restraint.flapping import Flapping
from grace.govern.restraint.restraints import Restraints, Standing, breaker_of, is_incident, open_in_words
from grace.kit.clock import to_rfc3339
from grace.kit.ids import IdMint
from grace.model.decision import Decision
from grace.model.events import EventType, LocksTaken
from grace.model.incident import Incident
from grace.model.ledger_entry import Draft, LedgerEntry
from grace.model.restraint import (
    BreakerChanged,
    BreakerStanding,
    FlappingChanged,
    HeldBack,
    Restrained,
    Restraint,
    RestraintCounts,
    RestraintLifted,
)
from grace.model.run import Run
from grace.model.service import DRILL_ENVIRONMENT, Mode
from grace.model.warrant import Refusal
from grace.record import Journal, Reader
from grace.record.mesh.delivery import Mesh
from grace.record.reading import noun_at, noun_in

SUBSCRIBER: Final = "restraint"
_NOBODY: Final = "nobody"
_ACTOR: Final = "grace"


@dataclass(frozen=True, slots=True)
class RestrainedPolicy:
    """A policy engine that is asked as if the service's mode were `suggest` where something holds GRACE back."""

    engine: PolicyEngine
    restraints: Restraints

    @property
    def digest(self) -> str:
        """Return the digest of the policies and schema in force."""
        return self.engine.digest

    def decide(self, question: Question) -> Decision:
        """Return the ruling under the mode that is in force now; the reason says what changed it."""
        why = self.restraints.asks_first(question.plan, question.service)
        if not why:
            return self.engine.decide(question)
        careful = question.service.model_copy(update={"mode": Mode.SUGGEST})
        decision = self.engine.decide(replace(question, service=careful))
        return decision.model_copy(update={"reason": f"{decision.reason}; {why}"})


@dataclass(frozen=True, slots=True)
class Restrainer:
    """Says on the record what begins and ends, once each, and takes a person's word on it."""

    journal: Journal
    reader: Reader
    restraints: Restraints
    mint: IdMint

    def deliver(self, entry: LedgerEntry) -> None:
        """Look at what an entry changed."""
        if entry.payload is None:
            return
        if entry.type is EventType.INCIDENT_OPENED:
            self._look_for_flapping(Incident.from_json(entry.payload), entry)
        elif entry.run_id is not None:
            self._look_at_breakers(entry.run_id)

    def tell_who_is_steady(self) -> None:
        """Say of each incident that flapped and flaps no more that it is steady again."""
        for began in self._told_flapping():
            key = f"{began.incident_id}/flapping_ended/{to_rfc3339(began.since)}"
            if self.reader.find(key) is None and self._flaps(began) is None:
                why = "it stayed away long enough, or a person said so"
                ended = began.model_copy(update={"why": why})
                self.journal.append(_about_incident(key, EventType.INCIDENT_FLAPPING_ENDED, ended))

    def flapping(self) -> list[FlappingChanged]:
        """Return the incidents that flap now, and how often each has come back by now."""
        found = ((began, self._flaps(began)) for began in self._told_flapping())
        return [_by_now(began, flaps) for began, flaps in found if flaps is not None]

    def breakers(self) -> list[tuple[BreakerChanged, Breaker]]:
        """Return the breakers that are not closed now, each with the entry that opened it first or again."""
        with self.reader.state() as driver:
            newest: dict[str, BreakerChanged] = {}
            for payload in history.payloads(driver, (EventType.BREAKER_OPENED,)):
                opened = noun_in(payload, BreakerChanged)
                newest.setdefault(opened.subject, opened)
            found = [(one, self._breaker(driver, one)) for one in newest.values()]
        return [(one, now) for one, now in found if now.position is not Position.CLOSED]

    def lift(self, subject: str, by: str, reason: str) -> RestraintLifted | Refusal:
        """Forget what is held against an incident or a target; refused where nothing is known of it."""
        if not self._is_known(subject):
            why = f"nothing is held against {subject}"
            return Refusal(rule="no-subject", why=why, next="grace restraint list")
        lifted = RestraintLifted(subject=subject, by=by, reason=reason)
        self.journal.append(
            Draft(
                key=f"{history.lifted_key(subject)}{self.mint.mint('lft')}",
                type=EventType.RESTRAINT_LIFTED,
                actor=by,
                incident_id=subject if is_incident(subject) else None,
                payload=lifted.to_json(),
            )
        )
        self.tell_who_is_steady()
        return lifted

    def _is_known(self, subject: str) -> bool:
        if is_incident(subject):
            return self.reader.find(f"{subject}/opened/1") is not None
        return any(opened.subject == subject for opened, _ in self.breakers())

    def _look_for_flapping(self, incident: Incident, entry: LedgerEntry) -> None:
        rule = self.restraints.rule(incident.service, incident.environment)
        with self.reader.state() as driver:
            flaps = self.restraints.flapping(driver, incident.id, rule, entry.at)
        if flaps is None or flaps.since != entry.at or incident.environment == DRILL_ENVIRONMENT:
            return
        changed = FlappingChanged(
            incident_id=incident.id,
            service=incident.service,
            environment=incident.environment,
            owner=self._owner(incident.service, incident.environment),
            reopenings=flaps.reopenings,
            since=flaps.since,
            why=f"it came back {flaps.reopenings} times within {rule.flap_window:g} s; a person is asked from now on",
        )
        key = f"{incident.id}/flapping_started/{to_rfc3339(flaps.since)}"
        self.journal.append(_about_incident(key, EventType.INCIDENT_FLAPPING_STARTED, changed))

    def _look_at_breakers(self, run_id: str) -> None:
        run = noun_at(self.reader.find, f"{run_id}/opened", Run)
        if run is not None and run.environment != DRILL_ENVIRONMENT:
            rule = self.restraints.rule(run.service, run.environment)
            with self.reader.state() as driver:
                subjects = _subjects(driver, run)
                drafts = [draft for one in subjects for draft in self._moved(driver, one, run, rule)]
            if drafts:
                self.journal.append_all(drafts)

    def _moved(self, driver: sqlite3.Connection, subject: str, run: Run, rule: Restraint) -> Iterator[Draft]:
        """Yield the entry on a breaker that this run opened or closed."""
        now = self.restraints.clock.now()
        after = breaker_of(driver, subject, rule, now)
        if after.failures and after.failures[-1] == run.id:
            why = open_in_words(Standing(subject, after))
            yield self._about_breaker(EventType.BREAKER_OPENED, subject, run, after, why)
        elif after.position is Position.CLOSED:
            before = breaker_of(driver, subject, rule, now, without=run.id)
            if before.position is not Position.CLOSED:
                why = f"{run.id} committed, and closed it"
                yield self._about_breaker(EventType.BREAKER_CLOSED, subject, run, before, why)

    def _about_breaker(self, type_: EventType, subject: str, run: Run, standing: Breaker, why: str) -> Draft:
        changed = BreakerChanged(
            subject=subject,
            service=run.service,
            environment=run.environment,
            owner=self._owner(run.service, run.environment),
            run_id=run.id,
            failures=standing.failures,
            until=standing.until if type_ is EventType.BREAKER_OPENED else None,
            why=why,
        )
        return Draft(
            key=f"{run.id}/{type_}/{subject}",
            type=type_,
            actor=_ACTOR,
            run_id=run.id,
            incident_id=run.incident_id,
            service=run.service,
            payload=changed.to_json(),
        )

    def _breaker(self, driver: sqlite3.Connection, opened: BreakerChanged) -> Breaker:
        rule = self.restraints.rule(opened.service, opened.environment)
        return breaker_of(driver, opened.subject, rule, self.restraints.clock.now())

    def _told_flapping(self) -> list[FlappingChanged]:
        with self.reader.state() as driver:
            payloads = history.payloads(driver, (EventType.INCIDENT_FLAPPING_STARTED,))
        newest: dict[str, FlappingChanged] = {}
        for payload in payloads:
            began = noun_in(payload, FlappingChanged)
            newest.setdefault(began.incident_id, began)
        return list(newest.values())

    def _flaps(self, began: FlappingChanged) -> Flapping | None:
        rule = self.restraints.rule(began.service, began.environment)
        with self.reader.state() as driver:
            return self.restraints.flapping(driver, began.incident_id, rule, self.restraints.clock.now())

    def _owner(self, service: str, environment: str) -> str:
        declared = self.restraints.directory.service(service, environment)
        return _NOBODY if declared is None else declared.owner


@dataclass(frozen=True, slots=True)
class RestraintDesk:
    """What people ask of all this: what holds GRACE back, and to forget it."""

    queue: Queue
    restrainer: Restrainer

    def standing(self) -> Restrained:
        """Return what waits, what flaps and which breakers are not closed."""
        waiting, in_all = self.queue.waiting()
        return Restrained(
            waiting=told(waiting),
            waiting_in_all=in_all,
            flapping=tuple(self.restrainer.flapping()),
            breakers=tuple(_shown(*one) for one in self.restrainer.breakers()),
        )

    def counts(self) -> RestraintCounts:
        """Count what waits, what flaps and which breakers are not closed."""
        flapping, breakers = len(self.restrainer.flapping()), len(self.restrainer.breakers())
        return RestraintCounts(waiting=self.queue.count(), flapping=flapping, breakers=breakers)

    def on(self, incident_id: str) -> HeldBack:
        """Return what holds GRACE back from one incident."""
        flapping = (one for one in self.restrainer.flapping() if one.incident_id == incident_id)
        breakers = (_shown(*one) for one in self.restrainer.breakers() if one[0].subject == incident_id)
        waits = self.queue.place_of(incident_id)
        return HeldBack(waits=waits, flapping=next(flapping, None), breaker=next(breakers, None))

    def lift(self, subject: str, by: str, reason: str) -> RestraintLifted | Refusal:
        """Forget what is held against an incident or a target; what waited for it begins."""
        lifted = self.restrainer.lift(subject, by, reason)
        if not isinstance(lifted, Refusal):
            self.queue.begin()
        return lifted


def _shown(opened: BreakerChanged, now: Breaker) -> BreakerStanding:
    return BreakerStanding(
        subject=opened.subject,
        service=opened.service,
        environment=opened.environment,
        owner=opened.owner,
        position=now.position.value,
        since=now.since,
        until=now.until,
        failures=now.failures,
        trips=now.trips,
    )


def watch_restraint(mesh: Mesh, restrainer: Restrainer, queue: Queue) -> None:
    """Subscribe to openings and settlements: what they change is told, and a settled run makes room for the next."""

    def deliver(entry: LedgerEntry) -> None:
        restrainer.deliver(entry)
        if entry.type is EventType.RUN_SETTLED:
            queue.begin()

    mesh.subscribe(SUBSCRIBER, [EventType.INCIDENT_OPENED, EventType.RUN_SETTLED], deliver)


def _subjects(driver: sqlite3.Connection, run: Run) -> tuple[str, ...]:
    locked = history.locked_by(driver, run.id)
    targets = () if locked is None else noun_in(locked, LocksTaken).targets
    return (*((run.incident_id,) if run.incident_id else ()), *targets)


def _by_now(began: FlappingChanged, flaps: Flapping) -> FlappingChanged:
    """Return what was told when the flapping began, with what has come since."""
    why = f"it came back {flaps.reopenings} times, last at {to_rfc3339(flaps.last)}; a person is asked"
    return began.model_copy(update={"reopenings": flaps.reopenings, "why": why})


def _about_incident(key: str, type_: EventType, changed: FlappingChanged) -> Draft:
    return Draft(
        key=key,
        type=type_,
        actor=_ACTOR,
        incident_id=changed.incident_id,
        service=changed.service,
        payload=changed.to_json(),
    )
