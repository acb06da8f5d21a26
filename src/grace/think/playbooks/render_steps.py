"""Render the writes: literal parameters, canonical targets within the allowance, the way back, the prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, JsonValue

from grace.model.catalogue import ActionSpec
from grace.model.plan import THROUGH, Found, PlannedStep, Skipped, Undo
from grace.model.service import Service
from grace.model.target import Target
from grace.model.warrant import Refusal
from grace.think.playbooks.allowance import outside_allowance
from grace.think.playbooks.calls import call_of, literal
from grace.think.playbooks.evaluation import AbsentError, Values, awaited_steps, holds, mentions_reference
from grace.think.playbooks.expressions import OPEN, parse_condition
from grace.think.playbooks.format import DoStep, UndoStep
from grace.think.playbooks.means import Means
from grace.think.playbooks.refusing import Rule, refused
from grace.think.playbooks.reversing import reversibility_of

_LITERAL_ANYWAY: Final = "A target must be known when the plan is made."


@dataclass(frozen=True, slots=True)
class Site:
    """Where steps are rendered: the service, the means, and what was found."""

    service: Service
    means: Means
    finds: tuple[Found, ...]
    values: Values


def render_steps(site: Site, steps: Sequence[DoStep]) -> tuple[tuple[PlannedStep, ...], tuple[Skipped, ...]]:
    """Return the steps to do and those whose `if` is false; raise RefusedError."""
    planned: list[PlannedStep] = []
    skipped: list[Skipped] = []
    for step in steps:
        if step.condition is None or _is_wanted(step, step.condition, site.values):
            planned.append(_step(site, step))
        else:
            skipped.append(Skipped(id=step.id, why=f"`{step.condition}` is false"))
    if not planned:
        reasons = "; ".join(f"{one.id}: {one.why}" for one in skipped)
        raise refused(Rule.NOTHING_TO_DO, f"no step is left to do ({reasons})")
    _check_outputs(planned, skipped)
    return tuple(planned), tuple(skipped)


def _check_outputs(planned: Sequence[PlannedStep], skipped: Sequence[Skipped]) -> None:
    absent = {one.id for one in skipped}
    for step in planned:
        awaited = awaited_steps(step.parameters) | awaited_steps(step.undo.parameters if step.undo else {})
        if missing := sorted(awaited & absent):
            why = f"step {step.id} needs the output of {', '.join(missing)}, which is skipped"
            raise refused(Rule.REFERENCE, why, "Give both steps the same `if`.")


def _is_wanted(step: DoStep, condition: str, values: Values) -> bool:
    try:
        return holds(parse_condition(condition), values)
    except AbsentError as error:
        raise refused(Rule.CONDITION, f"step {step.id}: `{condition}` cannot be told: {error}") from error


def _step(site: Site, step: DoStep) -> PlannedStep:
    what = f"step {step.id}"
    spec = _action(site, what, step.uses)
    call = _call(site, what, spec, step)
    undo = _undo(site, step)
    reversibility = reversibility_of(spec, step.undo)
    return PlannedStep.model_validate(
        {
            "id": step.id,
            "uses": step.uses,
            "with": call.written,
            "targets": _once((*_targets(site, what, call), *(undo.targets if undo else ()))),
            "reversibility": reversibility,
            "provider": spec.provider,
            "undo": undo.call if undo else None,
            "predicted": _predicted(site, what, call),
        }
    )


@dataclass(frozen=True, slots=True)
class _Call:
    """An action with its parameters, also as they stand in the plan."""

    uses: str
    parameters: BaseModel
    written: dict[str, JsonValue]


def _call(site: Site, what: str, spec: ActionSpec, step: DoStep | UndoStep) -> _Call:
    parameters = call_of(what, spec.parameters, step.parameters, site.values)
    return _Call(step.uses, parameters, literal(parameters))


@dataclass(frozen=True, slots=True)
class _PlannedUndo:
    call: Undo
    targets: tuple[Target, ...]


def _undo(site: Site, step: DoStep) -> _PlannedUndo | None:
    if step.undo is None:
        return None
    what = f"undo of step {step.id}"
    spec = _action(site, what, step.undo.uses)
    call = _call(site, what, spec, step.undo)
    written = {"uses": call.uses, "with": call.written, "after_restore": step.undo.after_restore}
    targets = _targets(site, what, call)
    _require_way_back(site, what, call)
    return _PlannedUndo(Undo.model_validate(written), targets)


def _require_way_back(site: Site, what: str, call: _Call) -> None:
    """Refuse an undo that would be refused when it is needed, as far as that can be known before the deed.

    References stand unfilled. What speaks of the world as it is now says nothing of the world after the deed.
    """
    predicted = site.means.hands.predict(call.uses, call.parameters)
    if isinstance(predicted, Refusal) and not predicted.is_of_now:
        remedy = f"{predicted.next} A step whose undo is refused has no way back.".strip()
        raise refused(predicted.rule, f"{what} ({call.uses}) would be refused: {predicted.why}", remedy)


def _action(site: Site, what: str, name: str) -> ActionSpec:
    spec = site.means.catalogue.actions.get(name)
    if spec is None:
        raise refused(Rule.UNKNOWN_ACTION, f"{what}: there is no action {name}", "Run `grace playbook lint`.")
    return spec


def _targets(site: Site, what: str, call: _Call) -> tuple[Target, ...]:
    targets = site.means.hands.targets(call.uses, call.parameters)
    if isinstance(targets, Refusal):
        raise refused(targets.rule, f"{what} ({call.uses}): {targets.why}", targets.next)
    for target in targets:
        if OPEN in target.id:
            raise refused(Rule.TARGET, f"{what} ({call.uses}) has the target {target.id}", _LITERAL_ANYWAY)
        if why := outside_allowance(site.service, target, call.written, site.finds):
            link, remedy = _about_link(site, target, call)
            remedy += f"Declare it under `targets` of {site.service.name} in grace.yaml, if plans may write it."
            raise refused(Rule.OUTSIDE_ALLOWANCE, f"{what} ({call.uses}): {why}{link}", remedy)
    return targets


def _about_link(site: Site, target: Target, call: _Call) -> tuple[str, str]:
    """Say of a symlink on the way to a file what it leads to and what to name instead; nothing of anything else."""
    predicted = site.means.hands.predict(call.uses, call.parameters)
    through = None if isinstance(predicted, Refusal) else predicted.get(THROUGH)
    real = through.get(target.id) if isinstance(through, dict) else None
    if real is None:
        return "", ""
    return (
        f"; it is a symlink on the way to {real}, and the program may change it",
        f"Name {real} instead, in the command too. Or: ",
    )


def _predicted(site: Site, what: str, call: _Call) -> JsonValue:
    if mentions_reference(call.written):
        return None
    predicted = site.means.hands.predict(call.uses, call.parameters)
    if isinstance(predicted, Refusal):
        raise refused(predicted.rule, f"{what} ({call.uses}): {predicted.why}", predicted.next)
    return dict(predicted)


def _once(targets: tuple[Target, ...]) -> tuple[Target, ...]:
    return tuple({target.key: target for target in targets}.values())
