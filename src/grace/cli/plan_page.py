"""A plan as the person reads it who has to say yes: what is written, what must hold, what the way back is."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import JsonValue as Json

from grace.cli.screen import Screen, marked
from grace.kit.wording import written, written_fact, written_members
from grace.model.contract import Clause, ClauseSource, Comparator, Phase
from grace.model.decision import Decision
from grace.model.plan import Plan, PlannedStep, Reversibility

_WAY_BACK = {
    Reversibility.EXACT: "every write can be taken back exactly",
    Reversibility.COMPENSABLE: "writes are taken back by the steps named as undo",
    Reversibility.IRREVERSIBLE: "at least one write cannot be taken back",
}
_WORDS = {
    Comparator.IS: "is",
    Comparator.IS_NOT: "is not",
    Comparator.AT_MOST: "at most",
    Comparator.AT_LEAST: "at least",
    Comparator.WORSENS_AT_MOST: "worsens at most",
}


def show_plan(screen: Screen, plan: Plan) -> None:
    """Print the whole plan; the digest is computed from what is printed, not taken from the server."""
    screen.heading(f"{plan.playbook} {plan.version}: {plan.summary}")
    screen.facts(
        [
            ("for", f"{plan.incident_id} of {plan.service} ({plan.environment}), cause {plan.cause}"),
            ("way back", f"{plan.reversibility}: {_WAY_BACK[plan.reversibility]}"),
            ("violated", f"then {_verb(plan.on_violated)}; inconclusive: {_verb(plan.on_inconclusive)}"),
            ("digest", plan.digest),
        ]
    )
    if plan.finds:
        screen.heading("Found")
        screen.bullets(
            f"{found.id}: {written_fact(found.result)}  ({found.uses} {written_members(found.parameters)})"
            for found in plan.finds
        )
    screen.heading("Writes")
    for step in plan.steps:
        screen.bullets(_step_lines(step))
    screen.bullets(f"{skipped.id}: skipped, {skipped.why}" for skipped in plan.skipped)
    for phase in Phase:
        clauses = plan.contract.of(phase)
        if clauses:
            screen.heading(f"Must hold {phase}")
            screen.bullets(expectation(clause) for clause in clauses)


def show_decision(screen: Screen, decision: Decision) -> None:
    """Print who may say yes, by which rule, and what the mode makes of it."""
    screen.heading("Decision")
    tier = f"tier {decision.ruling.tier}" if decision.ruling.tier else "no"
    asks = f", asks {decision.quorum}" if decision.asks else ""
    screen.line(marked(decision.ruling, f"{tier}{asks}: {decision.reason}"))
    screen.facts(
        [
            ("rule", f"{decision.rule} ({decision.engine}, policy {decision.policy_digest})"),
            ("mode", f"{decision.mode}{': planned and decided, nothing will be touched' if decision.observes else ''}"),
            *(("error", error) for error in decision.errors),
        ]
    )


def expectation(clause: Clause) -> str:
    """Say what a clause expects, as a playbook would."""
    parts = [clause.name, written_members(clause.parameters) if clause.source is ClauseSource.PROBE else ""]
    parts += [_WORDS[clause.comparator], _expected(clause)]
    if clause.within_s:
        parts.append(f"within {clause.within_s:g} s")
    if clause.for_s:
        parts.append(f"for {clause.for_s:g} s, every {clause.every_s:g} s")
    if not clause.required:
        parts.append("(watching)")
    return " ".join(part for part in parts if part)


def _expected(clause: Clause) -> str:
    if clause.comparator is Comparator.WORSENS_AT_MOST and isinstance(clause.expected, int | float):
        return f"{clause.expected:.0%}"
    return written(clause.expected)


def _step_lines(step: PlannedStep) -> Iterator[str]:
    yield f"{step.id}: {step.uses} {written_members(step.parameters)}"
    yield f"    on {', '.join(target.key for target in step.targets)}; {step.reversibility}" + (
        f", kept by the provider {step.provider}" if step.provider else ""
    )
    if step.undo:
        order = "after the snapshots are restored" if step.undo.after_restore else "before anything is restored"
        yield f"    undo: {step.undo.uses} {written_members(step.undo.parameters)}, {order}"
    if step.predicted is not None:
        yield from _predicted_lines(step.predicted)


def _predicted_lines(predicted: Json) -> Iterator[str]:
    """Show what an action foresees, a fact a line; text of several lines, as a diff, stands below its name."""
    if not isinstance(predicted, dict):
        yield f"    predicted: {written(predicted)}"
        return
    yield "    predicted:"
    for name, value in predicted.items():
        if isinstance(value, str) and "\n" in value.strip():
            yield f"      {name}:"
            yield from (f"        {line}" for line in value.splitlines())
        elif isinstance(value, list) and value:
            yield f"      {name}:"
            yield from (f"        {written_fact(item)}" for item in value)
        else:
            yield f"      {name}: {written_fact(value)}"


def _verb(remedy: str) -> str:
    return remedy.replace("_", " ")
