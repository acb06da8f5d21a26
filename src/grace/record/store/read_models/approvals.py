"""The tables `approvals` and `approval_answers`: who was asked what, and what they said."""

from typing import Final

from sqlalchemy import Connection, insert, select, update

from grace.model.approval import Answer, Approval, ApprovalState
from grace.model.events import ApprovalChanged, EventType
from grace.model.ledger_entry import LedgerEntry
from grace.record.store.projection import Projection
from grace.record.store.read_models.entries import noun_of
from grace.record.store.tables import approval_answers, approvals

_STATES: Final = {
    EventType.APPROVAL_GRANTED: ApprovalState.GRANTED,
    EventType.APPROVAL_REJECTED: ApprovalState.REJECTED,
    EventType.APPROVAL_EXPIRED: ApprovalState.EXPIRED,
    EventType.APPROVAL_USED: ApprovalState.USED,
}


def _requested(connection: Connection, entry: LedgerEntry) -> None:
    approval = noun_of(entry, Approval)
    connection.execute(
        insert(approvals).values(
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
    )


def _answered(connection: Connection, entry: LedgerEntry) -> None:
    """Keep the first answer of each person: nobody can speak twice."""
    answer = noun_of(entry, Answer)
    same = (approval_answers.c.approval_id == answer.approval_id) & (approval_answers.c.by == answer.by)
    if connection.execute(select(approval_answers.c.by).where(same)).first() is None:
        connection.execute(insert(approval_answers).values(**dict(answer)))


def _changed(connection: Connection, entry: LedgerEntry) -> None:
    changed = noun_of(entry, ApprovalChanged)
    connection.execute(
        update(approvals).where(approvals.c.id == changed.approval_id).values(state=_STATES[entry.type].value)
    )


PROJECTIONS: Final[dict[EventType, Projection]] = {
    EventType.APPROVAL_REQUESTED: _requested,
    EventType.APPROVAL_ANSWERED: _answered,
    **dict.fromkeys(_STATES, _changed),
}
