"""How long a policy decision takes with 100 rules, all of which concern the service that is asked about."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

from bench.rows import Row
from grace.govern.policy import Question
from grace.govern.policy.cedar import CedarPolicy
from grace.govern.policy.rules import make_rules
from grace.shipped import shipped_folder
from tests.govern.plans import DEEDS, question, step, terminate

RULES = 100
QUESTIONS = 2000
LIMIT_US = 1000.0


def measure() -> list[Row]:
    """Time whole decisions, plan digest included: one-step plans that are allowed, asked about and denied."""
    policy = CedarPolicy(make_rules({"bench.cedar": rules(RULES)}, _schema(), DEEDS))
    asked = (question(terminate()), question(step("file.write")), question(step("http.request")))
    decide = sorted(_timed_us(policy.decide, asked))
    digest = sorted(_timed_us(lambda each: each.plan.digest, asked))
    p99 = decide[len(decide) * 99 // 100]
    median = decide[len(decide) // 2]
    return [
        Row(
            name="policy decision, 100 rules, p99",
            ours=p99,
            peer=LIMIT_US,
            ratio=p99 / LIMIT_US,
            unit="µs",
            aim="p99 ≤ 1 ms",
            note=f"median {median:.0f} µs, of which the plan's digest {digest[len(digest) // 2]:.0f} µs",
        )
    ]


def rules(count: int) -> str:
    """Return rules for the service `orders`: bounds on parameters, spread over the three tiers as sites write them."""
    tiers = ("act_alone", "act_with_approval", "act_with_quorum")
    return "\n".join(_rule(index, tiers[index % len(tiers)]) for index in range(count))


def _rule(index: int, tier: str) -> str:
    deed = "process.terminate" if tier == "act_alone" else "file.write"
    limit = 10_000 if index >= RULES - len("tie") else 1
    key = "patience" if tier == "act_alone" else "mode"
    bound = f'context.step.numbers.hasTag("{key}") && context.step.numbers.getTag("{key}") <= {limit}'
    last = 'context.step.texts.hasTag("path") && context.step.texts.getTag("path") like "/srv/orders/*"'
    return (
        f'@id("rule-{index}") @reason("Measured") permit(principal, action == Action::"{tier}", '
        f'resource == Service::"orders") when {{ context.step.deed == Deed::"{deed}" && '
        f"{last if tier != 'act_alone' and index >= RULES - 3 else bound} }};"
    )


def _timed_us(ask: Callable[[Question], object], asked: tuple[Question, ...]) -> list[float]:
    for each in asked:
        ask(each)
    gc.collect()
    taken: list[float] = []
    for index in range(QUESTIONS):
        begin = time.perf_counter_ns()
        ask(asked[index % len(asked)])
        taken.append((time.perf_counter_ns() - begin) / 1000)
    return taken


def _schema() -> str:
    return (shipped_folder("policies") / "grace.cedarschema").read_text(encoding="utf-8")


if __name__ == "__main__":
    for row in measure():
        print(row)
