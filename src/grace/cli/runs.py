"""`grace runs` and `grace explain`: what was done, and why."""

from __future__ import annotations

from typing import Annotated

import typer

from grace.cli.calls import LAST, PREFIXES, CommandFailed, Session
from grace.cli.exits import OF_SETTLEMENT, Exit
from grace.cli.listing import Limit, show_runs
from grace.cli.screen import marked
from grace.cli.story import show_story
from grace.cli.verdict_page import show_verdict
from grace.cli.views import LaterView, RunDetail, RunView, TellingView
from grace.cli.visiting import command_file, online
from grace.cli.wording import ago, now
from grace.model.handwork import BY_HAND

app = command_file()


@app.command("runs")
@online
def runs(
    session: Session,
    run: Annotated[str | None, typer.Argument(metavar="[ID]", help="A unique beginning of an id, or @last.")] = None,
    *,
    incident: Annotated[str | None, typer.Option(help="Only those of one incident.")] = None,
    limit: Limit = 20,
) -> None:
    """List runs, newest first, or show one."""
    if run is not None:
        _show_one(session, session.resolve("/api/runs", run, "run"))
        return
    incident_id = session.resolve("/api/incidents", incident, "incident") if incident is not None else None
    page = session.get("/api/runs", {"incident_id": incident_id, "limit": limit})
    if session.screen.as_json:
        session.screen.data(page)
        return
    found = [session.read(RunView, item) for item in session.listed(page)]
    if not found:
        session.screen.line("No run yet. An incident that fits a playbook opens one.")
        session.screen.line("next: grace incidents")
        return
    show_runs(session.screen, found)


@app.command("explain")
@online
def explain(
    session: Session,
    subject: Annotated[str, typer.Argument(metavar="RUN|INCIDENT", help="A unique beginning of an id, or @last run.")],
    *,
    full: Annotated[bool, typer.Option("--full", help="Cut nothing, however long a command's output is.")] = False,
) -> None:
    """Tell every stage with its numbers, and why nothing was done where nothing was."""
    noun = _noun_of(subject)
    path = f"/api/{noun}s"
    document = session.get(f"{path}/{session.resolve(path, subject, noun)}/explain")
    if session.screen.as_json:
        session.screen.data(document)
        return
    if show_story(session.screen, session.read(TellingView, document), full=full):
        session.screen.line()
        session.screen.line(f"Long texts are cut. All of them: grace explain {subject} --full, or --json")


def _noun_of(subject: str) -> str:
    """Tell from its beginning whether an id is a run's or an incident's; `@last` is a run."""
    if subject == LAST:
        return "run"
    begun = [noun for noun in ("run", "incident") if subject[:1].lower() == PREFIXES[noun][0]]
    if not begun:
        what = f"{subject} is the id of neither" if subject.strip() else "nothing is named"
        sentence = f"{what}: runs begin with {PREFIXES['run']}_, incidents with {PREFIXES['incident']}_"
        raise CommandFailed(Exit.USAGE, sentence, "grace explain @last")
    return begun[0]


def _show_one(session: Session, run_id: str) -> None:
    document = session.get(f"/api/runs/{run_id}")
    if session.screen.as_json:
        session.screen.data(document)
        return
    run = session.read(RunDetail, document)
    took = f", took {(run.settled_at - run.opened_at).total_seconds():.1f} s" if run.settled_at else ""
    session.screen.line(marked(run.state, run.sentence))
    session.screen.facts(
        [
            ("run", run.id),
            ("kind", f"{run.kind}{f' of {run.of_run}' if run.of_run else ''}"),
            ("incident", run.incident_id or "-"),
            ("service", run.service),
            ("playbook", run.playbook or "-"),
            ("tier", str(run.tier or "-")),
            ("digest", run.plan_digest or "no plan"),
            *(("since", _since(one)) for one in run.later),
            ("opened", f"{ago(run.opened_at, now())} by {run.requested_by}{took}"),
        ]
    )
    if run.verdict is not None:
        show_verdict(session.screen, run.verdict)
    session.screen.line()
    session.screen.line(f"next: {next_step(run)}")


def _since(later: LaterView) -> str:
    return f"{later.phrase} {ago(later.settled_at or later.opened_at, now())}, in {later.id}"


def next_step(run: RunView) -> str:
    """Return the command that goes on from where a run stands; never one that would be refused."""
    if run.settlement is None:
        return f"grace approve {run.id}" if run.stage == "waiting" else f"grace explain {run.id}"
    if run.can_be_kept:
        return _word_wanted(run)
    if run.later and run.can_be_undone:
        return f"grace explain {run.id}; grace undo {run.id} --reason WHY takes it back after all"
    if OF_SETTLEMENT.get(run.settlement) is Exit.DONE and run.playbook == BY_HAND and run.of_run is None:
        return f"grace do --save NAME {run.id} keeps it as a playbook; grace explain {run.id}"
    return f"grace explain {run.id}"


def _word_wanted(run: RunView) -> str:
    """Return how a person ends a run that waits for their word."""
    it = run.of_run or run.id
    match OF_SETTLEMENT.get(run.settlement or ""):
        case Exit.NOT_RESTORED:
            return f"grace keep {it} --as-is --reason WHY once it is in order, or grace undo {it} --reason WHY"
        case Exit.ROLLED_BACK:
            return f"grace keep {it} --as-is --reason WHY, or grace undo {it} --reason WHY"
        case _:
            return f"grace keep {it} --reason WHY, or grace undo {it} --reason WHY"
