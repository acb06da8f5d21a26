"""`grace undo` and `grace keep`: a person's word on a settled run, as a new run that names it."""

from __future__ import annotations

from typing import Annotated

import typer

from grace.cli.calls import JsonObject, Session
from grace.cli.following import Follower
from grace.cli.screen import marked
from grace.cli.views import RunView
from grace.cli.visiting import command_file, online
from grace.kit.clock import SystemClock

app = command_file()

RunId = Annotated[str, typer.Argument(metavar="RUN", help="A unique beginning of an id, or @last.")]
Reason = Annotated[str, typer.Option(help="Why; it goes on the record.")]
Wait = Annotated[bool, typer.Option(help="Follow the new run to its end.")]


@app.command("undo")
@online
def undo(
    session: Session,
    run: RunId,
    *,
    reason: Reason,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be restored; change nothing.")] = False,
    wait: Wait = True,
) -> None:
    """Take back exactly what a run wrote; changes of others stay, and stop it where they are in the way."""
    run_id = session.resolve("/api/runs", run, "run")
    answer = session.post(f"/api/runs/{run_id}/undo", {"reason": reason, "dry_run": dry_run})
    if dry_run:
        _show_rehearsal(session, run_id, answer)
        return
    _follow(session, answer, wait=wait)


@app.command("keep")
@online
def keep(
    session: Session,
    run: RunId,
    *,
    reason: Reason,
    as_is: Annotated[
        bool, typer.Option("--as-is", help="Also keep targets that are neither as before nor as the run wrote them.")
    ] = False,
    wait: Wait = True,
) -> None:
    """Keep what a held run changed, or what a run could not restore, and end the quarantine of its targets."""
    run_id = session.resolve("/api/runs", run, "run")
    _follow(session, session.post(f"/api/runs/{run_id}/keep", {"reason": reason, "as_is": as_is}), wait=wait)


def _follow(session: Session, answer: JsonObject, *, wait: bool) -> None:
    run = session.read(RunView, answer)
    if wait:
        raise typer.Exit(Follower(session, SystemClock()).follow(run.id))
    if session.screen.as_json:
        session.screen.data(answer)
        return
    session.screen.line(marked(run.state, run.id))
    session.screen.line(f"next: grace explain {run.id}")


def _show_rehearsal(session: Session, run_id: str, answer: JsonObject) -> None:
    if session.screen.as_json:
        session.screen.data(answer)
        return
    session.screen.line("Nothing was changed.")
    session.screen.line(f"next: grace undo {run_id} --reason WHY")
