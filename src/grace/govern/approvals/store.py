"""The one approval store: every question, answer and use is an entry, checked inside the writer's transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import text

from grace.govern.approvals.question import approval_id_of, key_of, read_question, run_id_of
from grace.kit.clock import Clock, to_rfc3339
from grace.kit.cuts import cut
from grace.kit.person_names import folded
from grace.model.approval import Answer, Approval, ApprovalState
from grace.model.events import ApprovalChanged, EventType
from grace.model.ledger_entry import Draft
from grace.model.noun import Noun
from grace.model.run import Run
from grace.model.warrant import Refusal
from grace.record import Journal, Reader, Transaction

CLOCK_ACTOR: Final = "grace"


class ApprovalConflictError(RuntimeError):
    """A run asks about a second plan; a run has one plan."""

    def __init__(self, run_id: str, asked: str, standing: str) -> None:
        self.run_id = run_id
        super().__init__(f"{run_id} asked about {standing} and cannot ask about {asked}: a run has one plan.")


@dataclass(frozen=True, slots=True)
class ApprovalStore:
    """Questions to named people about one plan digest: durable, single use, expiring into no."""

    journal: Journal
    reader: Reader
    clock: Clock
    lifetime: timedelta
    ring: Callable[[str], None]
    """Called with the run's id after its question changed, so that a waiting run looks at once."""

    def request(self, run: Run, plan_digest: str, quorum: int) -> Approval:
        """Ask once for each run; return the standing question. A second plan raises ApprovalConflictError."""

        def unit(tx: Transaction) -> Approval:
            standing = read_question(tx.find, run.id, self.clock.now())
            if standing is not None:
                return standing
            asked = self._asked(run, plan_digest, quorum)
            tx.append(_draft(asked, "requested", EventType.APPROVAL_REQUESTED, asked, run.requested_by, run.service))
            return asked

        cut("approval.request.before")
        asked = self.journal.run(unit)
        cut("approval.request.after")
        if asked.plan_digest != plan_digest:
            raise ApprovalConflictError(run.id, plan_digest, asked.plan_digest)
        return asked

    def answer(self, approval_id: str, by: str, *, grants: bool, reason: str, plan_digest: str) -> Approval | Refusal:
        """Take the word of an authenticated identity; return the question as it then stands, or why it is refused."""

        def unit(tx: Transaction) -> Approval | Refusal:
            found = read_question(tx.find, run_id_of(approval_id), self.clock.now())
            refusal = _refuses_answer(found, approval_id, by, plan_digest)
            if found is None or refusal is not None:
                return refusal or _missing(approval_id)
            answer = Answer(
                approval_id=found.id, by=by, grants=grants, reason=reason, plan_digest=plan_digest, at=self.clock.now()
            )
            return _record_answer(tx, found, answer)

        cut("approval.answer.before")
        answered = self.journal.run(unit)
        cut("approval.answer.after")
        if isinstance(answered, Approval):
            self.ring(answered.run_id)
        return answered

    def consume(self, run_id: str, plan_digest: str) -> bool:
        """Use a granted approval for this run and digest, once; true again for the same run after a crash."""

        def unit(tx: Transaction) -> bool:
            found = read_question(tx.find, run_id, self.clock.now())
            if found is None or found.plan_digest != plan_digest:
                return False
            if found.state is ApprovalState.USED:
                return True
            if found.state is not ApprovalState.GRANTED:
                return False
            _change(tx, found, "used", EventType.APPROVAL_USED, run_id, f"for {plan_digest}")
            return True

        cut("approval.use.before")
        used = self.journal.run(unit)
        cut("approval.use.after")
        return used

    def of(self, run_id: str) -> Approval | None:
        """Return the question of a run as it stands; one whose time is over is recorded as expired."""
        found = read_question(self.reader.find, run_id, self.clock.now())
        if found is not None and found.state is ApprovalState.EXPIRED:
            self._record_expiry(run_id)
        return found

    def get(self, approval_id: str) -> Approval | None:
        """Return one question as it stands now."""
        return read_question(self.reader.find, run_id_of(approval_id), self.clock.now())

    def expire(self) -> tuple[str, ...]:
        """Record the expiry of every question whose time is over; return the runs, which have been rung."""
        with self.reader.read() as connection:
            rows = connection.execute(
                text(
                    "SELECT run_id FROM approvals WHERE state IN ('waiting', 'granted') AND"
                    " (expires_at <= :now OR run_id IN (SELECT id FROM runs WHERE settlement IS NOT NULL))"
                ),
                {"now": to_rfc3339(self.clock.now())},
            ).all()
        expired = tuple(str(row[0]) for row in rows)
        for run_id in expired:
            self._record_expiry(run_id)
            self.ring(run_id)
        return expired

    def _asked(self, run: Run, plan_digest: str, quorum: int) -> Approval:
        now = self.clock.now()
        return Approval(
            id=approval_id_of(run.id),
            run_id=run.id,
            plan_digest=plan_digest,
            requester=run.requested_by,
            quorum=quorum,
            requested_at=now,
            expires_at=now + self.lifetime,
        )

    def _record_expiry(self, run_id: str) -> None:
        def unit(tx: Transaction) -> None:
            found = read_question(tx.find, run_id, self.clock.now())
            if found is not None and found.state is ApprovalState.EXPIRED:
                _change(tx, found, "expired", EventType.APPROVAL_EXPIRED, CLOCK_ACTOR, "silence refuses")

        self.journal.run(unit)


def _record_answer(tx: Transaction, found: Approval, answer: Answer) -> Approval:
    number = len(found.answers) + 1
    tx.append(_draft(found, f"answered/{number}", EventType.APPROVAL_ANSWERED, answer, answer.by))
    answered = found.model_copy(update={"answers": (*found.answers, answer)})
    if not answer.grants:
        _change(tx, found, "rejected", EventType.APPROVAL_REJECTED, answer.by, answer.reason)
        return answered.model_copy(update={"state": ApprovalState.REJECTED})
    if len({folded(given.by) for given in answered.answers}) < found.quorum:
        return answered
    _change(tx, found, "granted", EventType.APPROVAL_GRANTED, answer.by, answer.reason)
    return answered.model_copy(update={"state": ApprovalState.GRANTED})


def _refuses_answer(found: Approval | None, approval_id: str, by: str, plan_digest: str) -> Refusal | None:
    if found is None:
        return _missing(approval_id)
    if found.state is not ApprovalState.WAITING:
        why = f"{found.id} is {found.state}: nobody is asked any more"
        return Refusal(rule="approval-final", why=why, next=f"grace explain {found.run_id}")
    if plan_digest != found.plan_digest:
        why = f"your answer is about {plan_digest}, the question is about {found.plan_digest}"
        return Refusal(rule="approval-digest", why=why, next=f"grace runs {found.run_id}")
    if folded(by) == folded(found.requester):
        why = f"{found.requester} asked for this run, and who asks does not answer"
        return Refusal(rule="approval-requester", why=why, next="Ask somebody else to answer")
    if any(folded(answer.by) == folded(by) for answer in found.answers):
        why = f"{by} has answered already, and {found.quorum} different people must agree"
        return Refusal(rule="approval-twice", why=why, next="Ask somebody else to answer")
    return None


def _missing(approval_id: str) -> Refusal:
    return Refusal(rule="no-approval", why=f"there is no approval {approval_id}", next="grace status")


def _change(tx: Transaction, found: Approval, stage: str, type_: EventType, by: str, reason: str) -> None:
    changed = ApprovalChanged(
        approval_id=found.id, run_id=found.run_id, plan_digest=found.plan_digest, by=by, reason=reason
    )
    tx.append(_draft(found, stage, type_, changed, by))


def _draft(
    question: Approval, stage: str, type_: EventType, payload: Noun, actor: str, service: str | None = None
) -> Draft:
    return Draft(
        key=key_of(question.run_id, stage),
        type=type_,
        actor=actor,
        run_id=question.run_id,
        service=service,
        payload=payload.to_json(),
    )
