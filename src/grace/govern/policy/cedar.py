"""Cedar, in process: prepared policies, one request for each step and tier, and every doubt a denial."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import cedarpy
import orjson
from pydantic import JsonValue

from grace.govern.policy import Question
from grace.govern.policy.request import CONTEXT, plan_entities, step_entities, with_undos
from grace.govern.policy.rules import PERMITTING, Effect, Rule, RuleSet
from grace.model.decision import Decision, Ruling
from grace.model.diagnosis import UNKNOWN_CAUSE
from grace.model.plan import Plan, PlannedStep, Reversibility
from grace.model.service import DRILL_ENVIRONMENT, Mode, Service

ENGINE: Final = "cedar"
NO_RULE: Final = "grace:no-rule"
_NARROWED: Final = frozenset({Ruling.ACT_ALONE, Ruling.ACT_WITH_APPROVAL})


@dataclass(frozen=True, slots=True)
class TierAnswer:
    """What Cedar said to one step at one tier, with the rules that determined it."""

    ruling: Ruling
    permitted: bool
    rules: tuple[Rule, ...] = ()
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StepRuling:
    """The tier of one step, and each answer that led to it, strictest last."""

    step_id: str
    uses: str
    ruling: Ruling
    rule: str
    reason: str
    quorum: int = 0
    answers: tuple[TierAnswer, ...] = ()

    @property
    def errors(self) -> tuple[str, ...]:
        return tuple(error for answer in self.answers for error in answer.errors)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """The rules that can matter for one tier and service, parsed once."""

    handle: cedarpy.PolicySet
    rules: dict[str, Rule]


@dataclass(frozen=True, slots=True)
class _Key:
    """What is known of a request before it is evaluated."""

    ruling: Ruling
    service: str | None
    deed: str | None
    irreversible: bool


class CedarPolicy:
    """Decides plans by Cedar rules. Thread-safe; prepares each narrowed set of rules when it is first needed."""

    def __init__(self, rules: RuleSet, drill_folders: tuple[str, ...] = ()) -> None:
        self._rules = rules
        self._drill_folders = tuple(folder.rstrip("/") + "/" for folder in drill_folders)
        self._schema = cedarpy.Schema.from_str(rules.schema)
        self._services = frozenset(rule.service for rule in rules.rules)
        self._deeds = frozenset(rule.deed for rule in rules.rules)
        self._prepared: dict[_Key, _Prepared] = {}

    @property
    def digest(self) -> str:
        """Return the digest of the policies and schema in force."""
        return self._rules.digest

    @property
    def rules(self) -> tuple[Rule, ...]:
        return self._rules.rules

    def decide(self, question: Question) -> Decision:
        """Return the tier of the strictest step with the service's mode on top; every doubt is a denial."""
        try:
            digest = question.plan.digest
        except ValueError as error:
            return self._decision(question, "", _denial("grace:no-digest", f"The plan has no canonical JSON: {error}"))
        return self._decision(question, digest, self._strictest(question))

    def rulings(self, question: Question, *, every_tier: bool = False) -> tuple[StepRuling, ...]:
        """Return the tier of each step and each undo in order; `every_tier` asks on after a permit, to explain."""
        steps = with_undos(question.plan)
        try:
            shared = plan_entities(question, mode_of(question.service).value)
        except ValueError as error:
            return tuple(_doubt(step, error) for step in steps)
        return tuple(self._step(step, question, shared, every_tier=every_tier) for step in steps)

    def ground_for_denial(self, question: Question) -> StepRuling | None:
        """Return the denial that no policy file can lift, if there is one."""
        return next(self._grounds(question), None)

    def _strictest(self, question: Question) -> StepRuling:
        denied = self.ground_for_denial(question)
        if denied is not None:
            return denied
        return max(self.rulings(question), key=lambda step: (_strictness(step.ruling), step.quorum))

    def _grounds(self, question: Question) -> Iterator[StepRuling]:
        plan, service, diagnosis = question.plan, question.service, question.diagnosis
        if plan.cause == UNKNOWN_CAUSE or (diagnosis is not None and diagnosis.is_unknown):
            yield _denial("grace:unknown-cause", "The cause is unknown, and an unknown cause never leads to an action")
        if not plan.steps:
            yield _denial("grace:empty-plan", "The plan has no step")
        if (plan.service, plan.environment) != (service.name, service.environment):
            yield _denial(
                "grace:mismatch", f"The plan is for {plan.service} in {plan.environment}, not for {service.name}"
            )
        if diagnosis is not None and (diagnosis.cause, diagnosis.incident_id) != (plan.cause, plan.incident_id):
            yield _denial("grace:mismatch", f"The plan is for {plan.cause}, the diagnosis says {diagnosis.cause}")
        if service.environment == DRILL_ENVIRONMENT:
            yield from self._outside_drill(plan)

    def _outside_drill(self, plan: Plan) -> Iterator[StepRuling]:
        for target in plan.targets:
            if target.id.startswith("/") and not target.id.startswith(self._drill_folders):
                yield _denial("grace:drill", f"A drill stays in the folders that GRACE made; {target.key} is outside")

    def _step(self, step: PlannedStep, question: Question, shared: list[JsonValue], *, every_tier: bool) -> StepRuling:
        answers: list[TierAnswer] = []
        try:
            document = orjson.dumps([*shared, *step_entities(step)]).decode()
            entities = cedarpy.Entities.from_json_str(  # pyright: ignore[reportUnknownMemberType] - a bare dict
                document, self._schema
            )
            for ruling in PERMITTING:
                answers.append(self._ask(ruling, step, question, entities))
                if not every_tier and (answers[-1].permitted or answers[-1].errors):
                    break
        except (ValueError, TypeError) as error:
            return _doubt(step, error, tuple(answers))
        return _concluded(step, question.service, tuple(answers))

    def _ask(self, ruling: Ruling, step: PlannedStep, question: Question, entities: cedarpy.Entities) -> TierAnswer:
        prepared = self._prepare(self._key(ruling, step, question.service))
        if not prepared.rules:
            return TierAnswer(ruling, permitted=False)
        request: dict[str, JsonValue] = {
            "principal": {"type": "Playbook", "id": question.plan.playbook},
            "action": {"type": "Action", "id": ruling.value},
            "resource": {"type": "Service", "id": question.service.name},
            "context": CONTEXT,
        }
        told = cedarpy.is_authorized(  # pyright: ignore[reportUnknownMemberType] - its stubs say a bare dict
            request, prepared.handle, entities, self._schema
        )
        errors = tuple(str(error) for error in told.diagnostics.errors)
        if told.decision is cedarpy.Decision.NoDecision and not errors:
            errors = ("Cedar came to no decision",)
        determining = tuple(prepared.rules[rule_id] for rule_id in sorted(told.diagnostics.reasons))
        return TierAnswer(ruling, told.allowed and not errors, determining, errors)

    def _key(self, ruling: Ruling, step: PlannedStep, service: Service) -> _Key:
        """Return what narrows the rules; names that no rule mentions share a key, so that there are few keys."""
        return _Key(
            ruling=ruling,
            service=service.name if service.name in self._services else None,
            deed=step.uses if step.uses in self._deeds else None,
            irreversible=step.reversibility is Reversibility.IRREVERSIBLE and ruling in _NARROWED,
        )

    def _prepare(self, key: _Key) -> _Prepared:
        """Return the rules that can match, without those permits that may not speak for an irreversible step."""
        found = self._prepared.get(key)
        if found is None:
            can_match = (rule for rule in self._rules.rules if rule.concerns(key.ruling, key.service, key.deed))
            found = _prepared(rule for rule in can_match if not key.irreversible or _may_speak_for_irreversible(rule))
            self._prepared[key] = found
        return found

    def _decision(self, question: Question, plan_digest: str, strictest: StepRuling) -> Decision:
        mode = mode_of(question.service)
        asks_first = mode is Mode.SUGGEST and strictest.ruling is Ruling.ACT_ALONE
        return Decision(
            plan_digest=plan_digest,
            ruling=Ruling.ACT_WITH_APPROVAL if asks_first else strictest.ruling,
            rule=strictest.rule,
            reason=f"{strictest.reason}; the mode suggest asks one person first" if asks_first else strictest.reason,
            policy_digest=self.digest,
            engine=ENGINE,
            mode=mode,
            quorum=1 if asks_first else strictest.quorum,
            errors=strictest.errors,
            at=question.at,
        )


def mode_of(service: Service) -> Mode:
    """Return the mode in force: a drill is always `auto`."""
    return Mode.AUTO if service.environment == DRILL_ENVIRONMENT else service.mode


def _may_speak_for_irreversible(rule: Rule) -> bool:
    return rule.effect is Effect.FORBID or rule.names_irreversible


def _prepared(rules: Iterator[Rule]) -> _Prepared:
    named = {rule.id: rule for rule in rules}
    trees = ", ".join(f"{json.dumps(rule.id)}: {rule.tree}" for rule in named.values())
    document = f'{{"templates": {{}}, "templateLinks": [], "staticPolicies": {{{trees}}}}}'
    return _Prepared(cedarpy.PolicySet.from_json_str(document), named)


def _concluded(step: PlannedStep, service: Service, answers: tuple[TierAnswer, ...]) -> StepRuling:
    """Take the first tier that is permitted; an error at any tier that was asked denies the step."""
    broken = next((answer for answer in answers if answer.errors), None)
    if broken is not None:
        why = f"The policy could not be evaluated: {broken.errors[0]}"
        return StepRuling(step.id, step.uses, Ruling.DENIED, "grace:error", why, answers=answers)
    permitted = next((answer for answer in answers if answer.permitted), None)
    if permitted is None:
        return _nothing_permits(step, service, answers)
    rule = permitted.rules[0]
    quorum = max(_people(permitted.ruling, rule) for rule in permitted.rules)
    return StepRuling(step.id, step.uses, permitted.ruling, rule.id, rule.reason or rule.id, quorum, answers)


def _nothing_permits(step: PlannedStep, service: Service, answers: tuple[TierAnswer, ...]) -> StepRuling:
    forbidding = next((rule for answer in reversed(answers) for rule in answer.rules), None)
    if forbidding is not None:
        why = forbidding.reason or f"{forbidding.id} forbids it"
        return StepRuling(step.id, step.uses, Ruling.DENIED, forbidding.id, why, answers=answers)
    why = f"No rule permits {step.uses} ({step.reversibility.value}) for {service.name} in {service.environment}"
    return StepRuling(step.id, step.uses, Ruling.DENIED, NO_RULE, why, answers=answers)


def _people(ruling: Ruling, rule: Rule) -> int:
    match ruling:
        case Ruling.ACT_WITH_QUORUM:
            return rule.quorum
        case Ruling.ACT_WITH_APPROVAL:
            return 1
        case Ruling.ACT_ALONE | Ruling.DENIED:
            return 0


def _strictness(ruling: Ruling) -> int:
    return ruling.tier or len(PERMITTING) + 1


def _doubt(step: PlannedStep, error: Exception, answers: tuple[TierAnswer, ...] = ()) -> StepRuling:
    unread = TierAnswer(Ruling.ACT_ALONE, permitted=False, errors=(str(error),))
    why = f"The policy could not read step {step.id}: {error}"
    return StepRuling(step.id, step.uses, Ruling.DENIED, "grace:unreadable", why, answers=(*answers, unread))


def _denial(rule: str, reason: str) -> StepRuling:
    return StepRuling("", "", Ruling.DENIED, rule, reason)
