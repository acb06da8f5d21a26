"""`grace cancel`: stop one run at its next safe point."""

from __future__ import annotations

from typing import Annotated

import typer

from grace.cli.calls import Session
from grace.cli.following import Follower
from grace.cli.screen import marked
from grace.cli.views import RunView
from grace.cli.visiting import command_file, online
from grace.kit.clock import SystemClock

app = command_file()


@app.command("cancel")
@online
def cancel(
    session: Session,
    run: Annotated[str, typer.Argument(metavar="RUN", help="A unique beginning of an id, or @last that is open.")],
    *,
    reason: Annotated[str, typer.Option(help="Why; it goes on the record.")] = "",
    wait: Annotated[bool, typer.Option(help="Follow the run to its end.")] = True,
) -> None:
    """Ask a run to stop at its next safe point; what it wrote already is taken back as its playbook says."""
    run_id = session.resolve("/api/runs", run, "run", {"open": True}, which="open")
    document = session.post(f"/api/runs/{run_id}/cancel", {"reason": reason})
    if wait:
        raise typer.Exit(Follower(session, SystemClock()).follow(run_id, past_questions=True))
    if session.screen.as_json:
        session.screen.data(document)
        return
    session.screen.line(marked(session.read(RunView, document).state, f"{run_id} was asked to stop"))
    session.screen.line(f"next: grace explain {run_id}")
