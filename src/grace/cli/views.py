"""What commands read of the server's answers."""

from __future__ import annotations

from datetime import datetime

from pydantic import JsonValue

from grace.cli.calls import View
from grace.model.events import PlanRefused
from grace.model.settlement import Settlement
from grace.model.verdict import Verdict


class EscalationView(View):
    """To whom an incident was handed, and why."""

    to: str
    why: str
    tried: tuple[str, ...] = ()
    considered: tuple[str, ...] = ()
    suggestions: tuple[str, ...] = ()
    next: str


class IncidentView(View):
    """One incident as listed."""

    id: str
    service: str
    environment: str
    state: str
    cause: str | None = None
    title: str
    count: int
    first_seen: datetime
    last_seen: datetime
    escalation: EscalationView | None = None


class LaterView(View):
    """An undo or keep of a run."""

    id: str
    kind: str
    requested_by: str
    opened_at: datetime
    settlement: str | None = None
    settled_at: datetime | None = None
    sentence: str | None = None

    @property
    def phrase(self) -> str:
        """Say who did what, and how it ended where it did not end well."""
        word = "kept" if self.kind == "keep" else "undone"
        match self.settlement:
            case "committed" | "rolled_back":
                return f"{word} by {self.requested_by}"
            case None:
                return f"being {word} by {self.requested_by}"
            case ended:
                return f"{self.kind} by {self.requested_by}: {ended}"


class RunView(View):
    """One run as listed."""

    id: str
    kind: str
    incident_id: str | None = None
    service: str
    playbook: str | None = None
    stage: str
    settlement: str | None = None
    reason: str | None = None
    tier: int | None = None
    plan_digest: str | None = None
    of_run: str | None = None
    requested_by: str
    opened_at: datetime
    settled_at: datetime | None = None
    later: tuple[LaterView, ...] = ()
    can_be_kept: bool = False
    can_be_undone: bool = False

    @property
    def since(self) -> str:
        """Say what a person said of the run after its end, in a few words; empty where nobody did."""
        return self.later[-1].phrase if self.later else ""

    @property
    def state(self) -> str:
        """Return the settlement, or the stage while there is none."""
        return self.settlement or self.stage


class RunDetail(RunView):
    """One run with what it has come to."""

    plan_refused: PlanRefused | None = None
    verdict: Verdict | None = None
    ending: Settlement | None = None

    @property
    def sentence(self) -> str:
        """Say how it ended, or why there is no plan."""
        if self.ending is not None:
            return self.ending.sentence
        return self.plan_refused.why if self.plan_refused else ""


class AnswerView(View):
    """What one person said."""

    by: str
    grants: bool
    reason: str = ""


class ApprovalView(View):
    """One question to people."""

    id: str
    run_id: str
    plan_digest: str
    requester: str
    quorum: int
    state: str
    expires_at: datetime
    answers: tuple[AnswerView, ...] = ()


class ChapterView(View):
    """One entry of a story."""

    index: int
    at: datetime
    title: str
    lines: tuple[str, ...] = ()
    run_id: str | None = None


class TellingView(View):
    """A story: how it ended, and its chapters."""

    subject: str
    headline: str
    chapters: tuple[ChapterView, ...]


class HaltView(View):
    """One stop of new deeds."""

    id: str
    scope: str
    by: str
    reason: str
    since: datetime
    ended_at: datetime | None = None


class TokenView(View):
    """One access token without its secret."""

    id: str
    name: str
    role: str
    created_at: datetime | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None


class EntryView(View):
    """One line of the log."""

    index: int
    at: datetime
    type: str
    actor: str
    run_id: str | None = None
    incident_id: str | None = None
    payload: JsonValue = None
