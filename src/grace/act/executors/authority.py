"""Authority: what the record says about a warrant, read from the ledger and the locks, never from memory."""

from __future__ import annotations

from typing import Final

from grace.model.decision import Decision
from grace.model.events import ApprovalChanged
from grace.model.plan import Plan, PlannedStep
from grace.model.run import Run, RunKind
from grace.model.warrant import Refusal, Warrant
from grace.record import Reader
from grace.record.reading import noun_at
from grace.record.store.engine import driver_connection

_HALTS: Final = "SELECT id FROM halts WHERE ended_at IS NULL AND scope IN ('*', ?) LIMIT 1"
_HOLDER: Final = "SELECT run_id, fence FROM resource_locks WHERE target = ?"


class RecordedAuthority:
    """Reads decision, approval, halt, locks, fence, quarantine and settlement for one warrant."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def refuses_deed(self, warrant: Warrant, plan: Plan, step: PlannedStep) -> Refusal | None:
        """Return why this step of this plan may not be executed now, or None."""
        run = noun_at(self._reader.find, f"{warrant.run_id}/opened", Run)
        if run is None or run.kind is not RunKind.HEAL:
            return Refusal(rule="no-run", why=f"there is no healing run {warrant.run_id} on the record")
        return (
            self._settled(warrant)
            or self._undecided(warrant, plan)
            or self._halted(plan)
            or self._out_of_scope(warrant, step)
            or self._unintended(warrant, step)
        )

    def refuses_way_back(self, warrant: Warrant, plan: Plan, step: PlannedStep) -> Refusal | None:
        """Return why this step may not be compensated now, or None. A halt is no reason."""
        run = noun_at(self._reader.find, f"{warrant.run_id}/opened", Run)
        if run is None or run.kind is RunKind.KEEP:
            return Refusal(rule="no-run", why=f"there is no run {warrant.run_id} on the record that may undo")
        begun_by = run.of_run or run.id
        if self._settled(warrant) is not None:
            return self._settled(warrant)
        if self._reader.find(f"{begun_by}/step/{step.id}/intended/1") is None:
            return Refusal(rule="not-begun", why=f"step {step.id} was never begun by {begun_by}")
        executed = noun_at(self._reader.find, f"{begun_by}/plan", Plan)
        if executed is None or executed.digest != plan.digest:
            return Refusal(rule="digest", why=f"{begun_by} executed another plan")
        return self._out_of_scope(warrant, step)

    def _settled(self, warrant: Warrant) -> Refusal | None:
        if self._reader.find(f"{warrant.run_id}/settled") is None:
            return None
        return Refusal(rule="settled", why=f"{warrant.run_id} is settled, and a settlement is final")

    def _undecided(self, warrant: Warrant, plan: Plan) -> Refusal | None:
        decision = noun_at(self._reader.find, f"{warrant.run_id}/decision", Decision)
        if decision is None or decision.plan_digest != plan.digest:
            return Refusal(rule="no-decision", why=f"no decision on {plan.digest} stands for {warrant.run_id}")
        if not decision.allows:
            return Refusal(rule="denied", why=f"rule {decision.rule} does not allow it: {decision.reason}")
        if not decision.asks:
            return None
        used = noun_at(self._reader.find, f"{warrant.run_id}/approval.used", ApprovalChanged)
        if used is None or used.plan_digest != plan.digest:
            return Refusal(
                rule="no-approval",
                why=f"rule {decision.rule} asks {decision.quorum} to agree, and no approval of {plan.digest} was used",
                next=f"grace approve {warrant.run_id}",
            )
        return None

    def _halted(self, plan: Plan) -> Refusal | None:
        with self._reader.read() as connection:
            row = driver_connection(connection).execute(_HALTS, (plan.service,)).fetchone()
        if row is None:
            return None
        return Refusal(rule="halted", why=f"halt {row[0]} stops new deeds for {plan.service}", next="grace halt --end")

    def _out_of_scope(self, warrant: Warrant, step: PlannedStep) -> Refusal | None:
        with self._reader.read() as connection:
            for target in step.targets:
                held = driver_connection(connection).execute(_HOLDER, (target.key,)).fetchone()
                if held != (warrant.run_id, warrant.fence):
                    why = f"{warrant.run_id} does not hold {target.key} under fence {warrant.fence}"
                    return Refusal(rule="lock", why=why)
        return None

    def _unintended(self, warrant: Warrant, step: PlannedStep) -> Refusal | None:
        if self._reader.find(f"{warrant.run_id}/step/{step.id}/intended/1") is None:
            return Refusal(rule="intent", why=f"no intent for step {step.id} is on the record")
        return None
