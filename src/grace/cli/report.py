"""`grace report` and `grace mark`: what GRACE would have done, and what you think of it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import typer

from grace.cli.calls import Session, View
from grace.cli.durations import read_duration
from grace.cli.screen import marked
from grace.cli.visiting import command_file, online
from grace.cli.wording import counted

app = command_file()

_MARKS = {"met": "met", "violated": "violated", "inconclusive": "inconclusive", "watching": "open"}


class Word(StrEnum):
    """What a person may say of a run."""

    RIGHT = "right"
    WRONG = "wrong"
    UNSAFE = "unsafe"


class MarkView(View):
    """One person's word."""

    word: str
    by: str
    note: str = ""


class WouldHaveView(View):
    """One observed run."""

    run_id: str
    title: str
    service: str
    at: datetime
    playbook: str
    would_have: str
    steps: tuple[str, ...]
    contract: str
    minutes: float | None = None
    was_done: tuple[str, ...] = ()
    marks: tuple[MarkView, ...] = ()


class ReportView(View):
    """The whole report."""

    observed: int
    contracts: dict[str, int]
    median_minutes: float | None = None
    marks: dict[str, int]
    is_complete: bool
    items: tuple[WouldHaveView, ...]


@app.command("report")
@online
def report(
    session: Session,
    *,
    since: Annotated[str, typer.Option("--since", metavar="SPAN", help="How far back, like 30d or 12h.")] = "30d",
    service: Annotated[str, typer.Option("--service", metavar="NAME", help="Only those of one service.")] = "",
) -> None:
    """List what GRACE would have done, what was done, the minutes between, and whether the contract came to hold."""
    read_duration("--since", since, "grace report --since 30d", most="366d")
    document = session.get("/api/report", {"since": since, **({"service": service} if service else {})})
    if session.screen.as_json:
        session.screen.data(document)
        return
    seen = session.read(ReportView, document)
    screen = session.screen
    if not seen.items:
        screen.line(f"In the last {since} GRACE observed no incident for which it had a plan.")
        screen.line("next: grace incidents")
        return
    for one in seen.items:
        _show(session, one)
    screen.line()
    sums = ", ".join(f"{count} {name}" for name, count in sorted(seen.contracts.items()))
    took = "" if seen.median_minutes is None else f"; where it was met, it took {seen.median_minutes:g} min (median)"
    screen.line(f"{counted(seen.observed, 'plan')} in {since}: contract {sums}{took}")
    if not seen.is_complete:
        screen.line("There are more; name a shorter span with --since.")
    if seen.marks:
        screen.line("people say: " + ", ".join(f"{count} {word}" for word, count in sorted(seen.marks.items())))
    screen.line(f"next: grace mark {seen.items[0].run_id} right|wrong|unsafe")


@app.command("mark")
@online
def mark(
    session: Session,
    run: Annotated[str, typer.Argument(metavar="RUN", help="A unique beginning of an id, or @last.")],
    word: Annotated[Word, typer.Argument(help="What you think of what it did, or would have done.")],
    *,
    note: Annotated[str, typer.Option("--note", help="Why.")] = "",
) -> None:
    """Say in one word what you think of a run. It is for people and the report; it promotes nothing."""
    run_id = session.resolve("/api/runs", run, "run")
    document = session.post(f"/api/runs/{run_id}/mark", {"word": word.value, "note": note})
    if session.screen.as_json:
        session.screen.data(document)
        return
    session.screen.line(f"{run_id} is marked {word.value}")
    session.screen.line("next: grace report")


def _show(session: Session, one: WouldHaveView) -> None:
    screen = session.screen
    screen.line()
    screen.line(f"{one.run_id}  {one.service}: {one.title}")
    screen.facts(
        [
            ("  would have", f"{one.would_have}, {one.at:%Y-%m-%d %H:%M} UTC: {one.playbook}"),
            *(("", step) for step in one.steps),
            *(("  was done", done) for done in one.was_done),
            ("  contract", marked(_MARKS.get(one.contract, one.contract), _after(one))),
            *(("  " + said.by, f"{said.word}{f': {said.note}' if said.note else ''}") for said in one.marks),
        ]
    )


def _after(one: WouldHaveView) -> str:
    return "" if one.minutes is None else f"{one.minutes:g} min later, without GRACE"
