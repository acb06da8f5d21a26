"""`grace drill`: a real fault in scratch things, healed before one's eyes."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from grace.cli.calls import CommandFailed, JsonObject, Session, View
from grace.cli.exits import Exit
from grace.cli.following import Follower
from grace.cli.screen import marked
from grace.cli.visiting import command_file, online
from grace.kit.clock import Clock, SystemClock

app = command_file()

_BEAT_S: Final = 0.2


class DrillView(View):
    """A drill as far as it came."""

    id: str
    kind: str
    by: str
    database: str
    incident_id: str | None = None
    run_id: str | None = None
    settlement: str | None = None
    ending: str | None = None


@app.command("drill")
@online
def drill(
    session: Session,
    *,
    status: Annotated[bool, typer.Option("--status", help="Show the drill under way or the last one.")] = False,
    wait: Annotated[bool, typer.Option(help="Follow the run to its end.")] = True,
) -> None:
    """Lock a scratch database that GRACE makes for this, and heal it; the settlement is the exit code.

    Nothing of yours is touched: folder, database and both programs are made for the drill and removed after it.
    """
    document = session.get("/api/drills/latest") if status else session.post("/api/drills")
    begun = session.read(DrillView, document)
    if status or not wait:
        _show(session, begun, document)
        return
    if not session.screen.as_json:
        session.screen.line(f"{begun.id}: {begun.database} is locked by a process that hangs")
    raise typer.Exit(Follower(session, SystemClock()).follow(_run_of(session, begun.id, SystemClock())))


def _run_of(session: Session, drill_id: str, clock: Clock) -> str:
    """Wait until the drill's incident has its run."""
    while True:
        seen = session.read(DrillView, session.get("/api/drills/latest"))
        if seen.id == drill_id and seen.run_id is not None:
            return seen.run_id
        if seen.id != drill_id or seen.ending is not None:
            raise CommandFailed(Exit.FAULT, f"{drill_id} ended before a run was opened for it", "grace incidents")
        clock.sleep(_BEAT_S)


def _show(session: Session, seen: DrillView, document: JsonObject) -> None:
    screen = session.screen
    if screen.as_json:
        screen.data(document)
        return
    state = seen.settlement or seen.ending or "open"
    screen.line(marked(state, f"{seen.id} by {seen.by}: {seen.kind} in {seen.database}"))
    about = seen.run_id or seen.incident_id
    screen.line(f"next: {f'grace explain {about}' if about else 'grace drill --status'}")
