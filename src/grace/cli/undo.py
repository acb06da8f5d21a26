"""`grace undo` and `grace keep`: a person's word on a settled run, as a new run that names it."""

from __future__ import annotations

from typing import Annotated

import typer

from grace.cli.calls import CommandFailed, JsonObject, Named, Session, View
from grace.cli.exits import Exit
from grace.cli.following import Follower
from grace.cli.screen import marked
from grace.cli.views import RunView
from grace.cli.visiting import command_file, online
from grace.cli.wording import short_digest
from grace.kit.clock import SystemClock
from grace.model.snapshot import Restoration

app = command_file()

RunId = Annotated[str, typer.Argument(metavar="RUN", help="A unique beginning of an id, or @last.")]
Reason = Annotated[str, typer.Option(help="Why; it goes on the record.")]
Wait = Annotated[bool, typer.Option(help="Follow the new run to its end.")]


class Rehearsal(View):
    """What a restore would do, object by object."""

    restorations: tuple[Restoration, ...]


@app.command("undo")
@online
def undo(
    session: Session,
    run: RunId,
    *,
    reason: Reason = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be restored; change nothing.")] = False,
    wait: Wait = True,
) -> None:
    """Take back exactly what a run wrote; changes of others stay, and stop it where they are in the way."""
    if not reason and not dry_run:
        raise CommandFailed(Exit.USAGE, "the record wants to know why", f"grace undo {run} --reason WHY")
    run_id = session.resolve("/api/runs", run, "run")
    if dry_run:
        _rehearse(session, run_id)
        return
    _follow(session, session.post(f"/api/runs/{run_id}/undo", {"reason": reason}), wait=wait)


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


def _rehearse(session: Session, run_id: str) -> None:
    snapshots = session.items("/api/verification/snapshots", {"run_id": run_id, "limit": 1})
    if not snapshots:
        raise CommandFailed(
            Exit.REFUSED, f"{run_id} took no snapshot: there is nothing to restore", f"grace explain {run_id}"
        )
    snapshot_id = session.read(Named, snapshots[0]).id
    document = session.post(f"/api/verification/snapshots/{snapshot_id}/restore", {"dry_run": True})
    if session.screen.as_json:
        session.screen.data(document)
        return
    screen = session.screen
    rehearsal = session.read(Rehearsal, document)
    screen.table(
        ("target", "end", "before", "as the run left it", "now"),
        (
            (
                one.target.key,
                one.state,
                short_digest(one.before),
                short_digest(one.ours or "-"),
                short_digest(one.now or "unknown"),
            )
            for one in rehearsal.restorations
        ),
    )
    for one in rehearsal.restorations:
        screen.bullets(one.difference.splitlines())
    screen.line("Nothing was changed.")
    screen.line(f"next: grace undo {run_id} --reason WHY")
