"""How long a policy decision takes with 100 rules, all of which concern the service that is asked about.

Measured in the processor time of the thread: a decision waits for nothing, so what else the machine does has no say.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

from bench.rows import Row, against_limit, at_most
from grace.govern.policy import Question
from grace.govern.policy.cedar import CedarPolicy
from grace.govern.policy.rules import make_rules
from grace.shipped import shipped_folder
from tests.govern.plans import DEEDS, question, step, terminate

RULES = 100
QUESTIONS = 2000
LIMIT_US = 1000.0


def measure(count: int = RULES, questions: int = QUESTIONS) -> list[Row]:
    """Time whole decisions, plan digest included: one-step plans that are allowed, asked about and denied."""
    policy = CedarPolicy(make_rules({"bench.cedar": rules(count)}, _schema(), DEEDS))
    asked = (question(terminate()), question(step("file.write")), question(step("http.request")))
    decide = sorted(_timed_us(policy.decide, asked, questions))
    digest = sorted(_timed_us(lambda each: each.plan.digest, asked, questions))
    p99, median = decide[len(decide) * 99 // 100], decide[len(decide) // 2]
    note = f"median {median:.0f} µs, of which the plan's digest {digest[len(digest) // 2]:.0f} µs"
    return [against_limit(f"policy decision, {count} rules, p99", p99, at_most(1), LIMIT_US, "µs", note)]


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


def _timed_us(ask: Callable[[Question], object], asked: tuple[Question, ...], questions: int) -> list[float]:
    for each in asked:
        ask(each)
    gc.collect()
    taken: list[float] = []
    for index in range(questions):
        begin = time.thread_time_ns()
        ask(asked[index % len(asked)])
        taken.append((time.thread_time_ns() - begin) / 1000)
    return taken


def _schema() -> str:
    return (shipped_folder("policies") / "grace.cedarschema").read_text(encoding="utf-8")


if __name__ == "__main__":
    for row in measure():
        print(row)
