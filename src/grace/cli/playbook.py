"""`grace playbook`: lint and test playbooks without a server, print their schema, list what a server has loaded."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
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
from grace.kit.clock import SystemClock
from grace.kit.documents import Flaw
from grace.settings import load_settings
from grace.think.playbooks.loading import load_playbooks, playbook_files
from grace.think.playbooks.rehearsing import CaseReport, run_playbook_tests
from grace.think.playbooks.schema import playbook_schema

app = command_file()
playbook = command_file()
app.add_typer(playbook, name="playbook", help="Lint, test and list playbooks; print their schema.")

Paths = Annotated[list[Path], typer.Argument(metavar="PATH...", help="Playbook files, or folders that hold some.")]


class CardView(View):
    """One loaded playbook."""

    name: str
    version: str
    digest: str
    summary: str
    causes: tuple[str, ...] = ()
    language: str = "yaml"


@playbook.command()
@offline
def lint(screen: Screen, paths: Paths) -> None:
    """Find every flaw that can be known before use: names, types, references, bounds, contract; with file and line."""
    files = _files(paths)
    settings = load_settings()
    with starting_told():
        library = load_playbooks(files, wiring.catalogue(settings), wiring.known_causes(settings))
    if screen.as_json:
        flaws = [cast("Json", dataclasses.asdict(flaw)) for flaw in library.flaws]
        screen.data({"files": [str(file) for file in files], "flaws": flaws})
    else:
        _show_flaws(screen, files, library.flaws)
    if library.flaws:
        raise typer.Exit(Exit.USAGE)


@playbook.command("test")
@offline
def test_playbooks(
    screen: Screen,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Test files (*.test.yaml), or folders.")],
) -> None:
    """Run tests of playbooks: an incident and stubbed finds in, the expected plan and tier out; nothing is touched."""
    _require_all(paths)
    settings = load_settings()
    with starting_told():
        known = wiring.catalogue(settings)
        report = run_playbook_tests(paths, known, wiring.decider(settings, known, SystemClock()))
    if screen.as_json:
        screen.data({"passed": report.is_passed, **cast("dict[str, Json]", dataclasses.asdict(report))})
    else:
        _show_report(screen, report)
    if not report.results and not report.flaws:
        raise CommandFailed(Exit.USAGE, "no test of a playbook (*.test.yaml) was found", "docs/writing-a-playbook.md")
    if not report.is_passed:
        raise typer.Exit(Exit.FAULT)


@playbook.command()
@offline
def schema(screen: Screen) -> None:
    """Print the JSON Schema (draft-07) of playbooks with every action and probe, for editors."""
    with starting_told():
        screen.data(playbook_schema(wiring.catalogue(load_settings())))


@playbook.command("list")
@online
def list_playbooks(session: Session) -> None:
    """List the playbooks that the server has loaded."""
    document = session.get("/api/playbooks")
    if session.screen.as_json:
        session.screen.data(document)
        return
    found = [session.read(CardView, item) for item in session.listed(document)]
    if not found:
        session.screen.line("No playbook is loaded.")
        session.screen.line("next: add a folder to GRACE_PLAYBOOK_FOLDERS and start the server again")
        return
    session.screen.table(
        ("playbook", "version", "language", "causes", "digest", "summary"),
        (
            (one.name, one.version, one.language, ", ".join(one.causes), short_digest(one.digest), one.summary)
            for one in found
        ),
    )


def _require_all(paths: Sequence[Path]) -> None:
    for path in paths:
        if not path.exists():
            raise CommandFailed(Exit.USAGE, f"there is no {path}", "name a file or folder that exists")


def _files(paths: Sequence[Path]) -> list[Path]:
    _require_all(paths)
    files = playbook_files(paths)
    if not files:
        raise CommandFailed(
            Exit.USAGE,
            f"no playbook (*.yaml, *.py) in {', '.join(str(path) for path in paths)}",
            "grace playbook schema",
        )
    return files


def _show_report(screen: Screen, report: CaseReport) -> None:
    for result in report.results:
        screen.line(marked("met" if result.is_passed else "violated", f"{result.file}:{result.line}: {result.name}"))
        screen.bullets(result.problems, indent=2)
    _show_each(screen, report.flaws)
    failed = sum(not result.is_passed for result in report.results)
    if failed or report.flaws:
        screen.error(f"{failed} of {counted(len(report.results), 'case')} failed", "docs/writing-a-playbook.md")


def _show_each(screen: Screen, flaws: Sequence[Flaw]) -> None:
    for flaw in flaws:
        screen.line(f"{flaw.file}:{flaw.line}:{flaw.column}: {flaw.message} [{flaw.rule}]")
        if flaw.next:
            screen.bullets([flaw.next], indent=2)


def _show_flaws(screen: Screen, files: Sequence[Path], flaws: Sequence[Flaw]) -> None:
    _show_each(screen, flaws)
    if flaws:
        screen.error(f"{counted(len(flaws), 'flaw')} in {counted(len(files), 'file')}", "docs/writing-a-playbook.md")
    else:
        screen.line(marked("met", f"{counted(len(files), 'playbook')} without a flaw"))
