"""`grace halt`: stop new deeds within a second; a way back is never blocked."""

from __future__ import annotations

from typing import Annotated

import typer

from grace.cli.calls import CommandFailed, Session
from grace.cli.exits import Exit
from grace.cli.screen import marked
from grace.cli.views import HaltView
from grace.cli.visiting import command_file, online
from grace.cli.wording import ago, now

app = command_file()

EVERYWHERE = "*"


@app.command("halt")
@online
def halt(
    session: Session,
    *,
    service: Annotated[str | None, typer.Option(help="Only this service; else everywhere.")] = None,
    reason: Annotated[str, typer.Option(help="Why; it goes on the record.")] = "",
    end: Annotated[bool, typer.Option("--end", help="Allow new deeds again.")] = False,
) -> None:
    """Stop new deeds, everywhere or for one service, until somebody ends it; it survives a restart."""
    if service == "":  # an empty variable of a script must not stop everything
        raise CommandFailed(Exit.USAGE, "--service names no service", "grace halt --service NAME")
    scope = EVERYWHERE if service is None else service
    if end:
        _end(session, scope, reason)
        return
    document = session.post("/api/halt", {"scope": scope, "reason": reason})
    if session.screen.as_json:
        session.screen.data(document)
        return
    where = f"for {service}" if service else "everywhere"
    session.screen.line(marked("halted", f"no new deed {where}; runs stop at their next safe point"))
    session.screen.line(f"next: grace halt --end{f' --service {service}' if service else ''}")


def _end(session: Session, scope: str, reason: str) -> None:
    standing = [session.read(HaltView, item) for item in session.items("/api/halt")]
    ended = [session.post(f"/api/halt/{one.id}/end", {"reason": reason}) for one in standing if one.scope == scope]
    if not ended:
        raise CommandFailed(Exit.REFUSED, f"no halt stands for {scope}", "grace status")
    if session.screen.as_json:
        session.screen.data({"items": list(ended)})
        return
    for one in standing:
        if one.scope == scope:
            session.screen.line(marked("closed", f"the halt of {scope} by {one.by}, {ago(one.since, now())}, is ended"))
    session.screen.line("next: grace status")
