"""`grace ledger`: check an export without the server, and read the log of a server."""

from __future__ import annotations

import base64
import dataclasses
from pathlib import Path
from typing import Annotated, Final, cast

import typer
from grace_sdk.client import ApiProblem, Json, ServerUnreachable
from pydantic import BeforeValidator

from grace.cli.calls import CommandFailed, Query, Session, View
from grace.cli.exits import Exit
from grace.cli.listing import Limit
from grace.cli.screen import Screen, marked
from grace.cli.views import EntryView
from grace.cli.visiting import command_file, offline, online
from grace.kit.filesystem.plain import read_plain
from grace.kit.octets import from_base64
from grace.record.ledger.note import NoteInvalidError
from grace.record.ledger.tree import ProofInvalidError, verify_inclusion
from grace.record.ledger.verification import VerificationReport, verify_export

app = command_file()
ledger = command_file()
app.add_typer(ledger, name="ledger", help="Verify, export and read the ledger.")

_AN_EXPORT: Final = "grace ledger export FILE"

Hash = Annotated[bytes, BeforeValidator(from_base64)]


class CheckpointView(View):
    """A signed note of the log as it is now."""

    checkpoint: str


class InclusionView(View):
    """An audit path."""

    leaf_hash: Hash
    size: int
    root: Hash
    path: tuple[Hash, ...]


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
    """Check an export offline: any edit, insertion, deletion, move or truncation up to the checkpoint is found."""
    try:
        old = None if checkpoint is None else read_plain(checkpoint).decode("utf-8")
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


@ledger.command()
@online
def export(
    session: Session, file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file; none is overwritten.")]
) -> None:
    """Write the whole log to a file that anybody can verify."""
    chunks = session.client.stream("/api/log/export")
    try:
        with file.open("xb") as target:
            size = sum(target.write(chunk) for chunk in chunks)
    except FileExistsError as error:
        raise CommandFailed(Exit.USAGE, f"{file} exists and is not overwritten", "name another file") from error
    except OSError as error:
        raise CommandFailed(Exit.USAGE, f"{file} cannot be written: {error.strerror}", _AN_EXPORT) from error
    except (ServerUnreachable, ApiProblem):
        file.unlink()  # a part of a log is of no use to anybody
        raise
    if session.screen.as_json:
        session.screen.data({"file": str(file), "bytes": size})
        return
    session.screen.line(f"{file}: {size} bytes")
    session.screen.line(f"next: grace ledger verify {file} --checkpoint FILE")


@ledger.command()
@online
def checkpoint(session: Session) -> None:
    """Print a signed checkpoint of the log as it is now: keep it where nobody who can change the log can change it."""
    document = session.get("/api/log/checkpoint")
    if session.screen.as_json:
        session.screen.data(document)
        return
    session.screen.raw(session.read(CheckpointView, document).checkpoint)


@ledger.command()
@online
def entries(
    session: Session,
    *,
    after: Annotated[int, typer.Option(min=-1, help="Only entries with a higher index.")] = -1,
    kind: Annotated[str, typer.Option("--type", metavar="EVENT", help="Only one type, such as run.settled.")] = "",
    run: Annotated[str, typer.Option(help="Only those of one run.")] = "",
    incident: Annotated[str, typer.Option(help="Only those of one incident.")] = "",
    limit: Limit = 50,
) -> None:
    """List entries in their order."""
    query: Query = {
        "cursor": str(after) if after >= 0 else None,
        "type": kind or None,
        "run_id": session.resolve("/api/runs", run, "run") if run else None,
        "incident_id": session.resolve("/api/incidents", incident, "incident") if incident else None,
        "limit": limit,
    }
    page = session.get("/api/log/entries", query)
    if session.screen.as_json:
        session.screen.data(page)
        return
    found = [session.read(EntryView, item) for item in session.listed(page)]
    session.screen.table(
        ("index", "at", "type", "actor", "of"),
        (
            (str(one.index), f"{one.at:%Y-%m-%d %H:%M:%S}", one.type, one.actor, one.run_id or one.incident_id or "-")
            for one in found
        ),
    )


@ledger.command()
@online
def proof(session: Session, index: Annotated[int, typer.Argument(metavar="INDEX", min=0, help="Of an entry.")]) -> None:
    """Print the inclusion proof of one entry (RFC 6962), after checking it here."""
    document = session.get(f"/api/log/proof/{index}")
    shown = session.read(InclusionView, document)
    try:
        verify_inclusion(index, shown.leaf_hash, shown.size, shown.path, shown.root)
    except ProofInvalidError as error:
        raise CommandFailed(Exit.LEDGER_INVALID, str(error), _AN_EXPORT) from error
    if session.screen.as_json:
        session.screen.data(document)
        return
    screen = session.screen
    screen.line(marked("valid", f"entry {index} is in the log of {shown.size} entries"))
    names = ("leaf", "root", *("node" for _ in shown.path))
    hashes = (shown.leaf_hash, shown.root, *shown.path)
    screen.facts((name, base64.b64encode(value).decode()) for name, value in zip(names, hashes, strict=True))
    screen.line("next: grace ledger checkpoint, and compare size and root with one kept outside")
