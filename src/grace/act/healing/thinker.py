"""The thinker: signals from the record, rules and playbooks from the shelf, the world through eyes that only read."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from grace.act.executors.drill_ground import NOTHING_MADE, DrillGround
from grace.act.healing import Directory
from grace.govern.policy import PolicyEngine, Question
from grace.kit.clock import Clock
from grace.model.cause import BENIGN_CAUSE
from grace.model.diagnosis import Diagnosis
from grace.model.dry_plan import DryPlan
from grace.model.escalation import NOBODY, Advice
from grace.model.events import PlanRefused
from grace.model.incident import Incident
from grace.model.plan import Plan
from grace.model.run import Run
from grace.model.signal import Signal
from grace.model.warrant import Refusal
from grace.record import Reader
from grace.record.reading import noun_in
from grace.think.knowledge.loading import Knowledge
from grace.think.playbooks.loading import Library, LoadedPlaybook
from grace.think.playbooks.means import Means
from grace.think.playbooks.render import Occasion
from grace.think.sentinel.choosing import choose
from grace.think.sentinel.confirming import examine
from grace.think.sentinel.diagnosing import MOST_SIGNALS
from grace.think.sentinel.planning import NoPlan, plan
from grace.think.sentinel.suggesting import suggest

_INCIDENT: Final = "SELECT doc FROM incidents WHERE id = ?"
_NEWEST_SIGNALS: Final = "SELECT doc FROM signals WHERE incident_id = ? ORDER BY received_at DESC LIMIT ?"
_FAILED_SINCE_COMMITTED: Final = """
    SELECT playbook FROM runs WHERE incident_id = :incident AND id <> :run AND kind = 'heal'
    AND settlement IN ('rolled_back', 'not_restored') AND playbook IS NOT NULL
    AND opened_at > COALESCE((SELECT MAX(settled_at) FROM runs WHERE incident_id = :incident
    AND settlement = 'committed'), '')
"""


class IncidentMissingError(LookupError):
    """A run speaks of an incident that the record does not hold."""

    def __init__(self, incident_id: str | None) -> None:
        self.incident_id = incident_id
        super().__init__(f"There is no incident {incident_id} on the record.")


@dataclass(frozen=True, slots=True)
class Shelf:
    """What is known and what can be done about it."""

    knowledge: Knowledge
    library: Library
    means: Means


@dataclass(frozen=True, slots=True)
class RecordedThinker:
    """Diagnoses and plans for incidents of the record; plans dry for whoever asks beforehand."""

    reader: Reader
    clock: Clock
    directory: Directory
    policy: PolicyEngine
    shelf: Callable[[], Shelf]
    drill_ground: DrillGround = NOTHING_MADE

    def examine(self, incident: Incident) -> Diagnosis:
        """Return the cause of an incident that need not be on the record."""
        with self.reader.state() as record:
            signals = _newest_signals(record, incident.id)
        return self._diagnose(incident, signals)

    def incident_of(self, run: Run) -> Incident:
        """Return the incident of a run as it was last opened; raise IncidentMissingError."""
        with self.reader.state() as record:
            return _incident(record, run.incident_id)

    def diagnose(self, run: Run) -> Diagnosis:
        """Return the cause with its evidence; `unknown` where the rules do not tell."""
        with self.reader.state() as record:
            incident = _incident(record, run.incident_id)
            signals = _newest_signals(record, incident.id)
        return self._diagnose(incident, signals)

    def plan(self, run: Run, diagnosis: Diagnosis) -> Plan | PlanRefused:
        """Return the plan with literals, or why there is none."""
        with self.reader.state() as record:
            incident, tried = _incident(record, run.incident_id), _tried(record, run)
        made = self._plan(incident, diagnosis, run.playbook, run.inputs, tried)
        if isinstance(made, Plan):
            return made
        return PlanRefused(run_id=run.id, why=made.refusal.why, considered=made.considered)

    def advise(self, run: Run, diagnosis: Diagnosis | None, failed: str | None) -> Advice:
        """Return the owner, what was tried (`failed` the last), the next playbook that fits, and what to suggest."""
        with self.reader.state() as record:
            incident, before = _incident(record, run.incident_id), _tried(record, run)
            signals = _newest_signals(record, incident.id)
        service = self.directory.service(incident.service, incident.environment)
        tried = (*before, *((failed,) if failed else ()))
        if diagnosis is None or service is None:
            return Advice(owner=service.owner if service else NOBODY, tried=tried)
        shelf = self.shelf()
        following = choose(diagnosis, incident, service, shelf.library.playbooks, tried)
        climbs = failed is not None and len(tried) < service.rungs
        return Advice(
            owner=service.owner,
            tried=tried,
            next_rung=following.playbook.name if climbs and isinstance(following, LoadedPlaybook) else None,
            suggestions=suggest(diagnosis, signals, shelf.knowledge, service),
        )

    def foresee(
        self, incident: Incident, by: str, *, playbook: str | None = None, inputs: Mapping[str, str] | None = None
    ) -> DryPlan | Refusal:
        """Diagnose, plan and decide without opening a run; change nothing."""
        diagnosis = self.examine(incident)
        service = self.directory.service(incident.service, incident.environment)
        made = self._plan(incident, diagnosis, playbook, inputs or {}, ())
        if isinstance(made, NoPlan) or service is None:
            why = made.refusal.why if isinstance(made, NoPlan) else "the service is not declared"
            return DryPlan(diagnosis=diagnosis, plan=None, decision=None, why_not=why)
        question = Question(plan=made, service=service, diagnosis=diagnosis, requested_by=by, at=self.clock.now())
        return DryPlan(diagnosis=diagnosis, plan=made, decision=self.policy.decide(question))

    def _diagnose(self, incident: Incident, signals: Sequence[Signal]) -> Diagnosis:
        service = self.directory.service(incident.service, incident.environment)
        shelf = self.shelf()
        return examine(incident, signals, shelf.knowledge, self.clock.now(), service, shelf.means.eyes)

    def _plan(
        self,
        incident: Incident,
        diagnosis: Diagnosis,
        playbook: str | None,
        inputs: Mapping[str, str],
        tried: tuple[str, ...],
    ) -> Plan | NoPlan:
        service = self.directory.service(incident.service, incident.environment)
        if service is None:
            why = f"{incident.service} ({incident.environment}) is not declared in grace.yaml"
            return NoPlan(Refusal(rule="undeclared", why=why, next="Declare it in grace.yaml."))
        if diagnosis.is_unknown and playbook is None:
            why = "the cause is unknown, and GRACE never acts on what it does not understand"
            return NoPlan(Refusal(rule="unknown-cause", why=why, next=f"grace explain {incident.id}"))
        if diagnosis.cause == BENIGN_CAUSE and playbook is None:
            why = "the signals report no fault, and GRACE does nothing about what is no fault"
            return NoPlan(Refusal(rule="no-fault", why=why, next=f"grace explain {incident.id}"))
        shelf = self.shelf()
        occasion = Occasion(incident, diagnosis, service, inputs)
        made = plan(occasion, shelf.library, shelf.means, asked_for=playbook, tried=tried)
        leaves_the_drill = None if isinstance(made, NoPlan) else self.drill_ground.refuses_plan(made)
        return made if leaves_the_drill is None else NoPlan(leaves_the_drill)


def _incident(record: sqlite3.Connection, incident_id: str | None) -> Incident:
    row = record.execute(_INCIDENT, (incident_id,)).fetchone()
    if row is None:
        raise IncidentMissingError(incident_id)
    return noun_in(row[0], Incident)


def _newest_signals(record: sqlite3.Connection, incident_id: str) -> tuple[Signal, ...]:
    return tuple(noun_in(doc, Signal) for (doc,) in record.execute(_NEWEST_SIGNALS, (incident_id, MOST_SIGNALS)))


def _tried(record: sqlite3.Connection, run: Run) -> tuple[str, ...]:
    """Return the playbooks that this occurrence of the incident has seen fail: the ladder goes on above them."""
    rows = record.execute(_FAILED_SINCE_COMMITTED, {"incident": run.incident_id, "run": run.id})
    return tuple(playbook for (playbook,) in rows)
