"""`grace restraint`: what holds GRACE back now, and a person's word that ends it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from grace.cli.calls import Session, View
from grace.cli.screen import Screen, marked
from grace.cli.visiting import command_file, online
from grace.cli.wording import ago, counted, now

app = command_file()
group = command_file()
app.add_typer(group, name="restraint", help="Show what holds GRACE back, and lift it.")
_SHOWN = 20


class WaitingView(View):
    """An open incident whose run has not begun."""

    incident_id: str
    title: str
    service: str
    place: int
    why: str
    until: datetime | None


class FlappingView(View):
    """An incident that keeps coming back."""

    incident_id: str
    service: str
    owner: str
    reopenings: int
    since: datetime


class BreakerView(View):
    """A breaker that is not closed."""

    subject: str
    service: str
    owner: str
    position: str
    until: datetime | None
    failures: tuple[str, ...]


class RestrainedView(View):
    """Everything that holds GRACE back."""

    waiting: tuple[WaitingView, ...]
    waiting_in_all: int
    flapping: tuple[FlappingView, ...]
    breakers: tuple[BreakerView, ...]


@group.command("list")
@online
def list_restraint(session: Session) -> None:
    """Show which runs wait and why, which incidents flap, and which breakers are not closed."""
    document = session.get("/api/restraint")
    if session.screen.as_json:
        session.screen.data(document)
        return
    told = session.read(RestrainedView, document)
    _show(session.screen, told)
    held = [*(one.subject for one in told.breakers), *(one.incident_id for one in told.flapping)]
    session.screen.line(f"next: {f'grace restraint lift {held[0]} --reason WHY' if held else 'grace status'}")


@group.command("lift")
@online
def lift(
    session: Session,
    subject: Annotated[str, typer.Argument(metavar="SUBJECT", help="An incident, or the key of a target, as listed.")],
    *,
    reason: Annotated[str, typer.Option(help="Why; it goes on the record.")],
) -> None:
    """Forget what is held against an incident or a target until now; a run that waited for it begins."""
    known = subject if ":" in subject else session.resolve("/api/incidents", subject, "incident")
    document = session.post("/api/restraint/lift", {"subject": known, "reason": reason})
    if session.screen.as_json:
        session.screen.data(document)
        return
    session.screen.line(marked("closed", f"nothing that was until now is held against {known} any more"))
    session.screen.line("next: grace restraint list")


def _show(screen: Screen, told: RestrainedView) -> None:
    if not (told.waiting_in_all or told.flapping or told.breakers):
        screen.line("Nothing waits, nothing flaps, and every breaker is closed.")
    if told.breakers:
        screen.heading(f"{counted(len(told.breakers), 'breaker')} not closed: people are asked first")
        screen.table(
            ("subject", "service", "stands", "until", "failed", "told"),
            (
                (one.subject, one.service, one.position, _when(one.until), str(len(one.failures)), one.owner)
                for one in told.breakers
            ),
        )
    if told.flapping:
        screen.heading(f"{counted(len(told.flapping), 'incident')} flapping: people are asked first")
        screen.table(
            ("incident", "service", "came back", "since", "told"),
            (
                (one.incident_id, one.service, str(one.reopenings), ago(one.since, now()), one.owner)
                for one in told.flapping
            ),
        )
    if told.waiting_in_all:
        screen.heading(f"{counted(told.waiting_in_all, 'run')} waiting")
        screen.table(
            ("", "incident", "service", "until", "why"),
            (
                (str(one.place), one.incident_id, one.service, _when(one.until), one.why)
                for one in told.waiting[:_SHOWN]
            ),
        )


def _when(until: datetime | None) -> str:
    return "" if until is None else ago(until, now())
