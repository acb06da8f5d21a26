"""Think about a run by hand: the plan is the person's own command; everything else is thought as always."""

from __future__ import annotations

from dataclasses import dataclass

from grace.act.healing.thinker import RecordedThinker
from grace.govern.policy import Question
from grace.model.cause import BENIGN_CAUSE, BY_HAND_CAUSE
from grace.model.diagnosis import Diagnosis, Evidence
from grace.model.dry_plan import DryPlan
from grace.model.events import PlanRefused
from grace.model.incident import Incident
from grace.model.plan import Plan
from grace.model.run import Run
from grace.model.warrant import Refusal
from grace.think.playbooks.by_hand import read_recipe
from grace.think.playbooks.render import Occasion, render


@dataclass(frozen=True, slots=True)
class HandThinker:
    """The thinker for every run: by hand where a person gave the command, else as the rules and playbooks say."""

    thinker: RecordedThinker

    def diagnose(self, run: Run) -> Diagnosis:
        """Return the cause; where the rules tell none, the word of the person who asked stands in its place."""
        found = self.thinker.diagnose(run)
        return found if run.by_hand is None else _vouched(found, run.requested_by, run.reason)

    def plan(self, run: Run, diagnosis: Diagnosis) -> Plan | PlanRefused:
        """Return the plan with literals, or why there is none."""
        if run.by_hand is None:
            return self.thinker.plan(run, diagnosis)
        made = self._render(self.thinker.incident_of(run), diagnosis, run.by_hand.recipe)
        return made if isinstance(made, Plan) else PlanRefused(run_id=run.id, why=made.why)

    def foresee(self, incident: Incident, recipe: str, by: str, reason: str) -> DryPlan | Refusal:
        """Diagnose, plan and decide without opening a run; the incident need not be on the record."""
        diagnosis = _vouched(self.thinker.examine(incident), by, reason)
        made = self._render(incident, diagnosis, recipe)
        service = self.thinker.directory.service(incident.service, incident.environment)
        if isinstance(made, Refusal) or service is None:
            return made if isinstance(made, Refusal) else _undeclared(incident)
        question = Question(
            plan=made, service=service, diagnosis=diagnosis, requested_by=by, at=self.thinker.clock.now()
        )
        return DryPlan(diagnosis=diagnosis, plan=made, decision=self.thinker.policy.decide(question))

    def _render(self, incident: Incident, diagnosis: Diagnosis, recipe: str) -> Plan | Refusal:
        means = self.thinker.shelf().means
        service = self.thinker.directory.service(incident.service, incident.environment)
        loaded = read_recipe(recipe, means.catalogue)
        if service is None or isinstance(loaded, Refusal):
            return loaded if isinstance(loaded, Refusal) else _undeclared(incident)
        made = render(loaded, Occasion(incident, diagnosis, service), means)
        if isinstance(made, Refusal):
            return made
        return self.thinker.drill_ground.refuses_plan(made) or made


def _vouched(found: Diagnosis, by: str, reason: str) -> Diagnosis:
    if not found.is_unknown and found.cause != BENIGN_CAUSE:
        return found
    said = Evidence(what=reason or "no reason was given", where="grace do", rule="by-hand", source=f"the word of {by}")
    told = {"cause": BY_HAND_CAUSE, "confidence": 1.0, "evidence": (said,)}
    return found.model_copy(update=told)


def _undeclared(incident: Incident) -> Refusal:
    why = f"{incident.service} ({incident.environment}) is not declared in grace.yaml"
    return Refusal(rule="undeclared", why=why, next="Declare it in grace.yaml.")
