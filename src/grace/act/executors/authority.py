"""Authority: what the record says about a warrant, read from the ledger and the locks, never from memory."""

from __future__ import annotations

import sqlite3
from typing import Final

from grace.model.decision import Decision
from grace.model.events import ApprovalChanged
from grace.model.plan import Plan, PlannedStep
from grace.model.run import Run, RunKind
from grace.model.warrant import Refusal, Warrant
from grace.record import Reader
from grace.record.reading import Find, find_among, noun_at

_HALTS: Final = "SELECT id FROM halts WHERE ended_at IS NULL AND scope IN ('*', ?) LIMIT 1"
_HOLDER: Final = "SELECT run_id, fence FROM resource_locks WHERE target = ?"


class RecordedAuthority:
    """Reads decision, approval, halt, locks, fence, quarantine and settlement for one warrant."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def refuses_deed(self, warrant: Warrant, plan: Plan, step: PlannedStep) -> Refusal | None:
        """Return why this step of this plan may not be executed now, or None."""
        stages = ("opened", "settled", "decision", "approval.used", _intent(step))
        with self._reader.state() as driver:
            find = find_among(driver, [f"{warrant.run_id}/{stage}" for stage in stages])
            run = noun_at(find, f"{warrant.run_id}/opened", Run)
            if run is None or run.kind is not RunKind.HEAL:
                return Refusal(rule="no-run", why=f"there is no healing run {warrant.run_id} on the record")
            return (
                _settled(find, warrant)
                or _undecided(find, warrant)
                or _halted(driver, plan)
                or _out_of_scope(driver, warrant, step)
                or _unintended(find, warrant, step)
            )

    def refuses_way_back(self, warrant: Warrant, plan: Plan, step: PlannedStep) -> Refusal | None:
        """Return why this step may not be compensated now, or None. A halt is no reason."""
        with self._reader.state() as driver:
            find = find_among(driver, [f"{warrant.run_id}/{stage}" for stage in ("opened", "settled")])
            run = noun_at(find, f"{warrant.run_id}/opened", Run)
            if run is None or run.kind is RunKind.KEEP:
                return Refusal(rule="no-run", why=f"there is no run {warrant.run_id} on the record that may undo")
            return (
                _settled(find, warrant)
                or _not_begun(driver, run.of_run or run.id, plan, step)
                or _out_of_scope(driver, warrant, step)
            )


def _intent(step: PlannedStep) -> str:
    return f"step/{step.id}/intended/1"


def _settled(find: Find, warrant: Warrant) -> Refusal | None:
    if find(f"{warrant.run_id}/settled") is None:
        return None
    return Refusal(rule="settled", why=f"{warrant.run_id} is settled, and a settlement is final")


def _not_begun(driver: sqlite3.Connection, begun_by: str, plan: Plan, step: PlannedStep) -> Refusal | None:
    """Hold the plan to the one that the run which began the step has executed."""
    find = find_among(driver, [f"{begun_by}/{stage}" for stage in ("plan", _intent(step))])
    if find(f"{begun_by}/{_intent(step)}") is None:
        return Refusal(rule="not-begun", why=f"step {step.id} was never begun by {begun_by}")
    executed = noun_at(find, f"{begun_by}/plan", Plan)
    if executed is None or executed.digest != plan.digest_now():
        return Refusal(rule="digest", why=f"{begun_by} executed another plan")
    return None


def _undecided(find: Find, warrant: Warrant) -> Refusal | None:
    digest = warrant.plan_digest
    decision = noun_at(find, f"{warrant.run_id}/decision", Decision)
    if decision is None or decision.plan_digest != digest:
        return Refusal(rule="no-decision", why=f"no decision on {digest} stands for {warrant.run_id}")
    if not decision.allows:
        return Refusal(rule="denied", why=f"rule {decision.rule} does not allow it: {decision.reason}")
    if not decision.asks:
        return None
    used = noun_at(find, f"{warrant.run_id}/approval.used", ApprovalChanged)
    if used is None or used.plan_digest != digest:
        return Refusal(
            rule="no-approval",
            why=f"rule {decision.rule} asks {decision.quorum} to agree, and no approval of {digest} was used",
            next=f"grace approve {warrant.run_id}",
        )
    return None


def _halted(driver: sqlite3.Connection, plan: Plan) -> Refusal | None:
    row = driver.execute(_HALTS, (plan.service,)).fetchone()
    if row is None:
        return None
    return Refusal(rule="halted", why=f"halt {row[0]} stops new deeds for {plan.service}", next="grace halt --end")


def _out_of_scope(driver: sqlite3.Connection, warrant: Warrant, step: PlannedStep) -> Refusal | None:
    for target in step.targets:
        held = driver.execute(_HOLDER, (target.key,)).fetchone()
        if held != (warrant.run_id, warrant.fence):
            why = f"{warrant.run_id} does not hold {target.key} under fence {warrant.fence}"
            return Refusal(rule="lock", why=why)
    return None


def _unintended(find: Find, warrant: Warrant, step: PlannedStep) -> Refusal | None:
    if find(f"{warrant.run_id}/{_intent(step)}") is None:
        return Refusal(rule="intent", why=f"no intent for step {step.id} is on the record")
    return None
