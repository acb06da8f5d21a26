"""Rules: the policy is not open, and what people wrote could be loaded."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from grace.doctor.saying import failed, well
from grace.govern.policy import Question
from grace.govern.policy.rules import Rule
from grace.kit.clock import Clock
from grace.kit.digests import digest_of
from grace.model.catalogue import ActionSpec
from grace.model.contract import Contract
from grace.model.decision import Decision, Ruling
from grace.model.diagnosis import Diagnosis
from grace.model.examination import CheckResult
from grace.model.plan import Plan, PlannedStep, Remedy, Reversibility
from grace.model.service import Mode, Service

_STRANGE: Final = "grace-doctor-asks"
_CAUSE: Final = "grace-doctor-asks"
_SHOWN: Final = 3
_ALONE: Final = Ruling.ACT_ALONE


@dataclass(frozen=True, slots=True)
class PolicyLook:
    """The rules in force, and how they decide."""

    rules: Sequence[Rule]
    decide: Callable[[Question], Decision]
    actions: Collection[ActionSpec]
    clock: Clock
    problems: Sequence[str] = ()

    def checks(self) -> Iterator[CheckResult]:
        """Ask the policy about every action for a service and a playbook that nobody ever named, with full confidence.

        It is open where a rule that names neither service nor action lets such a plan act alone.
        """
        for problem in self.problems:
            yield failed(
                "policy.loaded", "policy on disk", f"{problem}; the last good one is in force", "mend the file"
            )
        named = {rule.id: rule for rule in self.rules}
        alone = [(spec.name, told.rule) for spec in self.actions if (told := self._ask(spec)).ruling is _ALONE]
        opened = [(name, rule) for name, rule in alone if _is_open(named.get(rule))]
        number, rules = len(self.actions), len(self.rules)
        if opened:
            shown = ", ".join(name for name, _ in opened[:_SHOWN]) + (" and more" if len(opened) > _SHOWN else "")
            found = f"the rule {opened[0][1]} lets any playbook act alone on any service: {shown}"
            advice = f"narrow {opened[0][1]} to services or actions (docs/policy.md)"
            yield failed("policy.open", "policy", found, advice, float(len(opened)), "actions")
            return
        found = f"{rules} rules; on a service that no rule names {len(alone)} of {number} actions may run unasked"
        yield well("policy.open", "policy", found, float(rules), "rules")

    def _ask(self, spec: ActionSpec) -> Decision:
        service = Service(name=_STRANGE, mode=Mode.AUTO)
        now = self.clock.now()
        diagnosis = Diagnosis(incident_id=_STRANGE, cause=_CAUSE, confidence=1.0, knowledge_digest="", at=now)
        return self.decide(Question(_plan(spec, service), service, diagnosis, _STRANGE, now))


def _is_open(rule: Rule | None) -> bool:
    """Tell whether a rule names neither service nor action; one that cannot be found is not trusted."""
    return rule is None or (rule.service is None and rule.deed is None)


def _plan(spec: ActionSpec, service: Service) -> Plan:
    bare = spec.reversibility is Reversibility.COMPENSABLE
    step = PlannedStep.model_validate(
        {
            "id": "asked",
            "uses": spec.name,
            "with": {},
            "targets": (),
            "reversibility": Reversibility.IRREVERSIBLE if bare else spec.reversibility,
        }
    )
    return Plan(
        playbook=_STRANGE,
        version="0.0.0",
        playbook_digest=digest_of(_STRANGE),
        incident_id=_STRANGE,
        service=service.name,
        environment=service.environment,
        cause=_CAUSE,
        summary="a question to the policy",
        steps=(step,),
        contract=Contract(clauses=()),
        on_violated=Remedy.HOLD,
        on_inconclusive=Remedy.HOLD,
    )


def loaded(check: str, about: str, number: int, noun: str, remedy: str) -> CheckResult:
    """Say how many of something were loaded; none is a failure."""
    if number == 0:
        return failed(check, about, f"no {noun} is loaded", remedy, 0.0, noun)
    return well(check, about, f"{number} {noun}", float(number), noun)


def flawed(check: str, about: str, flaws: Sequence[str], remedy: str) -> Iterator[CheckResult]:
    """Say each thing that a person wrote wrong."""
    for flaw in flaws:
        yield failed(check, about, flaw, remedy)
