"""`grace incidents`: what was reported, grouped."""

from __future__ import annotations

from typing import Annotated

import typer

from grace.cli.calls import Session, View
from grace.cli.listing import Limit, show_incidents, show_runs
from grace.cli.screen import Screen, marked
from grace.cli.views import EscalationView, IncidentView, RunView
from grace.cli.visiting import command_file, online
from grace.cli.wording import ago, counted, now

app = command_file()


class WaitView(View):
    """Why no run begins yet."""

    place: int
    why: str


class ReasonView(View):
    """That the incident flaps, as it was told."""

    why: str


class BreakerView(View):
    """The breaker of its fingerprint."""

    position: str
    failures: tuple[str, ...]


class HeldBackView(View):
    """What holds GRACE back from this incident."""

    waits: WaitView | None = None
    flapping: ReasonView | None = None
    breaker: BreakerView | None = None

    def facts(self) -> list[tuple[str, str]]:
        """Say it, a line for each."""
        told: list[tuple[str, str]] = []
        if self.waits:
            told.append(("waits", f"{self.waits.why} (place {self.waits.place})"))
        if self.flapping:
            told.append(("flapping", self.flapping.why))
        if self.breaker:
            told.append(
                ("breaker", f"{self.breaker.position} after {counted(len(self.breaker.failures), 'failed run')}")
            )
        return told


class IncidentDetail(IncidentView):
    """One incident with the runs that were opened for it."""

    runs: tuple[RunView, ...]
    held_back: HeldBackView = HeldBackView()


@app.command("incidents")
@online
def incidents(
    session: Session,
    incident: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="A unique beginning of an id, or @last.")
    ] = None,
    *,
    state: Annotated[str, typer.Option(help="Only those that are open or closed.")] = "",
    service: Annotated[str | None, typer.Option(help="Only those of one service.")] = None,
    limit: Limit = 20,
) -> None:
    """List incidents, newest first, or show one with its runs."""
    if incident is not None:
        _show_one(session, session.resolve("/api/incidents", incident, "incident"))
        return
    page = session.get("/api/incidents", {"state": state or None, "service": service, "limit": limit})
    if session.screen.as_json:
        session.screen.data(page)
        return
    found = [session.read(IncidentView, item) for item in session.listed(page)]
    if not found:
        session.screen.line("No incident yet. A service reports through the SDK or POST /api/intake/native.")
        session.screen.line("next: grace status")
        return
    show_incidents(session.screen, found)


@app.command("close")
@online
def close(
    session: Session,
    incident: Annotated[str, typer.Argument(metavar="INCIDENT", help="A unique beginning of an id, or @last.")],
    *,
    reason: Annotated[str, typer.Option(help="Why; it goes on the record.")],
) -> None:
    """Close an incident that is over, or never was one; it opens again with the next signal of the kind."""
    incident_id = session.resolve("/api/incidents", incident, "incident", {"state": "open"}, which="open")
    document = session.post(f"/api/incidents/{incident_id}/close", {"reason": reason})
    if session.screen.as_json:
        session.screen.data(document)
        return
    session.screen.line(marked("closed", f"{incident_id} is closed; the next signal of its kind opens it again"))
    session.screen.line(f"next: grace explain {incident_id}")


def _show_one(session: Session, incident_id: str) -> None:
    document = session.get(f"/api/incidents/{incident_id}")
    if session.screen.as_json:
        session.screen.data(document)
        return
    incident = session.read(IncidentDetail, document)
    screen = session.screen
    screen.line(marked(incident.state, incident.title))
    screen.facts(
        [
            ("incident", incident.id),
            ("service", f"{incident.service} ({incident.environment})"),
            ("cause", incident.cause or "not diagnosed yet"),
            (
                "signals",
                f"{incident.count}, first {ago(incident.first_seen, now())}, last {ago(incident.last_seen, now())}",
            ),
            *incident.held_back.facts(),
        ]
    )
    if incident.escalation is not None:
        _show_hand_over(screen, incident.escalation)
    runs = incident.runs
    screen.heading(counted(len(runs), "run"))
    if runs:
        show_runs(screen, runs)
    screen.line(f"next: {_next_step(incident)}")


def _show_hand_over(screen: Screen, handed: EscalationView) -> None:
    screen.heading(f"Handed over to {handed.to}")
    screen.line(handed.why)
    for line in (
        *(f"tried without success: {one}" for one in handed.tried),
        *(f"considered {one}" for one in handed.considered),
        *handed.suggestions,
    ):
        screen.line(f"  {line}")


def _next_step(incident: IncidentDetail) -> str:
    if incident.escalation is not None:
        return incident.escalation.next
    return f"grace explain {incident.runs[0].id}" if incident.runs else f"grace plan {incident.id}"
