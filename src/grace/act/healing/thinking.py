"""Diagnose, plan, decide: the stages that only read."""

from __future__ import annotations

from grace.act.healing import Directory, Thinker
from grace.act.healing.plugs import call, sentence
from grace.act.healing.story import Stop, Story
from grace.govern.policy import PolicyEngine, Question
from grace.kit.attempt import Raised
from grace.model.decision import Decision
from grace.model.diagnosis import Diagnosis
from grace.model.events import EventType, PlanRefused
from grace.model.plan import Plan
from grace.model.settlement import SettlementKind


class Thinking:
    """From incident to decision."""

    def __init__(self, thinker: Thinker, policy: PolicyEngine, directory: Directory) -> None:
        self._thinker = thinker
        self._policy = policy
        self._directory = directory

    async def diagnose(self, story: Story) -> Diagnosis:
        """Return the diagnosis that stands."""

        async def compute() -> Diagnosis | Stop:
            made = await call(lambda: self._thinker.diagnose(story.run))
            return Stop(kind=SettlementKind.DENIED, sentence=sentence(made)) if isinstance(made, Raised) else made.value

        return await story.stage("diagnosis", EventType.DIAGNOSIS_MADE, Diagnosis, compute, only_reads=True)

    async def plan(self, story: Story, diagnosis: Diagnosis) -> Plan:
        """Return the plan that stands, or why there is none; the reason is on the record too."""

        async def compute() -> Plan | Stop:
            made = await call(lambda: self._thinker.plan(story.run, diagnosis))
            if isinstance(made, Raised):
                return Stop(kind=SettlementKind.DENIED, sentence=f"planning failed: {sentence(made)}")
            match made.value:
                case PlanRefused() as refused:
                    await story.write(story.draft("plan.refused", EventType.PLAN_REFUSED, refused))
                    return Stop(kind=SettlementKind.DENIED, sentence=refused.why)
                case Plan() as plan:
                    return plan

        return await story.stage("plan", EventType.PLAN_MADE, Plan, compute, only_reads=True)

    async def decide(self, story: Story, plan: Plan, diagnosis: Diagnosis) -> Decision:
        """Return the decision that stands."""

        async def compute() -> Decision | Stop:
            service = self._directory.service(plan.service, plan.environment)
            if service is None:
                said = f"{plan.service} ({plan.environment}) is not declared in grace.yaml"
                return Stop(kind=SettlementKind.DENIED, sentence=said)
            question = Question(
                plan=plan,
                service=service,
                diagnosis=diagnosis,
                requested_by=story.run.requested_by,
                at=story.clock.now(),
            )
            made = await call(lambda: self._policy.decide(question))
            if isinstance(made, Raised):
                return Stop(kind=SettlementKind.DENIED, sentence=f"the policy engine failed: {sentence(made)}")
            return made.value

        return await story.stage("decision", EventType.DECISION_MADE, Decision, compute, only_reads=True)
