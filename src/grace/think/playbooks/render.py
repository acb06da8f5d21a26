"""Render a playbook for one incident: every reference becomes a literal, or there is no plan and it is said why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from grace.kit.canonical import NotCanonicalError
from grace.model.catalogue import ProbeSpec
from grace.model.diagnosis import Diagnosis
from grace.model.incident import Incident
from grace.model.plan import Found, Plan
from grace.model.reading import Unknown
from grace.model.service import Service
from grace.model.warrant import Refusal
from grace.think.playbooks.calls import call_of, literal
from grace.think.playbooks.evaluation import AbsentError, Values, evaluate
from grace.think.playbooks.expressions import parse_piped
from grace.think.playbooks.format import FindStep, Input, Playbook
from grace.think.playbooks.inputs import InputInvalidError, read_input
from grace.think.playbooks.loading import LoadedPlaybook
from grace.think.playbooks.means import Means
from grace.think.playbooks.python.drafting import drafted
from grace.think.playbooks.refusing import RefusedError, Rule, refused
from grace.think.playbooks.render_contract import render_contract
from grace.think.playbooks.render_steps import Site, render_steps
from grace.think.playbooks.secrets import REMEDY, secret_in
from grace.think.playbooks.shapes import kind_of, shape_of_answer


@dataclass(frozen=True, slots=True)
class Occasion:
    """What a playbook is rendered for; `given` are inputs that a person named."""

    incident: Incident
    diagnosis: Diagnosis
    service: Service
    given: Mapping[str, str] = field(default_factory=dict[str, str])


def render(loaded: LoadedPlaybook, occasion: Occasion, means: Means) -> Plan | Refusal:
    """Return the plan, all literals, or why there is none. Reads the world through the eyes; writes nothing."""
    try:
        return _render(loaded, occasion, means)
    except RefusedError as no:
        return no.refusal


def _render(loaded: LoadedPlaybook, occasion: Occasion, means: Means) -> Plan:
    heading, service = loaded.playbook, occasion.service
    if occasion.diagnosis.is_unknown:
        raise refused(Rule.UNKNOWN_CAUSE, "the cause is unknown, and an unknown cause never leads to an action")
    values = _world(occasion)
    inputs = _inputs(heading.inputs, occasion.given, values)
    values = {**values, "inputs": inputs}
    finds = _finds(heading.find, values, means)
    values = {**values, "find": {one.id: one.result for one in finds}}
    playbook = _whole(loaded, values, means)
    steps, skipped = render_steps(Site(service, means, finds, values), playbook.do)
    plan = Plan(
        playbook=playbook.name,
        version=playbook.version,
        playbook_digest=loaded.digest,
        incident_id=occasion.incident.id,
        service=service.name,
        environment=service.environment,
        cause=occasion.diagnosis.cause,
        summary=playbook.summary,
        inputs=inputs,
        finds=finds,
        steps=steps,
        skipped=skipped,
        contract=render_contract(playbook.contract, service, values, means.catalogue),
        on_violated=playbook.on_violated,
        on_inconclusive=playbook.on_inconclusive,
    )
    _check_whole(plan)
    return plan


def _whole(loaded: LoadedPlaybook, values: Values, means: Means) -> Playbook:
    """Return all of the playbook: what is written, or what its function drafts for these values."""
    if loaded.python is not None:
        return drafted(loaded.python, values, means.catalogue)
    assert isinstance(loaded.playbook, Playbook), "a playbook in YAML is written out whole"  # noqa: S101
    return loaded.playbook


def _world(occasion: Occasion) -> dict[str, JsonValue]:
    incident, service = occasion.incident, occasion.service
    told = incident.model_dump(
        mode="json", include={"id", "title", "service", "environment", "fingerprint", "count", "occurrence"}
    )
    return {
        "incident": {**told, "labels": {**service.labels, **incident.labels}},  # as for `when`: else the service's
        "service": service.model_dump(
            mode="json", include={"name", "environment", "owner", "pid_file", "labels"}, exclude_none=True
        ),
    }


def _inputs(declared: Mapping[str, Input], given: Mapping[str, str], values: Values) -> dict[str, JsonValue]:
    if foreign := sorted(set(given) - set(declared)):
        known = ", ".join(sorted(declared)) or "none"
        raise refused(Rule.INPUT, f"the playbook has no input {', '.join(foreign)}", f"Its inputs: {known}.")
    return {name: _input(name, one, given.get(name), values) for name, one in declared.items()}


def _input(name: str, declared: Input, given: str | None, values: Values) -> JsonValue:
    remedy = f"Give it as the input {name!r}, or declare a default."
    try:
        raw = given if given is not None else _sourced(declared, values)
    except AbsentError as error:
        raise refused(Rule.INPUT, f"input {name}: {error}", remedy) from error
    if raw is None:
        raise refused(Rule.INPUT, f"input {name} has no value", remedy)
    try:
        return read_input(declared, raw)
    except InputInvalidError as error:
        raise refused(Rule.INPUT, f"input {name}: {error}", remedy) from error


def _sourced(declared: Input, values: Values) -> JsonValue:
    if declared.source is None:
        return declared.default
    try:
        return evaluate(parse_piped(declared.source), values)
    except AbsentError:
        if declared.default is None:
            raise
        return declared.default


def _finds(steps: Sequence[FindStep], values: Values, means: Means) -> tuple[Found, ...]:
    finds: tuple[Found, ...] = ()
    for step in steps:
        known = {**values, "find": {one.id: one.result for one in finds}}
        finds = (*finds, _find(step, known, means))
    return finds


def _find(step: FindStep, values: Values, means: Means) -> Found:
    spec = means.catalogue.probes.get(step.uses)
    if spec is None:
        raise refused(
            Rule.UNKNOWN_PROBE, f"find {step.id}: there is no probe {step.uses}", "Run `grace playbook lint`."
        )
    parameters = literal(call_of(f"find {step.id}", spec.parameters, step.parameters, values))
    found = means.eyes.look(step.uses, parameters)
    if isinstance(found, Unknown):
        raise refused(Rule.FIND_UNKNOWN, f"find {step.id} ({step.uses}) is unknown: {found.why}")
    if kind_of(found.value) not in shape_of_answer(spec).kinds:
        message = f"find {step.id} ({step.uses}) gave {kind_of(found.value)} where {spec.answers} is declared"
        raise refused(Rule.FIND_UNKNOWN, message)
    return Found.model_validate(
        {
            "id": step.id,
            "uses": step.uses,
            "with": parameters,
            "result": found.value,
            "identity": _identity(step, spec, found.value),
        }
    )


def _identity(step: FindStep, spec: ProbeSpec, result: JsonValue) -> JsonValue:
    if not spec.identity:
        return result
    if isinstance(result, dict) and all(name in result for name in spec.identity):
        return {name: result[name] for name in spec.identity}
    raise refused(Rule.FIND_UNKNOWN, f"find {step.id} ({step.uses}) lacks one of {', '.join(spec.identity)}")


def _check_whole(plan: Plan) -> None:
    if where := secret_in(plan):
        message = f"the plan would show a secret: {where}"
        raise refused(Rule.SECRET, message, REMEDY)
    try:
        _ = plan.digest
    except NotCanonicalError as error:
        raise refused(Rule.NOT_CANONICAL, f"the plan cannot be written down exactly: {error}") from error
