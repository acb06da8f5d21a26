"""`grace plan` and `grace heal`: what would be done about an incident, and doing it."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Final

import typer
from grace_sdk.client import Json

from grace.cli.calls import CommandFailed, JsonObject, Session, View
from grace.cli.exits import Exit
from grace.cli.following import Follower
from grace.cli.plan_page import show_decision, show_plan
from grace.cli.screen import marked
from grace.cli.views import RunView
from grace.cli.visiting import command_file, online
from grace.kit.clock import SystemClock
from grace.model.decision import Decision
from grace.model.diagnosis import Diagnosis
from grace.model.plan import Plan

app = command_file()

_LONGEST_LOOK_S: Final = 330.0
"""While planning, a find may watch something for minutes before it answers."""

IncidentId = Annotated[str, typer.Argument(metavar="INCIDENT", help="A unique beginning of an id, or @last.")]
PlaybookName = Annotated[str, typer.Option("--playbook", metavar="NAME", help="Else the one that fits the diagnosis.")]
Inputs = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="An input of the playbook; may be repeated.")
]


class Draft(View):
    """What the server would do: a plan with its decision, or why there is none."""

    diagnosis: Diagnosis
    plan: Plan | None
    decision: Decision | None
    why_not: str = ""


@app.command("plan")
@partial(online, timeout_s=_LONGEST_LOOK_S)
def plan(session: Session, incident: IncidentId, *, playbook: PlaybookName = "", inputs: Inputs = None) -> None:
    """Show the plan, its digest, what it would write, and by which rule it may; nothing is changed."""
    incident_id = session.resolve("/api/incidents", incident, "incident")
    document = session.post(f"/api/incidents/{incident_id}/plan", _asked(playbook, inputs))
    draft = session.read(Draft, document)
    if session.screen.as_json:
        session.screen.data(document)
    else:
        _show_draft(session, incident_id, draft)
    if draft.plan is None or (draft.decision is not None and not draft.decision.ruling.tier):
        raise typer.Exit(Exit.REFUSED)


@app.command("heal")
@online
def heal(
    session: Session,
    incident: IncidentId,
    *,
    playbook: PlaybookName = "",
    inputs: Inputs = None,
    wait: Annotated[bool, typer.Option(help="Follow the run to its end, or to the question it waits for.")] = True,
) -> None:
    """Open a run for an incident; its settlement is the exit code."""
    incident_id = session.resolve("/api/incidents", incident, "incident")
    document = session.post("/api/runs", {"incident_id": incident_id, **_asked(playbook, inputs)})
    run = session.read(RunView, document)
    if wait:
        raise typer.Exit(Follower(session, SystemClock()).follow(run.id))
    if session.screen.as_json:
        session.screen.data(document)
        return
    session.screen.line(marked(run.state, run.id))
    session.screen.line(f"next: grace explain {run.id}")


def _asked(playbook: str, inputs: list[str] | None) -> JsonObject:
    values: dict[str, Json] = {}
    for written in inputs or ():
        name, equals, value = written.partition("=")
        if not equals or not name:
            raise CommandFailed(Exit.USAGE, f"--set {written}: not NAME=VALUE", "--set patience=5s")
        values[name] = value
    return {**({"playbook": playbook} if playbook else {}), **({"inputs": values} if values else {})}


def _show_draft(session: Session, incident_id: str, draft: Draft) -> None:
    screen = session.screen
    screen.line(f"diagnosis: {draft.diagnosis.cause}, confidence {draft.diagnosis.confidence:.2f}")
    screen.bullets(f"{seen.what} ({seen.where}; {seen.source})" for seen in draft.diagnosis.evidence)
    screen.bullets(f"not {other.cause} ({other.confidence:.2f}): {other.why}" for other in draft.diagnosis.alternatives)
    if draft.plan is None:
        screen.line(marked("denied", f"no plan: {draft.why_not}"))
        screen.line(f"next: grace incidents {incident_id}")
        return
    show_plan(screen, draft.plan)
    if draft.decision is not None:
        show_decision(screen, draft.decision)
    screen.line()
    screen.line("Nothing was changed.")
    screen.line(f"next: grace heal {incident_id}")
