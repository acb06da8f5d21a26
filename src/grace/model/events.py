"""Every event type there is, with the noun it carries. One registry, checked at start."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import JsonValue

from grace.model.approval import Answer, Approval
from grace.model.decision import Decision
from grace.model.diagnosis import Diagnosis
from grace.model.drill import Drill
from grace.model.escalation import Escalation
from grace.model.execution import Aftermath, Execution, StepResult, Undoing
from grace.model.incident import Incident
from grace.model.noun import Noun
from grace.model.observation import Mark, Observation
from grace.model.plan import Plan
from grace.model.restraint import BreakerChanged, FlappingChanged, RestraintLifted, RunDeferred
from grace.model.run import Run
from grace.model.settlement import Settlement
from grace.model.snapshot import KeptEvidence, Snapshot
from grace.model.verdict import Benchmark, Verdict


class EventType(StrEnum):
    """Past tense and few."""

    ERROR_DETECTED = "error.detected"
    INCIDENT_OPENED = "incident.opened"
    INCIDENT_UPDATED = "incident.updated"
    INCIDENT_ESCALATED = "incident.escalated"
    INCIDENT_CLOSED = "incident.closed"
    INCIDENT_FLAPPING_STARTED = "incident.flapping_started"
    INCIDENT_FLAPPING_ENDED = "incident.flapping_ended"
    RUN_DEFERRED = "run.deferred"
    RUN_OPENED = "run.opened"
    RUN_CANCEL_REQUESTED = "run.cancel_requested"
    RUN_SETTLED = "run.settled"
    DIAGNOSIS_MADE = "diagnosis.made"
    PLAN_MADE = "plan.made"
    PLAN_REFUSED = "plan.refused"
    DECISION_MADE = "decision.made"
    APPROVAL_REQUESTED = "approval.requested"
    APPROVAL_ANSWERED = "approval.answered"
    APPROVAL_GRANTED = "approval.granted"
    APPROVAL_REJECTED = "approval.rejected"
    APPROVAL_EXPIRED = "approval.expired"
    APPROVAL_USED = "approval.used"
    LOCKS_TAKEN = "locks.taken"
    PRECONDITIONS_READ = "preconditions.read"
    EVIDENCE_KEPT = "evidence.kept"
    SNAPSHOT_TAKEN = "snapshot.taken"
    SNAPSHOT_RESTORED = "snapshot.restored"
    EXECUTION_STARTED = "execution.started"
    STEP_INTENDED = "step.intended"
    STEP_NOTED = "step.noted"
    STEP_FINISHED = "step.finished"
    EXECUTION_FINISHED = "execution.finished"
    BENCHMARK_FINISHED = "benchmark.finished"
    BENCHMARK_MADE_GOLDEN = "benchmark.made_golden"
    VERDICT_REACHED = "verdict.reached"
    UNDO_STARTED = "undo.started"
    UNDO_FINISHED = "undo.finished"
    AFTERMATH_MEASURED = "aftermath.measured"
    TARGET_QUARANTINED = "target.quarantined"
    TARGET_RELEASED = "target.released"
    BREAKER_OPENED = "breaker.opened"
    BREAKER_CLOSED = "breaker.closed"
    RESTRAINT_LIFTED = "restraint.lifted"
    POLICY_CHANGED = "policy.changed"
    PLAYBOOK_LOADED = "playbook.loaded"
    KNOWLEDGE_LOADED = "knowledge.loaded"
    HALT_STARTED = "halt.started"
    HALT_ENDED = "halt.ended"
    PAYLOAD_ERASED = "payload.erased"
    TOKEN_ISSUED = "token.issued"  # noqa: S105 - the name of an event, not a secret
    TOKEN_REVOKED = "token.revoked"  # noqa: S105 - the name of an event, not a secret
    SERVER_STARTED = "server.started"
    SUBSCRIBER_DISABLED = "subscriber.disabled"
    SUBSCRIBER_ENABLED = "subscriber.enabled"
    SUBSCRIBER_REWOUND = "subscriber.rewound"
    DEAD_LETTERS_REQUEUED = "dead_letters.requeued"
    DEAD_LETTERS_DISCARDED = "dead_letters.discarded"
    OBSERVATION_JUDGED = "observation.judged"
    RUN_MARKED = "run.marked"
    DRILL_STARTED = "drill.started"
    DRILL_ENDED = "drill.ended"


class ErrorDetected(Noun):
    """A signal opened or reopened an incident, or its count reached a power of ten."""

    incident_id: str
    signal_id: str
    service: str
    environment: str
    fingerprint: str
    title: str
    severity: str
    count: int


class IncidentClosed(Noun):
    """Why an incident was closed: healed by a run, or by a person."""

    incident_id: str
    by: str
    reason: str
    run_id: str | None = None


class PlanRefused(Noun):
    """No plan could be made: unknown cause, no playbook, a find that was unknown, a target outside the allowance."""

    run_id: str
    why: str
    considered: tuple[str, ...] = ()


class ApprovalChanged(Noun):
    """An approval moved to a final or granted state."""

    approval_id: str
    run_id: str
    plan_digest: str
    by: str
    reason: str = ""


class LocksTaken(Noun):
    """The run holds its targets under this fencing number."""

    run_id: str
    targets: tuple[str, ...]
    fence: int


class PreconditionsRead(Noun):
    """The `before` clauses and finds as read again under the locks; `stale` and `unmet` are empty when all is well."""

    run_id: str
    readings: dict[str, JsonValue]
    stale: tuple[str, ...] = ()
    unmet: tuple[str, ...] = ()


class ExecutionStarted(Noun):
    """From here on nothing raises past the workflow."""

    run_id: str
    plan_digest: str
    snapshot_id: str
    fence: int


class StepIntended(Noun):
    """Intent before deed."""

    run_id: str
    step_id: str
    uses: str
    compensates: bool = False
    at: datetime


class StepNoted(Noun):
    """A handle that survives a crash, durable before the deed goes on."""

    run_id: str
    step_id: str
    handle: dict[str, JsonValue]
    compensates: bool = False


class CancelRequested(Noun):
    """Someone asked the run to stop at its next safe point."""

    run_id: str
    by: str
    reason: str


class TargetChanged(Noun):
    """A target was quarantined by a run or released by a person's run."""

    target: str
    run_id: str
    by: str
    why: str


class PolicyChanged(Noun):
    """Another policy set is in force, or the change was refused and the last good one stays."""

    digest: str
    engine: str
    accepted: bool
    why: str = ""


class PlaybookLoaded(Noun):
    """A playbook version and the digest that it may never change under."""

    name: str
    version: str
    digest: str


class KnowledgeLoaded(Noun):
    """Other knowledge is in force than before: its digest, each pack with its own, and what that changed."""

    digest: str
    packs: dict[str, str]
    """The digest of each pack's content, by its name."""
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


class HaltChanged(Noun):
    """New deeds stopped or allowed again: everywhere (`*`) or for one service."""

    halt_id: str
    scope: str
    by: str
    reason: str


class PayloadErased(Noun):
    """The payload of an entry was erased; its digest stays."""

    index: int
    by: str
    reason: str


class TokenChanged(Noun):
    """A token was issued or revoked; its secret is nowhere in the record."""

    token_id: str
    name: str
    role: str
    by: str


class ServerStarted(Noun):
    """A server opened this record."""

    version: str
    policy_digest: str
    recovered: tuple[str, ...] = ()
    adopted: bool = False
    """A person started it with `--adopt-ledger`, and the witness held nothing to check the log against."""


class SubscriberChanged(Noun):
    """A subscriber is gone and gets nothing more, gets entries again, or gets them again from an earlier one on."""

    subscriber: str
    delivered: int
    """It is done with every entry up to this index."""
    by: str
    reason: str


class DeadLettersChanged(Noun):
    """Entries that a subscriber could not take are offered to it again, or never."""

    subscriber: str
    indexes: tuple[int, ...]
    by: str
    reason: str


PAYLOADS: dict[EventType, type[Noun]] = {
    EventType.ERROR_DETECTED: ErrorDetected,
    EventType.INCIDENT_OPENED: Incident,
    EventType.INCIDENT_UPDATED: Incident,
    EventType.INCIDENT_ESCALATED: Escalation,
    EventType.INCIDENT_CLOSED: IncidentClosed,
    EventType.INCIDENT_FLAPPING_STARTED: FlappingChanged,
    EventType.INCIDENT_FLAPPING_ENDED: FlappingChanged,
    EventType.RUN_DEFERRED: RunDeferred,
    EventType.RUN_OPENED: Run,
    EventType.RUN_CANCEL_REQUESTED: CancelRequested,
    EventType.RUN_SETTLED: Settlement,
    EventType.DIAGNOSIS_MADE: Diagnosis,
    EventType.PLAN_MADE: Plan,
    EventType.PLAN_REFUSED: PlanRefused,
    EventType.DECISION_MADE: Decision,
    EventType.APPROVAL_REQUESTED: Approval,
    EventType.APPROVAL_ANSWERED: Answer,
    EventType.APPROVAL_GRANTED: ApprovalChanged,
    EventType.APPROVAL_REJECTED: ApprovalChanged,
    EventType.APPROVAL_EXPIRED: ApprovalChanged,
    EventType.APPROVAL_USED: ApprovalChanged,
    EventType.LOCKS_TAKEN: LocksTaken,
    EventType.PRECONDITIONS_READ: PreconditionsRead,
    EventType.EVIDENCE_KEPT: KeptEvidence,
    EventType.SNAPSHOT_TAKEN: Snapshot,
    EventType.SNAPSHOT_RESTORED: Undoing,
    EventType.EXECUTION_STARTED: ExecutionStarted,
    EventType.STEP_INTENDED: StepIntended,
    EventType.STEP_NOTED: StepNoted,
    EventType.STEP_FINISHED: StepResult,
    EventType.EXECUTION_FINISHED: Execution,
    EventType.BENCHMARK_FINISHED: Benchmark,
    EventType.BENCHMARK_MADE_GOLDEN: Benchmark,
    EventType.VERDICT_REACHED: Verdict,
    EventType.UNDO_STARTED: StepIntended,
    EventType.UNDO_FINISHED: Undoing,
    EventType.AFTERMATH_MEASURED: Aftermath,
    EventType.TARGET_QUARANTINED: TargetChanged,
    EventType.TARGET_RELEASED: TargetChanged,
    EventType.BREAKER_OPENED: BreakerChanged,
    EventType.BREAKER_CLOSED: BreakerChanged,
    EventType.RESTRAINT_LIFTED: RestraintLifted,
    EventType.POLICY_CHANGED: PolicyChanged,
    EventType.PLAYBOOK_LOADED: PlaybookLoaded,
    EventType.KNOWLEDGE_LOADED: KnowledgeLoaded,
    EventType.HALT_STARTED: HaltChanged,
    EventType.HALT_ENDED: HaltChanged,
    EventType.PAYLOAD_ERASED: PayloadErased,
    EventType.TOKEN_ISSUED: TokenChanged,
    EventType.TOKEN_REVOKED: TokenChanged,
    EventType.SERVER_STARTED: ServerStarted,
    EventType.SUBSCRIBER_DISABLED: SubscriberChanged,
    EventType.SUBSCRIBER_ENABLED: SubscriberChanged,
    EventType.SUBSCRIBER_REWOUND: SubscriberChanged,
    EventType.DEAD_LETTERS_REQUEUED: DeadLettersChanged,
    EventType.DEAD_LETTERS_DISCARDED: DeadLettersChanged,
    EventType.OBSERVATION_JUDGED: Observation,
    EventType.RUN_MARKED: Mark,
    EventType.DRILL_STARTED: Drill,
    EventType.DRILL_ENDED: Drill,
}
