"""Escalate: what is not healed, and waits for nobody, is handed to the owner of the service; nothing ends silently."""

from __future__ import annotations

from typing import Final

from grace.act.healing import Counsel
from grace.act.healing.plugs import call, sentence
from grace.act.healing.story import Story
from grace.kit.attempt import Raised
from grace.model.diagnosis import UNKNOWN_CAUSE, Diagnosis
from grace.model.escalation import Advice, Escalation
from grace.model.events import PlanRefused
from grace.model.plan import Plan
from grace.model.run import RunKind
from grace.model.settlement import Settlement, SettlementKind

AUTOMATIC: Final = "grace"
"""Who asks for the runs that nobody asked for."""


class Escalating:
    """Writes hand-overs, after asking what to say in them."""

    def __init__(self, counsel: Counsel) -> None:
        self._counsel = counsel

    async def of(self, story: Story, settlement: Settlement) -> Escalation | None:
        """Return the hand-over that follows a settlement; None where it healed, or a further playbook is tried."""
        run = story.run
        if run.incident_id is None or not _leaves_it_unhealed(run.kind, settlement.kind):
            return None
        diagnosis = story.standing("diagnosis", Diagnosis)
        plan, refused = story.standing("plan", Plan), story.standing("plan.refused", PlanRefused)
        undone = settlement.kind in {SettlementKind.ROLLED_BACK, SettlementKind.NOT_RESTORED}
        failed = plan.playbook if plan is not None and undone else None
        given = await call(lambda: self._counsel.advise(run, diagnosis, failed))
        advice = Advice(suggestions=(sentence(given),)) if isinstance(given, Raised) else given.value
        if climbs_on(run.requested_by, settlement.kind) and advice.next_rung is not None:
            return None
        return Escalation(
            incident_id=run.incident_id,
            run_id=run.id,
            service=run.service,
            environment=run.environment,
            to=advice.owner,
            cause=diagnosis.cause if diagnosis else UNKNOWN_CAUSE,
            settlement=settlement.kind,
            why=settlement.sentence,
            tried=advice.tried,
            considered=refused.considered if refused else (),
            suggestions=advice.suggestions,
            next=_next_step(run.id, run.incident_id, advice, settlement.kind),
            at=settlement.at,
        )


def climbs_on(requested_by: str, settled: SettlementKind) -> bool:
    """Tell whether a further playbook may follow: nobody asked for just this one, and all that it did is undone."""
    return requested_by == AUTOMATIC and settled is SettlementKind.ROLLED_BACK


def _leaves_it_unhealed(kind: RunKind, settled: SettlementKind) -> bool:
    if kind is RunKind.HEAL:
        return settled is not SettlementKind.COMMITTED
    return settled is SettlementKind.NOT_RESTORED


def _next_step(run_id: str, incident_id: str, advice: Advice, settled: SettlementKind) -> str:
    if settled in {SettlementKind.HELD, SettlementKind.NOT_RESTORED}:
        return f"grace keep {run_id}, or grace undo {run_id}"
    if advice.next_rung is not None:
        return f"grace heal {incident_id} --playbook {advice.next_rung}"
    return f"grace explain {incident_id}"
