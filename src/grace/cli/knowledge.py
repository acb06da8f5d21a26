"""`grace knowledge`: list and search what is known, with citations; try a message, test files, print the schema."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, cast

import typer
from grace_sdk.client import Json

from grace import wiring
from grace.cli.calls import CommandFailed, Session, View
from grace.cli.exits import Exit
from grace.cli.screen import Screen, marked
from grace.cli.starting import starting_told
from grace.cli.visiting import command_file, offline, online
from grace.cli.wording import counted, short_digest
from grace.settings import load_settings

app = command_file()
knowledge = command_file()
app.add_typer(knowledge, name="knowledge", help="List and search what is known about faults; test knowledge files.")


Paths = Annotated[
    list[Path] | None, typer.Argument(metavar="[PATH...]", help="Files or folders; else all that are in use.")
]


class PackView(View):
    """One pack in force."""

    name: str
    version: str
    digest: str
    summary: str
    entries: int


class CardView(View):
    """One entry."""

    id: str
    pack: str
    cause: str
    title: str


class PassageView(View):
    """What the knowledge says to a question."""

    pack: str
    entry: str
    title: str
    cause: str
    advice: tuple[str, ...] = ()
    playbooks: tuple[str, ...] = ()
    source: str


class CitedView(View):
    """One observation with the rule that cites it."""

    what: str
    rule: str
    source: str


class OtherView(View):
    """A cause that was considered."""

    cause: str
    confidence: float
    why: str


class TriedView(View):
    """What a message would be taken for."""

    cause: str
    kind: str
    confidence: float
    never_acts: bool
    evidence: tuple[CitedView, ...] = ()
    alternatives: tuple[OtherView, ...] = ()
    advice: tuple[str, ...] = ()


@knowledge.command("list")
@online
def list_knowledge(
    session: Session, *, pack: Annotated[str, typer.Option(help="Only the entries of one pack, in full.")] = ""
) -> None:
    """List the packs that the server has in force, or with --pack the entries of one."""
    document = session.get("/api/knowledge" if pack else "/api/knowledge/packs")
    if session.screen.as_json:
        session.screen.data(document)
        return
    if not pack:
        packs = [session.read(PackView, item) for item in session.listed(document)]
        rows = ((one.name, one.version, str(one.entries), short_digest(one.digest), one.summary) for one in packs)
        session.screen.table(("pack", "version", "entries", "digest", "summary"), rows)
        session.screen.line("next: grace knowledge list --pack NAME, or grace knowledge search WORDS")
        return
    cards = [session.read(CardView, item) for item in session.listed(document)]
    of_pack = [one for one in cards if one.pack == pack]
    if not of_pack:
        known = ", ".join(sorted({one.pack for one in cards}))
        raise CommandFailed(Exit.USAGE, f"there is no pack {pack!r} with entries", f"one of {known}")
    session.screen.table(("entry", "cause", "title"), ((one.id, one.cause, one.title) for one in of_pack))


@knowledge.command()
@online
def search(
    session: Session,
    words: Annotated[list[str], typer.Argument(metavar="WORDS...", help="Words, or a message.")],
    *,
    limit: Annotated[int, typer.Option(min=1, max=50, help="How many passages at most.")] = 5,
) -> None:
    """Search what is known; every passage names its source."""
    document = session.get("/api/knowledge/search", {"q": " ".join(words), "limit": limit})
    if session.screen.as_json:
        session.screen.data(document)
        return
    found = [session.read(PassageView, item) for item in session.listed(document)]
    if not found:
        session.screen.line("Nothing is known about that.")
        session.screen.line("next: try other words, or grace knowledge list")
    for number, one in enumerate(found, 1):
        session.screen.heading(f"{number}. {one.title}")
        session.screen.facts([("entry", f"{one.entry} ({one.pack})"), ("cause", one.cause), ("source", one.source)])
        for line in one.advice:
            session.screen.line(line)


@knowledge.command("try")
@online
def try_message(
    session: Session, message: Annotated[str, typer.Argument(metavar="MESSAGE", help="What a program said.")]
) -> None:
    """Say what a message would be taken for, with the evidence; nothing is recorded, nothing is done."""
    document = session.post("/api/knowledge/test", {"message": message})
    if session.screen.as_json:
        session.screen.data(document)
        return
    tried = session.read(TriedView, document)
    session.screen.line(f"{tried.cause} ({tried.kind}), confidence {tried.confidence:.2f}, from text only")
    for one in tried.evidence:
        session.screen.line(f"  {one.what!r} by {one.rule}: {one.source}")
    for other in tried.alternatives:
        session.screen.line(f"  not {other.cause} ({other.confidence:.2f}): {other.why}")
    for line in tried.advice:
        session.screen.line(line)


@knowledge.command()
@offline
def schema(screen: Screen) -> None:
    """Print the JSON Schema (draft-07) of knowledge packs with every probe, for editors."""
    with starting_told():
        screen.data(wiring.knowledge_schema(load_settings()))


@knowledge.command("test")
@offline
def check_files(screen: Screen, paths: Paths = None) -> None:
    """Hold every example against its entry, and every check against the probes there are; with file and line."""
    for path in paths or ():
        if not path.exists():
            raise CommandFailed(Exit.USAGE, f"there is no {path}", "name a file or folder that exists")
    report = wiring.check_knowledge(load_settings(), paths or [])
    if screen.as_json:
        screen.data({"passed": not report.flaws, **cast("dict[str, Json]", dataclasses.asdict(report))})
    else:
        for flaw in report.flaws:
            screen.line(str(flaw))
        told = f"{counted(report.entries, 'entry', 'entries')} in {counted(len(report.files), 'file')}"
        screen.line(marked("failed" if report.flaws else "passed", f"{told}, {counted(report.examples, 'example')}"))
    if report.flaws:
        raise typer.Exit(Exit.USAGE)
