"""Autonomy: tiers and policies, a question to them, and approvals."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter
from pydantic import Field, JsonValue
from sqlalchemy import ColumnElement, Connection, and_, func, select

from grace.api.access import Admin, Approver, TheHouse, Viewer
from grace.api.paging import AskedPage, Page, rows_of
from grace.api.problems import documented, not_found, refused
from grace.api.routes.asking import AskedAction, question_about
from grace.api.routes.runs import plan_document, run_document
from grace.api.texts import Identifier, Reason
from grace.api.views import ApprovalDetail, ApprovalView, Asked, HaltView, View
from grace.govern.policy.explain import Explanation, explain
from grace.govern.policy.rules import PERMITTING
from grace.model.approval import ApprovalState
from grace.model.decision import Decision
from grace.model.events import PolicyChanged
from grace.model.incident import IncidentState
from grace.model.warrant import Refusal
from grace.record.store.tables import approval_answers, approvals, incidents, quarantines, runs

router = APIRouter(prefix="/api/autonomy", tags=["autonomy"])


class Tier(View):
    tier: int
    ruling: str
    rules: int


class QuarantineView(View):
    """A target that stays closed until a person keeps or undoes the run."""

    target: str
    run_id: str
    since: datetime


class FallView(View):
    """A run that falls over by an accident of ours, and is carried on after a rest that grows."""

    run_id: str
    why: str
    times: int
    at: datetime


class AutonomyStatus(View):
    """How far GRACE may go now, and what is open."""

    tiers: list[Tier]
    open_incidents: int
    handed_over: int
    """Open incidents that were not healed and handed to the owner of their service."""
    open_runs: int
    fallen_runs: list[FallView]
    """Open runs that fell over since the server started: the log says where."""
    pending_approvals: int
    waiting_runs: int
    """Open incidents whose run has not begun: `grace restraint list` says why."""
    flapping_incidents: int
    open_breakers: int
    quarantines: list[QuarantineView]
    policies: int
    policy_digest: str
    policy_problems: list[str]
    """What is wrong with the policy files while the last good ones stay in force."""
    halts: list[HaltView]
    ledger_size: int
    ledger_witnessed: int
    """How many of its entries the newest checkpoint covers that the witness holds."""
    ledger_witnessed_at: datetime | None
    """When the witness took it; null: before this start."""
    ledger_trouble: str | None
    """Why the newest entries are not witnessed at the moment."""
    record_trouble: str | None
    """Why the newest write failed, such as a full disk; null when it stands."""
    record_troubled_at: datetime | None
    """When that was tried; nothing was written since, so it may be mended by now."""
    server_troubles: list[str]
    """What else is wrong with the server itself, such as a clock that was set back, or a thread that fell over."""


class RuleView(View):
    id: str
    effect: str
    reason: str
    quorum: int
    where: str
    tiers: list[int]
    service: str | None
    deed: str | None
    names_irreversible: bool


class Checked(View):
    """What the policy says to one action."""

    allowed: bool
    tier: int | None
    approval: int
    """How many people must agree."""
    rule: str
    reason: str
    decision: Decision
    explanation: JsonValue


class Choice(StrEnum):
    APPROVE = "approve"
    REJECT = "reject"


class Answering(Asked):
    """An answer to exactly the plan that was shown. Who answers is who the token belongs to."""

    decision: Choice
    reason: Reason = ""
    plan_digest: str = Field(max_length=128)


@router.get("/status")
def status(_viewer: Viewer, house: TheHouse) -> AutonomyStatus:
    """Show tiers, what waits, what is stopped, and which policy is in force."""
    rules = house.policy.current.rules
    with house.record.read() as connection:
        pending = _count(connection, approvals.c.state == ApprovalState.WAITING.value)
        handed_over = _count(
            connection,
            and_(
                incidents.c.state == IncidentState.OPEN.value,
                func.json_extract(incidents.c.doc, "$.escalation.to").is_not(None),
            ),
        )
        open_incidents = _count(connection, incidents.c.state == IncidentState.OPEN.value)
        open_runs = _count(connection, runs.c.settlement.is_(None))
        closed = connection.execute(select(quarantines).where(quarantines.c.ended_at.is_(None))).all()
    witnessed = house.record.checkpointer.kept
    restrained = house.restraint.counts()
    return AutonomyStatus(
        tiers=[
            Tier(tier=ruling.tier or 0, ruling=ruling.value, rules=sum(ruling in rule.rulings for rule in rules))
            for ruling in PERMITTING
        ],
        open_incidents=open_incidents,
        handed_over=handed_over,
        open_runs=open_runs,
        fallen_runs=[FallView.model_validate(fall, from_attributes=True) for fall in house.falls()],
        pending_approvals=pending,
        waiting_runs=restrained.waiting,
        flapping_incidents=restrained.flapping,
        open_breakers=restrained.breakers,
        quarantines=[QuarantineView(target=row.target, run_id=row.run_id, since=row.since) for row in closed],
        policies=len(rules),
        policy_digest=house.policy.digest,
        policy_problems=list(house.policy.problems),
        halts=[HaltView.model_validate(halt, from_attributes=True) for halt in house.halts.standing()],
        ledger_size=house.record.head().size,
        ledger_witnessed=witnessed.size,
        ledger_witnessed_at=witnessed.at,
        ledger_trouble=house.record.checkpointer.trouble,
        record_trouble=house.record.writer.trouble,
        server_troubles=list(house.troubles()),
        record_troubled_at=house.record.writer.troubled_at,
    )


@router.get("/policies")
def list_policies(_viewer: Viewer, house: TheHouse) -> Page[RuleView]:
    """List the rules in force with their file and line."""
    return Page(
        items=[
            RuleView(
                id=rule.id,
                effect=rule.effect.value,
                reason=rule.reason,
                quorum=rule.quorum,
                where=rule.where,
                tiers=sorted(ruling.tier or 0 for ruling in rule.rulings),
                service=rule.service,
                deed=rule.deed,
                names_irreversible=rule.names_irreversible,
            )
            for rule in house.policy.current.rules
        ]
    )


@router.post("/policies/reload")
def reload_policies(admin: Admin, house: TheHouse) -> PolicyChanged | None:
    """Read the policy files again; a broken set is recorded and refused. Null: nothing changed."""
    return house.policy.reload(admin.name)


@router.post("/check", responses=documented(HTTPStatus.NOT_FOUND))
def check(body: AskedAction, viewer: Viewer, house: TheHouse) -> Checked:
    """Ask the policy about one action as it would be asked about a plan of one step; nothing is done."""
    told = explain(house.policy.current, question_about(body, house, viewer.name))
    decision = told.decision
    return Checked(
        allowed=decision.allows,
        tier=decision.ruling.tier,
        approval=decision.quorum,
        rule=decision.rule,
        reason=decision.reason,
        decision=decision,
        explanation=_told(told),
    )


@router.get("/approvals")
def list_approvals(
    _viewer: Viewer, house: TheHouse, wanted: AskedPage, state: ApprovalState | None = None
) -> Page[ApprovalView]:
    """List questions to people, newest first."""
    where = [approvals.c.state == state.value] if state else []
    with house.record.read() as connection:
        rows, following = rows_of(connection, approvals, "requested_at", wanted, *where)
        items = [ApprovalView.model_validate({**row, "answers": _answers(connection, row["id"])}) for row in rows]
    return Page(items=items, next_cursor=following)


@router.get("/approvals/{approval_id}", responses=documented(HTTPStatus.NOT_FOUND))
def get_approval(approval_id: Identifier, _viewer: Viewer, house: TheHouse) -> ApprovalDetail:
    """Show a question with the plan and the decision that it is about."""
    found = house.approvals.get(approval_id)
    if found is None:
        not_found("approval", approval_id, "grace status")
    with house.record.read() as connection:
        decision = run_document(connection, found.run_id).get("decision")
        plan = plan_document(connection, found.plan_digest)
    return ApprovalDetail.model_validate({**found.to_json(), "plan": plan, "decision": decision})


@router.post(
    "/approvals/{approval_id}", responses=documented(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.FORBIDDEN)
)
def answer(approval_id: Identifier, body: Answering, approver: Approver, house: TheHouse) -> ApprovalDetail:
    """Say yes or no to exactly one plan."""
    answered = house.approvals.answer(
        approval_id,
        approver.name,
        grants=body.decision is Choice.APPROVE,
        reason=body.reason,
        plan_digest=body.plan_digest,
    )
    if isinstance(answered, Refusal):
        raise refused(answered)
    return get_approval(approval_id, approver, house)


def _count(connection: Connection, condition: ColumnElement[bool]) -> int:
    """Count the rows of the one table that the condition is about."""
    return connection.execute(select(func.count()).where(condition)).scalar_one()


def _answers(connection: Connection, approval_id: str) -> list[dict[Any, Any]]:
    mine = select(approval_answers).where(approval_answers.c.approval_id == approval_id)
    return [dict(row) for row in connection.execute(mine.order_by(approval_answers.c.at)).mappings().all()]


def _told(told: Explanation) -> JsonValue:
    return [
        {
            "step": step.step_id,
            "action": step.uses,
            "ruling": step.ruling,
            "tiers": [
                {"tier": tier.tier, "permitted": tier.permitted, "because": list(tier.because)} for tier in step.tiers
            ],
        }
        for step in told.steps
    ]
