"""`grace ledger`: check an export without the server, and read the log of a server."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, cast

import typer
from grace_sdk.client import Json

from grace.cli.calls import CommandFailed, Session, View
from grace.cli.exits import Exit
from grace.cli.screen import Screen, marked
from grace.cli.visiting import command_file, offline, online
from grace.cli.wording import short
from grace.record.ledger.note import NoteInvalidError
from grace.record.ledger.verification import VerificationReport, verify_export

app = command_file()
ledger = command_file()
app.add_typer(ledger, name="ledger", help="Verify, export and read the ledger.")

_AN_EXPORT = "grace ledger export FILE"


@ledger.command()
@offline
def verify(
    screen: Screen,
    export: Annotated[Path, typer.Argument(metavar="EXPORT", help="A file that `grace ledger export` wrote.")],
    *,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Checkpoints kept outside since earlier: a file of one or more signed notes.")
    ] = None,
    key: Annotated[str | None, typer.Option(help="The log's public key, from a source that you trust.")] = None,
) -> None:
    """Check an export offline: every edit, insertion, deletion, reordering or truncation below the checkpoint is found."""
    try:
        old = None if checkpoint is None else checkpoint.read_text("utf-8")
        report = verify_export(export, old, key)
    except OSError as error:
        raise CommandFailed(Exit.USAGE, f"{error.filename} cannot be read: {error.strerror}", _AN_EXPORT) from error
    except UnicodeDecodeError as error:
        raise CommandFailed(Exit.USAGE, f"{checkpoint} is not text", "grace ledger checkpoint > FILE") from error
    except NoteInvalidError as error:
        raise CommandFailed(Exit.USAGE, str(error), "grace ledger checkpoint") from error
    _show_report(screen, report)
    if not report.is_valid:
        raise typer.Exit(Exit.LEDGER_INVALID)


def _show_report(screen: Screen, report: VerificationReport) -> None:
    if screen.as_json:
        facts = cast("dict[str, Json]", dataclasses.asdict(report))
        screen.data({"valid": report.is_valid, "first_bad_index": report.first_bad_index, **facts})
        return
    held_to = f"{report.checkpoints} older checkpoint{'' if report.checkpoints == 1 else 's'}"
    screen.line(marked("valid" if report.is_valid else "invalid", f"{report.size} entries, held to {held_to}"))
    screen.facts(
        [
            ("log", report.origin or "unknown"),
            ("key", f"{report.key or 'unknown'}{'' if report.key_is_trusted else ' (named by the export itself)'}"),
            ("root", report.root),
            ("erased", f"{report.erased} payloads"),
        ]
    )
    for finding in report.findings:
        where = f"line {finding.line}" + ("" if finding.index is None else f", entry {finding.index}")
        screen.line(marked("violated", f"{finding.fault}, {where}: {finding.what}"))
    if report.is_valid and not report.checkpoints:
        screen.line("No older checkpoint was given: an export rewritten as a whole and signed again would pass.")
        screen.line("next: grace ledger checkpoint > FILE, keep FILE elsewhere, verify with --checkpoint FILE")
    elif not report.is_valid:
        screen.error("The export does not hold.", "compare it with a copy kept elsewhere, from the first bad entry on")


class Entry(View):
    """One line of the log."""

    index: int
    at: str
    type: str
    actor: str
    run_id: str | None = None
    incident_id: str | None = None
