"""Restraints: what holds back a run or a decision now, said in one sentence with the time at which it ends."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from grace.govern.restraint import history
from grace.govern.restraint.breaker import Breaker, Position, breaker
from grace.govern.restraint.cooldown import cools_until
from grace.govern.restraint.flapping import Flapping, flapping
from grace.govern.restraint.history import Place
from grace.govern.restraint.pace import next_place_at
from grace.kit.clock import Clock
from grace.model.incident import Incident
from grace.model.plan import Plan
from grace.model.restraint import SHIPPED, Restraint, RunDeferred, WaitRule
from grace.model.service import DRILL_ENVIRONMENT, Mode, Service
from grace.record import Reader
from grace.record.reading import noun_in


class Directory(Protocol):
    """The declared services."""

    def service(self, name: str, environment: str) -> Service | None:
        """Return the service as declared now."""
        ...


@dataclass(frozen=True, slots=True)
class Standing:
    """A breaker that is not closed, and whose it is."""

    subject: str
    breaker: Breaker


@dataclass(frozen=True, slots=True)
class Restraints:
    """Answers from the record alone. A drill is held back by none of it: it touches only what GRACE made."""

    reader: Reader
    clock: Clock
    directory: Directory

    def rule(self, service: str, environment: str) -> Restraint:
        """Return the limits of a service; those that ship where it is not declared."""
        declared = self.directory.service(service, environment)
        return SHIPPED if declared is None else declared.restraint

    def asks_first(self, plan: Plan, service: Service) -> str:
        """Say why a plan that might be acted on alone is to be asked about first; nothing where it is not."""
        if service.mode is not Mode.AUTO or service.environment == DRILL_ENVIRONMENT:
            return ""
        now, rule = self.clock.now(), service.restraint
        with self.reader.state() as driver:
            flaps = self.flapping(driver, plan.incident_id, rule, now)
            if flaps is not None:
                return _flaps(plan.incident_id, flaps)
            standing = tuple(_standing(driver, plan, rule, now))
            held = next((one for one in standing if one.breaker.position is Position.OPEN), None)
            if held is not None:
                return open_in_words(held)
            return _trial_under_way(driver, plan, standing)

    def opened_since(self, plan: Plan, service: Service, decided_at: datetime) -> str:
        """Say which breaker opened after a decision to act alone, read under the locks; nothing where none did."""
        if service.environment == DRILL_ENVIRONMENT:
            return ""
        with self.reader.state() as driver:
            standing = _standing(driver, plan, service.restraint, self.clock.now())
            return next((open_in_words(one) for one in standing if _opened_after(one.breaker, decided_at)), "")

    def deferral(self, driver: sqlite3.Connection, incident: Incident) -> RunDeferred | None:
        """Return why the run of an incident that nobody asked for waits, None where it may begin."""
        if incident.environment == DRILL_ENVIRONMENT:
            return None
        now, rule = self.clock.now(), self.rule(incident.service, incident.environment)
        return _cooling(driver, incident, rule, now) or _paced(driver, incident, rule, now)

    def flapping(self, driver: sqlite3.Connection, incident_id: str, rule: Restraint, now: datetime) -> Flapping | None:
        """Return how an incident flaps now, None where it does not."""
        return flapping(history.reopenings(driver, incident_id), rule, now)


def breaker_of(driver: sqlite3.Connection, subject: str, rule: Restraint, now: datetime, without: str = "") -> Breaker:
    """Return where the breaker of an incident's fingerprint or of a target stands; `without` leaves one run out."""
    outcomes = (
        history.outcomes_of_incident(driver, subject)
        if is_incident(subject)
        else history.outcomes_of_target(driver, subject, now)
    )
    return breaker((one for one in outcomes if one.run_id != without), rule, now)


def is_incident(subject: str) -> bool:
    """Tell an incident's id from the key of a target, which has colons."""
    return ":" not in subject


def open_in_words(held: Standing) -> str:
    """Say since when and why a breaker is open, and until when."""
    whose = "this fault" if is_incident(held.subject) else held.subject
    runs = ", ".join(held.breaker.failures[-5:])
    until = "" if held.breaker.until is None else f" until {shown(held.breaker.until)}"
    return (
        f"the breaker of {whose} is open{until}: {len(held.breaker.failures)} runs failed ({runs});"
        f" grace restraint lift {held.subject} closes it"
    )


def shown(moment: datetime) -> str:
    """Write a time for people."""
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _flaps(incident_id: str, flaps: Flapping) -> str:
    return (
        f"{incident_id} is flapping since {shown(flaps.since)}: it came back {flaps.reopenings} times;"
        f" grace restraint lift {incident_id} ends that"
    )


def _standing(driver: sqlite3.Connection, plan: Plan, rule: Restraint, now: datetime) -> Iterator[Standing]:
    for subject in (plan.incident_id, *(target.key for target in plan.targets)):
        found = breaker_of(driver, subject, rule, now)
        if found.position is not Position.CLOSED:
            yield Standing(subject, found)


def _trial_under_way(driver: sqlite3.Connection, plan: Plan, half_open: tuple[Standing, ...]) -> str:
    """Say which run is trying a target whose breaker is half open: one run at a time may."""
    subjects = {one.subject for one in half_open}
    if not subjects:
        return ""
    for run_id, text in history.trials(driver, plan.incident_id):
        shared = subjects & {target.key for target in noun_in(text, Plan).targets}
        if shared:
            return f"the breaker of {min(shared)} is half open, and {run_id} is trying it"
    return ""


def _opened_after(standing: Breaker, moment: datetime) -> bool:
    return standing.position is Position.OPEN and standing.since is not None and standing.since > moment


def _cooling(driver: sqlite3.Connection, incident: Incident, rule: Restraint, now: datetime) -> RunDeferred | None:
    earlier = history.tries(driver, incident.id)
    until = cools_until(earlier, rule)
    if until is None:
        return None
    if now < until:
        why = f"{earlier[-1].run_id} ended a short while ago, and this fault cools down until {shown(until)}"
        return _deferred(incident, WaitRule.COOL_DOWN, why, until)
    received = history.last_received(driver, incident.id)
    if received is not None and received < until - timedelta(seconds=rule.cool_down):
        why = f"it was last seen {shown(received)}, long before its cool-down ended; a run begins when it is seen again"
        return _deferred(incident, WaitRule.NOT_SEEN_AGAIN, why)
    return None


def _paced(driver: sqlite3.Connection, incident: Incident, rule: Restraint, now: datetime) -> RunDeferred | None:
    place = Place(incident.service, incident.environment)
    runs = history.open_runs(driver, place)
    if runs.under_way >= rule.runs_at_once:
        why = f"{runs.under_way} runs of {place.service} are under way, and it may have {rule.runs_at_once} at once"
        return _deferred(incident, WaitRule.RUNS_AT_ONCE, why)
    if runs.waiting >= rule.questions_at_once:
        why = f"{runs.waiting} runs of {place.service} wait for a person, and no more than {rule.questions_at_once} may"
        return _deferred(incident, WaitRule.QUESTIONS_AT_ONCE, why)
    proposed = history.proposed(driver, place, now)
    until = next_place_at(proposed, rule.runs_per_hour, now)
    if until is None:
        return None
    why = f"{len(proposed)} runs of {place.service} were begun within the hour, and it may have {rule.runs_per_hour}"
    return _deferred(incident, WaitRule.RUNS_PER_HOUR, f"{why}; the next one at {shown(until)}", until)


def _deferred(incident: Incident, rule: WaitRule, why: str, until: datetime | None = None) -> RunDeferred:
    return RunDeferred(
        incident_id=incident.id,
        occurrence=incident.occurrence,
        service=incident.service,
        environment=incident.environment,
        rule=rule,
        why=why,
        until=until,
    )
