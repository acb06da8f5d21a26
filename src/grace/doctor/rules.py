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


@dataclass(frozen=True, slots=True)
class PolicyLook:
    """The rules in force, and how they decide."""

    rules: Sequence[Rule]
    decide: Callable[[Question], Decision]
    actions: Collection[ActionSpec]
    clock: Clock
    problems: Sequence[str] = ()

    def checks(self) -> Iterator[CheckResult]:
        """Ask the policy about every action for a service, a cause and a playbook that nobody ever named."""
        for problem in self.problems:
            yield failed(
                "policy.loaded", "policy on disk", f"{problem}; the last good one is in force", "mend the file"
            )
        opened = [(spec.name, told) for spec in self.actions if (told := self._ask(spec)).ruling is Ruling.ACT_ALONE]
        shown = ", ".join(f"{name} by the rule {told.rule}" for name, told in opened[:_SHOWN])
        if opened:
            found = f"a stranger's plan may act alone: {shown}{' and more' if len(opened) > _SHOWN else ''}"
            advice = f"narrow the rule {opened[0][1].rule} to services, playbooks or deeds (docs/policy.md)"
            yield failed("policy.open", "policy", found, advice, float(len(opened)), "actions")
            return
        found = f"{len(self.rules)} rules; of {len(self.actions)} actions none acts alone for a stranger"
        yield well("policy.open", "policy", found, float(len(self.rules)), "rules")

    def _ask(self, spec: ActionSpec) -> Decision:
        service = Service(name=_STRANGE, mode=Mode.AUTO)
        now = self.clock.now()
        diagnosis = Diagnosis(incident_id=_STRANGE, cause=_CAUSE, confidence=0.0, knowledge_digest="", at=now)
        return self.decide(Question(_plan(spec, service), service, diagnosis, _STRANGE, now))


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
