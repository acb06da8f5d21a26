"""Tell the story of a run or an incident from its entries: every stage, every number, and why nothing was done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from grace.act.healing.telling_measured import MEASURED_TELLERS, expects
from grace.act.healing.telling_restraint import RESTRAINT_TELLERS, Payload, Told
from grace.kit.wording import written_fact, written_members
from grace.model.approval import Answer, Approval
from grace.model.decision import Decision
from grace.model.diagnosis import Diagnosis
from grace.model.escalation import Escalation
from grace.model.events import (
    ApprovalChanged,
    CancelRequested,
    ErrorDetected,
    EventType,
    ExecutionStarted,
    IncidentClosed,
    LocksTaken,
    PlanRefused,
    StepIntended,
    StepNoted,
    TargetChanged,
)
from grace.model.execution import Execution, StepResult, Undoing
from grace.model.incident import Incident
from grace.model.ledger_entry import LedgerEntry
from grace.model.noun import Noun
from grace.model.observation import Mark
from grace.model.plan import Plan
from grace.model.run import Run, RunKind
from grace.model.settlement import Settlement, SettlementKind
from grace.model.snapshot import Snapshot


class Chapter(Noun):
    """One entry told: when, what, and the lines beneath."""

    index: int
    at: datetime
    title: str
    lines: tuple[str, ...] = ()
    run_id: str | None = None


class Telling(Noun):
    """The story: a sentence that says how it ended, and the chapters in order."""

    subject: str
    headline: str
    chapters: tuple[Chapter, ...]


@dataclass(frozen=True, slots=True)
class Since:
    """What a person said of a run after its end, by a run of its own."""

    run_id: str
    kind: RunKind
    by: str
    at: datetime
    settlement: SettlementKind | None
    sentence: str

    @property
    def phrase(self) -> str:
        """Say who did what, and how it ended."""
        word = "kept" if self.kind is RunKind.KEEP else "undone"
        ended = "under way" if self.settlement is None else self.settlement
        return f"since then {word} by {self.by} in {self.run_id} ({ended})"


def tell(subject: str, entries: Iterable[LedgerEntry], since: Mapping[str, Since] = MappingProxyType({})) -> Telling:
    """Tell entries in their order; the headline is the last settlement's sentence, or where things stand.

    `since` says by run what was said of it after its end: nobody is told to do what was done.
    """
    told = [(entry, _overtaken(_chapter(entry), entry, since)) for entry in entries]
    settled = [entry for entry, _ in told if entry.type is EventType.RUN_SETTLED and entry.payload]
    if settled:
        settlement = Settlement.from_json(settled[-1].payload or {})
        reason = f" ({settlement.reason})" if settlement.reason else ""
        later = since.get(settlement.run_id)
        headline = f"{settlement.kind}{reason}: {settlement.sentence}" + (f"; {later.phrase}" if later else "")
    elif told:
        headline = f"open, last: {told[-1][1].title}"
    else:
        headline = "nothing is on the record"
    return Telling(subject=subject, headline=headline, chapters=tuple(chapter for _, chapter in told))


def _overtaken(chapter: Chapter, entry: LedgerEntry, since: Mapping[str, Since]) -> Chapter:
    """Tell what came of an end since, instead of what a person could do about it then."""
    later = since.get(entry.run_id or "")
    if later is None or entry.payload is None:
        return chapter
    match entry.type:
        case EventType.RUN_SETTLED:
            settlement = Settlement.from_json(entry.payload)
            quarantined = (f"{target} was quarantined" for target in settlement.quarantines)
            lines = (settlement.sentence, *quarantined, later.phrase, *filter(None, (later.sentence,)))
        case EventType.INCIDENT_ESCALATED:
            lines = (*chapter.lines[:-1], later.phrase)
        case _:
            return chapter
    return chapter.model_copy(update={"lines": lines})


def _chapter(entry: LedgerEntry) -> Chapter:
    if entry.payload is None:
        title, lines = f"{entry.type} (payload erased)", ()
    else:
        teller = _TELLERS.get(entry.type)
        title, lines = (str(entry.type), ()) if teller is None else teller(entry.payload)
    return Chapter(index=entry.index, at=entry.at, title=title, lines=tuple(lines), run_id=entry.run_id)


def _detected(payload: Payload) -> Told:
    seen = ErrorDetected.from_json(payload)
    return f"error detected in {seen.service} ({seen.environment}): {seen.title}", (
        f"severity {seen.severity}, {seen.count} so far, fingerprint {seen.fingerprint}",
    )


def _incident(payload: Payload) -> Told:
    incident = Incident.from_json(payload)
    return f"incident {incident.id} opened, occurrence {incident.occurrence}: {incident.title}", (
        f"first signal {incident.signal_id} at {incident.first_seen.isoformat()}",
    )


def _closed(payload: Payload) -> Told:
    closed = IncidentClosed.from_json(payload)
    return f"incident closed by {closed.by}", (closed.reason,)


def _escalated(payload: Payload) -> Told:
    handed = Escalation.from_json(payload)
    return f"handed over to {handed.to}: {handed.why}", (
        *(f"tried without success: {playbook}" for playbook in handed.tried),
        *(f"considered {one}" for one in handed.considered),
        *handed.suggestions,
        f"next: {handed.next}",
    )


def _opened(payload: Payload) -> Told:
    run = Run.from_json(payload)
    about = f" of {run.of_run}" if run.of_run else ""
    lines = [f"playbook {run.playbook}, {written_members(run.inputs) or 'no inputs'}"] if run.playbook else []
    return f"{run.kind}{about} opened by {run.requested_by}", (*lines, *([run.reason] if run.reason else []))


def _diagnosed(payload: Payload) -> Told:
    diagnosis = Diagnosis.from_json(payload)
    return f"diagnosis: {diagnosis.cause}, confidence {diagnosis.confidence:.2f}", (
        *(f"{item.what} ({item.where}; rule {item.rule}; {item.source})" for item in diagnosis.evidence),
        *(f"not {other.cause} ({other.confidence:.2f}): {other.why}" for other in diagnosis.alternatives),
    )


def _planned(payload: Payload) -> Told:
    plan = Plan.from_json(payload)
    return f"plan {plan.digest}: {plan.playbook} {plan.version}, {plan.reversibility}", (
        plan.summary,
        *(f"found {found.id} with {found.uses}: {written_fact(found.result)}" for found in plan.finds),
        *(
            f"step {step.id}: {step.uses} {written_members(step.parameters)} on "
            + ", ".join(target.key for target in step.targets)
            for step in plan.steps
        ),
        *(f"step {skipped.id} skipped: {skipped.why}" for skipped in plan.skipped),
        *(f"{clause.phase}: {expects(clause)}" for clause in plan.contract.clauses),
        f"when violated {plan.on_violated}, when inconclusive {plan.on_inconclusive}",
    )


def _plan_refused(payload: Payload) -> Told:
    refused = PlanRefused.from_json(payload)
    return "no plan was made", (refused.why, *(f"considered {item}" for item in refused.considered))


def _decided(payload: Payload) -> Told:
    decision = Decision.from_json(payload)
    asks = f", asks {decision.quorum}" if decision.asks else ""
    return f"decision: {decision.ruling} by rule {decision.rule}{asks}, mode {decision.mode}", (
        decision.reason,
        f"policy {decision.policy_digest} ({decision.engine})",
        *decision.errors,
    )


def _asked(payload: Payload) -> Told:
    approval = Approval.from_json(payload)
    return f"approval {approval.id} asked of {approval.quorum}", (
        f"until {approval.expires_at.isoformat()}, then no; {approval.requester} may not answer",
    )


def _answered(payload: Payload) -> Told:
    answer = Answer.from_json(payload)
    return f"{answer.by} said {'yes' if answer.grants else 'no'} to {answer.plan_digest}", (
        answer.reason,
    ) if answer.reason else ()


def _approval_changed(word: str) -> Callable[[Payload], Told]:
    def told(payload: Payload) -> Told:
        changed = ApprovalChanged.from_json(payload)
        return f"approval {changed.approval_id} {word}", (changed.reason,) if changed.reason else ()

    return told


def _locked(payload: Payload) -> Told:
    locks = LocksTaken.from_json(payload)
    return f"locks taken under fence {locks.fence}", locks.targets


def _kept(payload: Payload) -> Told:
    snapshot = Snapshot.from_json(payload)
    return f"snapshot {snapshot.id}: {len(snapshot.objects)} objects, {len(snapshot.evidence)} pieces of evidence", (
        *(f"{item.target.key} {item.digest} {written_members(item.facts)}".rstrip() for item in snapshot.objects),
        *(f"evidence {item.source} {item.digest}, {item.size} bytes" for item in snapshot.evidence),
    )


def _started(payload: Payload) -> Told:
    started = ExecutionStarted.from_json(payload)
    return f"execution started under fence {started.fence}", ()


def _intended(payload: Payload) -> Told:
    intended = StepIntended.from_json(payload)
    verb = "compensate" if intended.compensates else "do"
    return f"about to {verb} {intended.step_id} ({intended.uses})", ()


def _noted(payload: Payload) -> Told:
    noted = StepNoted.from_json(payload)
    return f"noted for {noted.step_id}", (written_members(noted.handle),)


def _finished(payload: Payload) -> Told:
    result = StepResult.from_json(payload)
    took = (result.finished_at - result.started_at).total_seconds()
    return f"{result.id} is {result.state} after {took:.3f} s", (
        *([result.why] if result.why else []),
        *(f"{name}: {written_fact(value)}" for name, value in result.output.items()),
        *(f"{target} now {digest}" for target, digest in result.ours.items()),
    )


def _executed(payload: Payload) -> Told:
    execution = Execution.from_json(payload)
    took = (execution.finished_at - execution.started_at).total_seconds()
    return f"execution finished after {took:.3f} s: {len(execution.steps)} steps", (
        execution.stopped,
    ) if execution.stopped else ()


def _undone(payload: Payload) -> Told:
    undoing = Undoing.from_json(payload)
    if not (undoing.compensations or undoing.restorations or undoing.unrecoverable):
        return "way back: nothing was written, there was nothing to take back", ()
    return f"way back: {'complete' if undoing.is_complete else 'NOT complete'}", (
        *(f"undo of {item.id} with {item.uses}: {item.state} {item.why}".rstrip() for item in undoing.compensations),
        *(
            f"{item.target.key}: {item.state} before {item.before} now {item.now} {item.difference}".rstrip()
            for item in undoing.restorations
        ),
        *undoing.unrecoverable,
    )


def _settled(payload: Payload) -> Told:
    settlement = Settlement.from_json(payload)
    reason = f" ({settlement.reason})" if settlement.reason else ""
    return f"settled: {settlement.kind}{reason}", (
        settlement.sentence,
        *(f"{target} is quarantined until a person keeps or undoes the run" for target in settlement.quarantines),
    )


def _target(word: str) -> Callable[[Payload], Told]:
    def told(payload: Payload) -> Told:
        changed = TargetChanged.from_json(payload)
        return f"{changed.target} {word} by {changed.by}", (changed.why,) if changed.why else ()

    return told


def _cancelled(payload: Payload) -> Told:
    request = CancelRequested.from_json(payload)
    return f"{request.by} asked to cancel", (request.reason,) if request.reason else ()


def _marked(payload: Payload) -> Told:
    mark = Mark.from_json(payload)
    return f"{mark.by} calls it {mark.word}", (mark.note,) if mark.note else ()


_TELLERS: dict[EventType, Callable[[Payload], Told]] = {
    EventType.ERROR_DETECTED: _detected,
    EventType.INCIDENT_OPENED: _incident,
    EventType.INCIDENT_UPDATED: _incident,
    EventType.INCIDENT_CLOSED: _closed,
    EventType.INCIDENT_ESCALATED: _escalated,
    EventType.RUN_OPENED: _opened,
    EventType.RUN_CANCEL_REQUESTED: _cancelled,
    EventType.RUN_SETTLED: _settled,
    EventType.RUN_MARKED: _marked,
    EventType.DIAGNOSIS_MADE: _diagnosed,
    EventType.PLAN_MADE: _planned,
    EventType.PLAN_REFUSED: _plan_refused,
    EventType.DECISION_MADE: _decided,
    EventType.APPROVAL_REQUESTED: _asked,
    EventType.APPROVAL_ANSWERED: _answered,
    EventType.APPROVAL_GRANTED: _approval_changed("granted"),
    EventType.APPROVAL_REJECTED: _approval_changed("rejected"),
    EventType.APPROVAL_EXPIRED: _approval_changed("expired"),
    EventType.APPROVAL_USED: _approval_changed("used"),
    EventType.LOCKS_TAKEN: _locked,
    EventType.SNAPSHOT_TAKEN: _kept,
    EventType.EXECUTION_STARTED: _started,
    EventType.STEP_INTENDED: _intended,
    EventType.STEP_NOTED: _noted,
    EventType.STEP_FINISHED: _finished,
    EventType.EXECUTION_FINISHED: _executed,
    EventType.UNDO_FINISHED: _undone,
    EventType.TARGET_QUARANTINED: _target("quarantined"),
    EventType.TARGET_RELEASED: _target("released"),
    **MEASURED_TELLERS,
    **RESTRAINT_TELLERS,
}
