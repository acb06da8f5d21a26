"""The gate: the only caller of `Action.apply`. No decision, no deed, checked at the last moment, from the record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from pydantic import BaseModel, JsonValue, ValidationError

from grace.act.executors import Action, Applied, Gathers, Journal, Leads, Lingers
from grace.act.executors.drill_ground import NOTHING_MADE, DrillGround
from grace.kit.cuts import cut
from grace.kit.wording import in_words
from grace.model.execution import Outcome, StepState
from grace.model.plan import Plan, PlannedStep, Undo
from grace.model.reading import Unknown
from grace.model.target import Target
from grace.model.warrant import Refusal, Warrant


class Authority(Protocol):
    """Reads from the record whether a warrant holds, for the plan that the gate has just found it to name."""

    def refuses_deed(self, warrant: Warrant, plan: Plan, step: PlannedStep) -> Refusal | None:
        """Return why this step of this plan may not be executed now, or None."""
        ...

    def refuses_way_back(self, warrant: Warrant, plan: Plan, step: PlannedStep) -> Refusal | None:
        """Return why this step may not be compensated now, or None. A halt is no reason."""
        ...


class Gate:
    """Holds the actions; lets a deed through only when the record says so for exactly this plan."""

    def __init__(
        self, actions: Mapping[str, Action], authority: Authority, drill_ground: DrillGround = NOTHING_MADE
    ) -> None:
        self._actions = actions
        self._authority = authority
        self._drill_ground = drill_ground

    def perform(
        self, plan: Plan, step: PlannedStep, parameters: Mapping[str, JsonValue], warrant: Warrant, journal: Journal
    ) -> Outcome:
        """Execute one step of an authorised plan, or return `refused` with the rule that says no."""
        refusal = (
            self._not_in(plan, step, warrant)
            or self._authority.refuses_deed(warrant, plan, step)
            or self._drill_ground.refuses_deed(plan, step.uses, parameters, step.targets)
        )
        if refusal is not None:
            return refused(refusal)
        return self._apply(step.uses, parameters, step, journal)

    def compensate(
        self, plan: Plan, step: PlannedStep, parameters: Mapping[str, JsonValue], warrant: Warrant, journal: Journal
    ) -> Outcome:
        """Execute the `undo:` of a step that was begun, its outputs in place; a halt does not stop it."""
        if step.undo is None:
            return refused(Refusal(rule="no-way-back", why=f"step {step.id} has no undo"))
        refusal = self._not_in(plan, step, warrant) or self._authority.refuses_way_back(warrant, plan, step)
        if refusal is not None:
            return refused(refusal)
        return self._apply(step.undo.uses, parameters, None, journal)

    def probe(self, uses: str, parameters: Mapping[str, JsonValue], handle: Mapping[str, JsonValue] | None) -> Applied:
        """Ask the world whether an interrupted call took effect; reads only."""
        action = self._actions.get(uses)
        if action is None:
            return Applied.UNKNOWN
        parsed = parse(action, parameters)
        return Applied.UNKNOWN if isinstance(parsed, Refusal) else action.probe(parsed, handle)

    def at_work_s(
        self, uses: str, parameters: Mapping[str, JsonValue], handle: Mapping[str, JsonValue] | None
    ) -> float:
        """Return for how long yet an interrupted call may take effect, where its action leaves that open."""
        action = self._actions.get(uses)
        if handle is None or action is None or not isinstance(action, Lingers):
            return 0.0
        parsed = parse(action, parameters)
        return 0.0 if isinstance(parsed, Refusal) else action.at_work_s(parsed, handle)

    def gather(
        self, uses: str, parameters: Mapping[str, JsonValue], handle: Mapping[str, JsonValue], journal: Journal
    ) -> None:
        """Have an interrupted call's own files noted and removed, where its action keeps any; no target is touched."""
        action = self._actions.get(uses)
        if action is None or not isinstance(action, Gathers):
            return
        parsed = parse(action, parameters)
        if not isinstance(parsed, Refusal):
            action.gather(parsed, handle, journal)

    def leads(self, uses: str, parameters: Mapping[str, JsonValue]) -> Mapping[str, str | Unknown]:
        """Ask where the paths that a call names lead now; reads only. Nothing of an action that is given none."""
        action = self._actions.get(uses)
        if action is None or not isinstance(action, Leads):
            return {}
        parsed = parse(action, parameters)
        return {} if isinstance(parsed, Refusal) else action.leads(parsed)

    def _not_in(self, plan: Plan, step: PlannedStep, warrant: Warrant) -> Refusal | None:
        digest = plan.digest_now()
        if digest != warrant.plan_digest:
            why = f"the plan in hand has digest {digest}, the warrant is for {warrant.plan_digest}"
            return Refusal(rule="digest", why=why, next="plan again: `grace plan INCIDENT`")
        if step not in plan.steps:
            return Refusal(rule="digest", why=f"step {step.id} is not a step of the plan")
        return None

    def _apply(
        self, uses: str, written: Mapping[str, JsonValue], step: PlannedStep | None, journal: Journal
    ) -> Outcome:
        action = self._actions.get(uses)
        if action is None:
            return refused(Refusal(rule="unknown-action", why=f"there is no action {uses}"))
        parameters = parse(action, written)
        if isinstance(parameters, Refusal):
            return refused(parameters)
        targets = action.targets(parameters)
        if isinstance(targets, Refusal):
            return refused(targets)
        if step is not None and (moved := self._moved(step, targets)):
            return refused(moved)
        cut(f"gate.{uses}.before")
        outcome = action.apply(parameters, journal)
        cut(f"gate.{uses}.after")
        return outcome

    def _moved(self, step: PlannedStep, targets: tuple[Target, ...]) -> Refusal | None:
        """Hold what the step and the undo it names would write now to what the plan says."""
        planned = {target.key for target in step.targets}
        if {target.key for target in targets} == planned:
            return None
        undone = () if step.undo is None else self._targets_of(step.undo)
        if isinstance(undone, Refusal):
            return undone
        now = (*targets, *undone)
        if {target.key for target in now} == planned:
            return None
        why = f"{step.uses} would now write {_names(now)}, the plan says {_names(step.targets)}"
        return Refusal(rule="target-moved", why=why, next="plan again: `grace plan INCIDENT`")

    def _targets_of(self, undo: Undo) -> tuple[Target, ...] | Refusal:
        action = self._actions.get(undo.uses)
        if action is None:
            return Refusal(rule="unknown-action", why=f"there is no action {undo.uses}")
        parameters = parse(action, undo.parameters)
        return parameters if isinstance(parameters, Refusal) else action.targets(parameters)


def parse(action: Action, written: Mapping[str, JsonValue]) -> BaseModel | Refusal:
    """Read parameters as the action declares them; undeclared or out of bounds is refused."""
    try:
        return action.spec.parameters.model_validate(dict(written))
    except ValidationError as error:
        return Refusal(rule="parameters", why=f"{action.spec.name}: {in_words(error)}")


def refused(refusal: Refusal) -> Outcome:
    """Say no as an outcome."""
    return Outcome(state=StepState.REFUSED, why=f"{refusal.rule}: {refusal.why}")


def _names(targets: tuple[Target, ...]) -> str:
    return ", ".join(sorted(target.key for target in targets)) or "nothing"
