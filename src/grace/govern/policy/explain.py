"""Explanations: what the policy in force said to each step at each tier, and by which rule."""

from __future__ import annotations

from dataclasses import dataclass

from grace.govern.policy import Question
from grace.govern.policy.cedar import CedarPolicy, StepRuling, TierAnswer
from grace.govern.policy.rules import Effect
from grace.model.decision import Decision


@dataclass(frozen=True, slots=True)
class TierExplained:
    """One tier of one step: permitted or not, and the rules that said so with their places."""

    tier: str
    permitted: bool
    because: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StepExplained:
    """One step with every tier that was asked."""

    step_id: str
    uses: str
    ruling: str
    rule: str
    reason: str
    tiers: tuple[TierExplained, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """The decision, and what it was made of."""

    decision: Decision
    steps: tuple[StepExplained, ...]


def explain(policy: CedarPolicy, question: Question) -> Explanation:
    """Decide the question and tell for each step which rules matched at every tier."""
    steps = tuple(_step(ruled) for ruled in policy.rulings(question, every_tier=True))
    return Explanation(policy.decide(question), steps)


def _step(ruled: StepRuling) -> StepExplained:
    tiers = tuple(_tier(answer) for answer in ruled.answers)
    return StepExplained(ruled.step_id, ruled.uses, ruled.ruling.value, ruled.rule, ruled.reason, tiers)


def _tier(answer: TierAnswer) -> TierExplained:
    said = tuple(
        f"{'permitted' if rule.effect is Effect.PERMIT else 'forbidden'} by {rule.id} ({rule.where}): {rule.reason}"
        for rule in answer.rules
    )
    return TierExplained(answer.ruling.value, answer.permitted, said or answer.errors or ("no rule permits it",))
