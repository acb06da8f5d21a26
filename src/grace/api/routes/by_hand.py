"""By hand: a person's own command, under snapshot, measurement, undo, policy and ledger, as any plan."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AfterValidator, Field, JsonValue, StringConstraints

from grace.act.healing.handdesk import Foreseen
from grace.api.access import Operator, TheHouse, Viewer
from grace.api.house import House
from grace.api.problems import ProblemError, documented, refused
from grace.api.routes.incidents import read_incident
from grace.api.routes.runs import read_run
from grace.api.service_names import undeclared
from grace.api.texts import Identifier, Name, Reason, recordable
from grace.api.views import Asked, RunDetail, View
from grace.model.dry_plan import DryPlan
from grace.model.handwork import LONGEST_COMMAND, AskedByHand
from grace.model.quantities import AbsolutePath, Duration
from grace.model.warrant import Refusal
from grace.think.playbooks.saving import SavedPlaybook

router = APIRouter(prefix="/api/do", tags=["by hand"])
_MISSING_OR_NO = documented(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)

Word = Annotated[str, StringConstraints(max_length=32 * 1024), AfterValidator(recordable)]
PlaybookName = Annotated[str, Query(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
CauseName = Annotated[str, Query(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


class WantedByHand(Asked):
    """A command, what it may write, how it is taken back, and what must hold afterwards."""

    service: Name
    environment: Name | None = None
    command: list[Word] = Field(min_length=1, max_length=LONGEST_COMMAND)
    writes: list[AbsolutePath] = Field(default_factory=list, max_length=16)
    creates: list[AbsolutePath] = Field(default_factory=list, max_length=16)
    undo: list[Word] = Field(default_factory=list, max_length=LONGEST_COMMAND)
    expect: list[dict[str, JsonValue]] = Field(default_factory=list[dict[str, JsonValue]], max_length=20)
    within: Annotated[Duration, Field(le=86_400)] = 30.0
    lasting: Annotated[Duration, Field(gt=0, le=86_400)] = 5.0
    timeout: Annotated[Duration, Field(gt=0, le=3600)] = 60.0
    cwd: AbsolutePath = "/"
    reason: Reason = ""
    incident_id: Name | None = None


class NewByHand(WantedByHand):
    key: Annotated[str, StringConstraints(max_length=100), AfterValidator(recordable)] = ""
    """A name for this one request: sent again under it, the same run is returned."""


class ForeseenView(View):
    """What would be done: nothing was opened and nothing was touched."""

    draft: DryPlan
    unwatched: dict[str, str]
    """Indicators that are unknown now, so that nothing will watch them, and why."""
    objections: tuple[str, ...] = ()
    """Why the state of a target could not be kept now, so that the run would be aborted; told when only foreseen."""


class BegunView(View):
    """The run, and what it was foreseen to do; nothing anew where it stood under its key already."""

    run: RunDetail
    foreseen: ForeseenView | None = None


@router.post("/plan", responses=_MISSING_OR_NO)
def foresee(body: WantedByHand, operator: Operator, house: TheHouse) -> ForeseenView:
    """Show what a command by hand would come to: plan, contract, way back and decision; change nothing."""
    incident = None if body.incident_id is None else read_incident(house, body.incident_id)
    foreseen = house.by_hand.foresee(_asked(body), operator.name, incident)
    if isinstance(foreseen, Refusal):
        raise _refused(house, body, foreseen)
    return _told(foreseen)


@router.post("", status_code=HTTPStatus.CREATED, responses=_MISSING_OR_NO)
def begin(body: NewByHand, operator: Operator, house: TheHouse) -> BegunView:
    """Open a run for a command by hand; without an incident, one is opened for it."""
    incident = None if body.incident_id is None else read_incident(house, body.incident_id)
    begun = house.by_hand.begin(_asked(body), operator.name, incident=incident, key=body.key)
    if isinstance(begun, Refusal):
        raise _refused(house, body, begun)
    foreseen = None if begun.foreseen is None else _told(begun.foreseen)
    return BegunView(run=read_run(house, begun.run_id), foreseen=foreseen)


@router.get("/{run_id}/playbook", responses=_MISSING_OR_NO)
def playbook(
    run_id: Identifier, name: PlaybookName, _viewer: Viewer, house: TheHouse, cause: CauseName | None = None
) -> SavedPlaybook:
    """Write what was done by hand as a playbook with its first test; nothing is stored."""
    read_run(house, run_id)
    written = house.by_hand.playbook(run_id, name, cause)
    if isinstance(written, Refusal):
        raise refused(written)
    return written


def _asked(body: WantedByHand) -> AskedByHand:
    return AskedByHand.model_validate(body.model_dump(exclude={"incident_id", "key"}))


def _told(foreseen: Foreseen) -> ForeseenView:
    return ForeseenView(draft=foreseen.draft, unwatched=dict(foreseen.unwatched), objections=foreseen.objections)


def _refused(house: House, body: WantedByHand, refusal: Refusal) -> ProblemError:
    if refusal.rule == "no-service" and body.environment is None:
        return undeclared(house, body.service, "grace do --service {}")
    return refused(refusal)
