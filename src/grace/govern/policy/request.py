"""Requests: a question about a plan, written as the Cedar entities that `grace.cedarschema` describes."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from pydantic import JsonValue

from grace.govern.policy import Question
from grace.model.plan import Plan, PlannedStep, Reversibility

JsonObject: TypeAlias = dict[str, JsonValue]

THOUSANDTHS: Final = 1000
LARGEST_NUMBER: Final = 2**63 - 1
LARGEST_PARAMETERS: Final = 1_048_576
DEEPEST_PARAMETER: Final = 32
_WRITTEN: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
CONTEXT: Final = '{"step":{"__entity":{"type":"Step","id":"step"}},"plan":{"__entity":{"type":"Plan","id":"plan"}}}'


class QuestionUnreadableError(ValueError):
    """A plan that no policy can read without doubt; it is denied."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One parameter by its dotted name."""

    name: str
    value: JsonValue


def with_undos(plan: Plan) -> tuple[PlannedStep, ...]:
    """Return every deed that the plan may lead to: its steps, each followed by the undo it names, asked like a step."""
    return tuple(deed for step in plan.steps for deed in _with_undo(step))


def _with_undo(step: PlannedStep) -> Iterator[PlannedStep]:
    yield step
    if step.undo is not None:
        changes = {"id": f"{step.id}.undo", "uses": step.undo.uses, "parameters": step.undo.parameters, "undo": None}
        yield step.model_copy(update={**changes, "reversibility": Reversibility.COMPENSABLE, "provider": None})


def plan_entities(question: Question, mode: str) -> list[JsonValue]:
    """Return the entities that all steps of the plan share: playbook, service, plan."""
    plan, service = question.plan, question.service
    return [
        _entity("Playbook", plan.playbook, {"version": plan.version, "digest": plan.playbook_digest}),
        _entity(
            "Service",
            service.name,
            {"environment": service.environment, "owner": service.owner, "mode": mode},
            tags=dict(service.labels),
        ),
        _entity("Plan", "plan", _plan_attributes(question)),
    ]


def step_entities(step: PlannedStep) -> list[JsonValue]:
    """Return the entities of one step: its deed in its kind, its parameters as numbers and as texts."""
    leaves = _readable(step)
    attributes: JsonObject = {
        "deed": _reference("Deed", step.uses),
        "reversibility": step.reversibility.value,
        "numbers": _reference("Numbers", "step"),
        "texts": _reference("Texts", "step"),
        "deferred": _words(leaf.name for leaf in leaves if _is_deferred(leaf.value)),
        "targets": _words(target.key for target in step.targets),
    }
    kind = step.uses.partition(".")[0]
    parent: JsonValue = {"type": "Kind", "id": kind}
    return [
        _entity("Step", "step", attributes),
        {"uid": {"type": "Deed", "id": step.uses}, "attrs": {}, "parents": [parent]},
        _entity("Kind", kind, {}),
        _entity("Numbers", "step", {}, tags={leaf.name: thousandths(leaf.value) for leaf in leaves if _counts(leaf)}),
        _entity("Texts", "step", {}, tags={leaf.name: _text(leaf.value) for leaf in leaves}),
    ]


def _readable(step: PlannedStep) -> list[Leaf]:
    """Flatten the parameters; raise QuestionUnreadableError where two share a name or there is too much to read."""
    leaves = list(_leaves(step.parameters))
    names = {leaf.name for leaf in leaves}
    if len(names) < len(leaves):
        message = f"step {step.id}: two parameters have the same dotted name"
        raise QuestionUnreadableError(message)
    size = sum(len(leaf.value) for leaf in leaves if isinstance(leaf.value, str))
    if size > LARGEST_PARAMETERS:
        message = (
            f"step {step.id}: {size} characters of parameters are more than the {LARGEST_PARAMETERS} a policy reads"
        )
        raise QuestionUnreadableError(message)
    return leaves


def thousandths(value: JsonValue) -> int:
    """Return a number in thousandths, rounded away from zero and kept within 64 bits: no bound is slipped under."""
    match value:
        case bool() | None | str() | list() | dict():
            message = f"not a number: {value!r}"
            raise TypeError(message)
        case int():
            scaled = value * THOUSANDTHS
        case float():
            scaled = _rounded_away(value)
    return max(-LARGEST_NUMBER, min(LARGEST_NUMBER, scaled))


def _rounded_away(value: float) -> int:
    scaled = value * THOUSANDTHS
    if math.isinf(scaled):
        return LARGEST_NUMBER if scaled > 0 else -LARGEST_NUMBER
    return math.ceil(scaled) if scaled > 0 else math.floor(scaled)


def _plan_attributes(question: Question) -> JsonObject:
    plan, diagnosis = question.plan, question.diagnosis
    deeds = sorted({step.uses for step in with_undos(plan)})
    return {
        "deeds": [_reference("Deed", deed) for deed in deeds],
        "steps": len(plan.steps),
        "reversibility": plan.reversibility.value,
        "targets": _words(target.key for target in plan.targets),
        "cause": plan.cause,
        "confidence": 0 if diagnosis is None else math.floor(round(diagnosis.confidence * THOUSANDTHS, 6)),
        "diagnosed": diagnosis is not None,
        "requested_by": question.requested_by,
    }


def _leaves(value: JsonValue, name: str = "", depth: int = 0) -> Iterator[Leaf]:
    """Yield every scalar by dotted name; a list or an object also whole, so that a rule can pin an exact command."""
    if depth > DEEPEST_PARAMETER:
        message = f"parameter {name}: nested deeper than {DEEPEST_PARAMETER} levels"
        raise QuestionUnreadableError(message)
    match value:
        case dict():
            items: Iterable[tuple[str, JsonValue]] = value.items()
        case list():
            items = ((str(index), item) for index, item in enumerate(value))
        case _:
            yield Leaf(name, value)
            return
    if depth:
        yield Leaf(name, value)
    for key, item in items:
        yield from _leaves(item, f"{name}.{key}" if depth else key, depth + 1)


def _counts(leaf: Leaf) -> bool:
    match leaf.value:
        case bool():
            return False
        case int():
            return True
        case float() as number:
            return not math.isnan(number)
        case _:
            return False


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else _WRITTEN(value)


def _is_deferred(value: JsonValue) -> bool:
    return isinstance(value, str) and "${{" in value


def _words(words: Iterable[str]) -> list[JsonValue]:
    return [*sorted(set(words))]


def _reference(kind: str, identity: str) -> JsonObject:
    return {"__entity": {"type": kind, "id": identity}}


def _entity(kind: str, identity: str, attributes: JsonObject, tags: dict[str, JsonValue] | None = None) -> JsonObject:
    entity: JsonObject = {"uid": {"type": kind, "id": identity}, "attrs": attributes, "parents": []}
    if tags:
        entity["tags"] = tags
    return entity
