"""Turn an action that somebody asks about into the question that a plan of that one step would be."""

from __future__ import annotations

import difflib

from pydantic import Field, JsonValue

from grace.api.house import House
from grace.api.problems import not_found
from grace.api.service_names import undeclared
from grace.api.texts import Name
from grace.api.views import Asked
from grace.govern.policy import Question
from grace.kit.digests import digest_of
from grace.model.contract import Contract
from grace.model.diagnosis import Diagnosis
from grace.model.plan import Plan, PlannedStep, Remedy, Reversibility
from grace.model.service import Service

ASKED = "asked"


class ActionContext(Asked):
    """What the policy may look at beside the action."""

    service: Name
    environment: Name | None = None
    parameters: dict[str, JsonValue] = Field(default_factory=dict, max_length=50)
    cause: Name
    confidence: float = Field(default=1.0, ge=0, le=1)
    playbook: Name = ASKED
    compensated: bool = False
    """Whether the step would name its undo."""


class AskedAction(Asked):
    """An action and its context."""

    action: Name
    context: ActionContext


def question_about(asked: AskedAction, house: House, by: str) -> Question:
    """Return the question; an unknown action is a 404 problem and an unknown service a 422 one, with what was meant."""
    spec = house.catalogue.actions.get(asked.action)
    if spec is None:
        near = difflib.get_close_matches(asked.action, list(house.catalogue.actions), n=1)
        not_found("action", asked.action, f"Did you mean {near[0]}?" if near else "grace playbook schema")
    context = asked.context
    bare = spec.reversibility is Reversibility.COMPENSABLE and not context.compensated
    step = PlannedStep.model_validate(
        {
            "id": ASKED,
            "uses": asked.action,
            "with": context.parameters,
            "targets": (),
            "reversibility": Reversibility.IRREVERSIBLE if bare else spec.reversibility,
        }
    )
    service = _service(house, context)
    diagnosis = Diagnosis(
        incident_id=ASKED, cause=context.cause, confidence=context.confidence, knowledge_digest="", at=house.clock.now()
    )
    return Question(_plan(step, service, context), service, diagnosis, by, house.clock.now())


def _service(house: House, context: ActionContext) -> Service:
    named = [service for service in house.declared.services() if service.name == context.service]
    if not named:
        raise undeclared(house, context.service, "Did you mean {}?")
    found = next((service for service in named if context.environment in {None, service.environment}), None)
    if found is None:
        not_found("environment", str(context.environment), f"One of {', '.join(each.environment for each in named)}")
    return found


def _plan(step: PlannedStep, service: Service, context: ActionContext) -> Plan:
    return Plan(
        playbook=context.playbook,
        version="0.0.0",
        playbook_digest=digest_of(ASKED),
        incident_id=ASKED,
        service=service.name,
        environment=service.environment,
        cause=context.cause,
        summary="a question to the policy",
        steps=(step,),
        contract=Contract(clauses=()),
        on_violated=Remedy.HOLD,
        on_inconclusive=Remedy.HOLD,
    )
