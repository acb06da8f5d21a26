"""What answers look like, one shape per noun, flat where a list shows it; and what every request body has in common."""

from __future__ import annotations

from datetime import datetime

from pydantic import AliasPath, BaseModel, ConfigDict, Field, JsonValue, computed_field

from grace.model.decision import Decision
from grace.model.diagnosis import Diagnosis
from grace.model.escalation import Escalation
from grace.model.events import PlanRefused
from grace.model.plan import Plan
from grace.model.settlement import Settlement
from grace.model.snapshot import Snapshot
from grace.model.verdict import Verdict


class View(BaseModel):
    """An answer; it ignores columns that it does not show."""

    model_config = ConfigDict(extra="ignore", serialize_by_alias=True, defer_build=True)


class Asked(BaseModel):
    """What a caller sends; a field that nobody knows is refused, for it was meant to do something."""

    model_config = ConfigDict(extra="forbid")


class IncidentView(View):
    id: str
    fingerprint: str
    service: str
    environment: str
    state: str
    cause: str | None
    title: str
    count: int
    first_seen: datetime
    last_seen: datetime
    opened_at: datetime
    updated_at: datetime
    escalation: Escalation | None = Field(default=None, validation_alias=AliasPath("doc", "escalation"))
    """To whom it was handed since it was last opened, and why; null while it was not."""


class SignalView(View):
    id: str
    service: str
    environment: str
    at: datetime
    received_at: datetime
    kind: str
    severity: str
    title: str
    doc: JsonValue


class LaterView(View):
    """An undo or keep of a run: who said so and why, and how that ended."""

    id: str
    kind: str
    requested_by: str
    why: str | None
    opened_at: datetime
    settlement: str | None
    settled_at: datetime | None
    sentence: str | None


class RunView(View):
    id: str
    kind: str
    incident_id: str | None
    service: str
    playbook: str | None
    stage: str
    settlement: str | None
    reason: str | None
    tier: int | None
    plan_digest: str | None
    of_run: str | None
    requested_by: str
    opened_at: datetime
    updated_at: datetime
    settled_at: datetime | None
    later: tuple[LaterView, ...]
    """What people said of the run after its end, oldest first."""
    can_be_kept: bool
    can_be_undone: bool


class RunDetail(RunView):
    """A run with what it has come to so far."""

    diagnosis: Diagnosis | None = None
    plan: Plan | None = None
    plan_refused: PlanRefused | None = None
    decision: Decision | None = None
    verdict: Verdict | None = None
    ending: Settlement | None = None


class AnswerView(View):
    by: str
    grants: bool
    reason: str
    at: datetime


class ApprovalView(View):
    id: str
    run_id: str
    plan_digest: str
    requester: str
    quorum: int
    state: str
    requested_at: datetime
    expires_at: datetime
    answers: tuple[AnswerView, ...] = ()


class ApprovalDetail(ApprovalView):
    """Everything that a person must see before they answer."""

    plan: Plan | None = None
    decision: Decision | None = None


class ContractView(View):
    id: str
    """The run that the contract belongs to."""
    plan_digest: str
    verdict: str | None
    doc: JsonValue


class SenderView(View):
    """One process that numbers its signals; what is missing is lost once it is over, and may still come before."""

    id: str
    service: str
    issued: int
    received: int
    is_over: bool
    seen_at: datetime

    @computed_field
    @property
    def missing(self) -> int:
        return max(0, self.issued - self.received)


class SnapshotView(View):
    id: str
    run_id: str
    state: str
    taken_at: datetime


class SnapshotDetail(SnapshotView):
    snapshot: Snapshot


class BenchmarkView(View):
    id: str
    run_id: str | None
    service: str
    name: str
    passed: bool | None
    golden: bool
    at: datetime
    doc: JsonValue


class HaltView(View):
    id: str
    scope: str
    by: str
    reason: str
    since: datetime
    ended_at: datetime | None


class TokenView(View):
    id: str
    name: str
    role: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class IssuedView(TokenView):
    secret: str
    """Shown this once; only its hash is kept."""


class EntryView(View):
    index: int
    key: str
    type: str
    at: datetime
    actor: str
    run_id: str | None
    incident_id: str | None
    service: str | None
    payload_digest: str
    payload: JsonValue
