"""The tables `approvals` and `approval_answers`: who was asked what, and what they said."""

from sqlite3 import Connection
from typing import Final

from sqlalchemy import bindparam, insert, select, update

from grace.model.approval import Answer, Approval, ApprovalState
from grace.model.events import ApprovalChanged, EventType
from grace.model.ledger_entry import LedgerEntry
from grace.record.store.prepared import Prepared
from grace.record.store.projection import Projection
from grace.record.store.read_models.entries import noun_of
from grace.record.store.tables import approval_answers, approvals

_STATES: Final = {
    EventType.APPROVAL_GRANTED: ApprovalState.GRANTED,
    EventType.APPROVAL_REJECTED: ApprovalState.REJECTED,
    EventType.APPROVAL_EXPIRED: ApprovalState.EXPIRED,
    EventType.APPROVAL_USED: ApprovalState.USED,
}


_REQUEST: Final = Prepared(
    insert(approvals),
    *("id", "run_id", "plan_digest", "state", "quorum", "requester", "requested_at", "expires_at", "doc"),
)
_SPOKEN: Final = Prepared(
    select(approval_answers.c.by).where(
        (approval_answers.c.approval_id == bindparam("approval")) & (approval_answers.c.by == bindparam("person"))
    )
)
_ANSWER: Final = Prepared(insert(approval_answers), "approval_id", "by", "grants", "reason", "plan_digest", "at")
_CHANGE: Final = Prepared(update(approvals).where(approvals.c.id == bindparam("approval")), "state")


def _requested(driver: Connection, entry: LedgerEntry) -> None:
    approval = noun_of(entry, Approval)
    _REQUEST.run(
        driver,
        id=approval.id,
        run_id=approval.run_id,
        plan_digest=approval.plan_digest,
        state=approval.state.value,
        quorum=approval.quorum,
        requester=approval.requester,
        requested_at=approval.requested_at,
        expires_at=approval.expires_at,
        doc=entry.payload,
    )


def _answered(driver: Connection, entry: LedgerEntry) -> None:
    """Keep the first answer of each person: nobody can speak twice."""
    answer = noun_of(entry, Answer)
    if _SPOKEN.run(driver, approval=answer.approval_id, person=answer.by).fetchone() is None:
        _ANSWER.run(driver, **dict(answer))


def _changed(driver: Connection, entry: LedgerEntry) -> None:
    changed = noun_of(entry, ApprovalChanged)
    _CHANGE.run(driver, approval=changed.approval_id, state=_STATES[entry.type].value)


PROJECTIONS: Final[dict[EventType, Projection]] = {
    EventType.APPROVAL_REQUESTED: _requested,
    EventType.APPROVAL_ANSWERED: _answered,
    **dict.fromkeys(_STATES, _changed),
}
