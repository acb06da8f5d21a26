"""One question as the ledger tells it: who was asked what, who answered, and how it stands."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from grace.model.approval import Answer, Approval, ApprovalState
from grace.record.reading import Find, noun_at

RUN_PREFIX: Final = "run_"
APPROVAL_PREFIX: Final = "apr_"
OPEN_STATES: Final = frozenset({ApprovalState.WAITING, ApprovalState.GRANTED})
_ENDS: Final = (
    ("used", ApprovalState.USED),
    ("expired", ApprovalState.EXPIRED),
    ("rejected", ApprovalState.REJECTED),
    ("granted", ApprovalState.GRANTED),
)


def approval_id_of(run_id: str) -> str:
    """Return the id of a run's one question."""
    return APPROVAL_PREFIX + run_id.removeprefix(RUN_PREFIX)


def run_id_of(approval_id: str) -> str:
    """Return the run that a question belongs to."""
    return RUN_PREFIX + approval_id.removeprefix(APPROVAL_PREFIX)


def key_of(run_id: str, stage: str) -> str:
    """Return the ledger key of one fact about a run's question."""
    return f"{run_id}/approval.{stage}"


def read_question(find: Find, run_id: str, now: datetime) -> Approval | None:
    """Fold a run's entries into its question; past its time or its run's end, an unused one reads as expired."""
    asked = noun_at(find, key_of(run_id, "requested"), Approval)
    if asked is None:
        return None
    state = next((state for stage, state in _ENDS if find(key_of(run_id, stage)) is not None), ApprovalState.WAITING)
    if state in OPEN_STATES and (now >= asked.expires_at or find(f"{run_id}/settled") is not None):
        state = ApprovalState.EXPIRED
    return asked.model_copy(update={"state": state, "answers": _answers(find, run_id)})


def _answers(find: Find, run_id: str) -> tuple[Answer, ...]:
    answers: list[Answer] = []
    while (answer := noun_at(find, key_of(run_id, f"answered/{len(answers) + 1}"), Answer)) is not None:
        answers.append(answer)
    return tuple(answers)
