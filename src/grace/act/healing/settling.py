"""Settle: the one, final end, written together with everything that follows from it."""

from __future__ import annotations

from pydantic import JsonValue

from grace.act.healing import locks
from grace.act.healing.escalating import Escalating
from grace.act.healing.story import Stop, Story
from grace.model.decision import Decision
from grace.model.escalation import Escalation
from grace.model.events import EventType, IncidentClosed, TargetChanged
from grace.model.execution import Execution, StepState, Undoing
from grace.model.ledger_entry import Draft
from grace.model.plan import Plan, Remedy, Reversibility
from grace.model.run import Run, RunKind
from grace.model.settlement import AbortReason, Settlement, SettlementKind
from grace.model.snapshot import RestoreState
from grace.model.verdict import Finding, Verdict
from grace.record import Transaction
from grace.record.reading import noun_at

_CLOSED_TARGETS = frozenset({SettlementKind.HELD, SettlementKind.NOT_RESTORED})


class Settling:
    """Writes settlements."""

    def __init__(self, escalating: Escalating) -> None:
        self._escalating = escalating

    async def settle(self, story: Story, stop: Stop, plan: Plan | None = None) -> Settlement:
        """Return the settlement that stands; in its transaction locks go, incidents close or are handed over."""
        closes = stop.kind in _CLOSED_TARGETS and plan is not None
        proposed = Settlement(
            run_id=story.run.id,
            kind=stop.kind,
            reason=stop.reason,
            sentence=stop.sentence,
            quarantines=tuple(target.key for target in plan.targets) if closes and plan else (),
            at=story.clock.now(),
        )
        escalation = await self._escalating.of(story, proposed)

        async def once() -> JsonValue:
            await story.unit(lambda tx: self._write(tx, story, proposed, escalation))
            return None

        await story.engine.step("settle", once)
        standing = story.standing("settled", Settlement)
        if standing is None:
            await once()
        return story.standing("settled", Settlement) or proposed

    def _write(self, tx: Transaction, story: Story, proposed: Settlement, escalation: Escalation | None) -> None:
        entry = tx.append(story.draft("settled", EventType.RUN_SETTLED, proposed))
        settled = proposed if entry.payload is None else Settlement.from_json(entry.payload)
        if escalation is not None and settled == proposed:
            tx.append(story.draft("escalated", EventType.INCIDENT_ESCALATED, escalation))
        for target in settled.quarantines:
            tx.append(self._target(story, EventType.TARGET_QUARANTINED, target, settled.sentence))
        if story.run.kind is not RunKind.HEAL and settled.kind in {
            SettlementKind.COMMITTED,
            SettlementKind.ROLLED_BACK,
        }:
            for target in _quarantined_by(tx, story.run.of_run):
                tx.append(self._target(story, EventType.TARGET_RELEASED, target, story.run.reason))
        if story.run.incident_id and (_ends_incident(story.run, settled.kind) or _is_kept(tx, story.run, settled.kind)):
            by = "grace" if story.run.kind is RunKind.HEAL else story.run.requested_by
            closed = IncidentClosed(
                incident_id=story.run.incident_id, by=by, reason=settled.sentence, run_id=story.run.id
            )
            tx.append(story.draft("incident.closed", EventType.INCIDENT_CLOSED, closed))
        locks.release(tx, story.run.id)

    def _target(self, story: Story, type_: EventType, target: str, why: str) -> Draft:
        changed = TargetChanged(target=target, run_id=story.run.id, by=story.run.requested_by, why=why)
        return story.draft(f"{type_}/{target}", type_, changed)


def _ends_incident(run: Run, settlement: SettlementKind) -> bool:
    """Tell whether nothing is left to be done; what was opened for one command ends with it, but for held targets."""
    if run.kind is not RunKind.HEAL:
        return False
    is_own = run.by_hand is not None and run.by_hand.has_own_incident
    return settlement is SettlementKind.COMMITTED or (is_own and settlement not in _CLOSED_TARGETS)


def _is_kept(tx: Transaction, run: Run, settlement: SettlementKind) -> bool:
    """Tell whether a person calls what an incident was opened for well: as it stands now, and nobody works on it."""
    if run.kind is not RunKind.KEEP or settlement is not SettlementKind.COMMITTED:
        return False
    kept = noun_at(tx.find, f"{run.of_run}/opened", Run)
    standing = tx.connection.exec_driver_sql(
        "SELECT json_extract(doc, '$.occurrence') FROM incidents WHERE id = :incident AND state = 'open' AND NOT EXISTS"
        " (SELECT 1 FROM runs WHERE incident_id = :incident AND kind = 'heal' AND settlement IS NULL)",
        {"incident": run.incident_id},
    ).scalar()
    return kept is not None and standing == kept.occurrence


def _quarantined_by(tx: Transaction, run_id: str | None) -> list[str]:
    rows = tx.connection.exec_driver_sql(
        "SELECT DISTINCT target FROM quarantines WHERE ended_at IS NULL"
        " AND (run_id = ? OR run_id IN (SELECT id FROM runs WHERE of_run = ?)) ORDER BY target",
        (run_id or "", run_id or ""),
    )
    return [str(row[0]) for row in rows]


def not_allowed(decision: Decision) -> Stop:
    """Say why the policy or the mode does not let the plan through."""
    if decision.observes:
        would = {1: "act alone", 2: "ask one person", 3: f"ask {decision.quorum} people"}[decision.ruling.tier or 1]
        said = f"observe mode: nothing was touched; rule {decision.rule} would have let it {would}"
        return Stop(kind=SettlementKind.OBSERVED, sentence=said)
    return Stop(kind=SettlementKind.DENIED, sentence=f"rule {decision.rule}: {decision.reason}")


def not_begun(execution: Execution) -> Stop:
    """Nothing got past the gate: somebody stopped the run, or the gate refused its first step."""
    reason = execution.stop_reason or AbortReason.PRECONDITION
    return Stop(kind=SettlementKind.ABORTED, reason=reason, sentence=f"nothing was written: {execution.stopped}")


def committed(verdict: Verdict) -> Stop:
    """Every required clause was measured and met."""
    return Stop(kind=SettlementKind.COMMITTED, sentence=verdict.why)


def remedy(plan: Plan, execution: Execution, verdict: Verdict) -> Remedy:
    """Return what follows when the contract is not met: an execution that did not finish always goes back."""
    if not execution.is_done:
        return Remedy.ROLL_BACK
    return plan.on_violated if verdict.finding is Finding.VIOLATED else plan.on_inconclusive


def held(verdict: Verdict) -> Stop:
    """Leave the change in place until a person keeps or undoes it."""
    said = f"{verdict.why}; the change stays in place until a person keeps or undoes it"
    return Stop(kind=SettlementKind.HELD, sentence=said)


def undone(plan: Plan, why: str, undoing: Undoing, execution: Execution) -> Stop:
    """Everything is equal again, or it is said loudly that it is not."""
    if undoing.is_complete:
        return Stop(kind=SettlementKind.ROLLED_BACK, sentence=f"{why}; {_way_back(undoing, execution)}")
    missing = [
        *undoing.unrecoverable,
        *(
            f"{item.target.id}: {item.state} {item.difference}".strip()
            for item in undoing.restorations
            if not item.is_back
        ),
        *(
            f"undo of {item.id}: {item.state} {item.why}".strip()
            for item in undoing.compensations
            if item.state is not StepState.DONE
        ),
    ]
    prefix = "it cannot be undone" if plan.reversibility is Reversibility.IRREVERSIBLE else "not everything is back"
    return Stop(kind=SettlementKind.NOT_RESTORED, sentence=f"{why}; {prefix}: " + "; ".join(missing))


def _way_back(undoing: Undoing, execution: Execution) -> str:
    """Say what a complete way back did: what was given back or compensated, what never differed, or nothing at all."""
    equal = sum(item.state is RestoreState.EQUAL for item in undoing.restorations)
    as_before = len(undoing.restorations) - equal
    said = [
        *([f"{_counted(equal, 'object')} equal again"] if equal else []),
        *([f"{_counted(len(undoing.compensations), 'write')} compensated"] if undoing.compensations else []),
    ]
    untouched = f"{_counted(as_before, 'object')} never differed" if as_before else ""
    if said:
        return "undone, " + ", ".join([*said, *([untouched] if untouched else [])])
    if untouched:
        return f"nothing was left to undo, {untouched}"
    begun = "; ".join(f"step {step.id} {step.state}: {step.why}" for step in execution.steps)
    return f"nothing was written, and so no undo was sent ({begun})"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' if count != 1 else ''}"
