"""`grace init`: look at this machine, read-only, and propose a `grace.yaml`."""

from __future__ import annotations

import os
import stat
from collections import Counter
from pathlib import Path
from typing import Annotated, Final

import typer
from pydantic import JsonValue

from grace.cli.calls import CommandFailed
from grace.cli.exits import Exit
from grace.cli.screen import Screen
from grace.cli.visiting import command_file, offline
from grace.cli.wording import counted
from grace.settings import load_settings
from grace.wiring.discovering import DOCKER_SOCKET, Narrowing, Proposal, Unlisted, propose

app = command_file()

_STDOUT: Final = "-"
_NEXT: Final = "grace doctor"


@app.command("init")
@offline
def init(
    screen: Screen,
    *,
    output: Annotated[
        Path, typer.Option("--output", metavar="FILE", help="Where the proposal goes; - prints it.")
    ] = Path("grace.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    pid: Annotated[list[int] | None, typer.Option("--pid", help="Only this process; may be repeated.")] = None,
    port: Annotated[list[int] | None, typer.Option("--port", help="Only what listens here; may be repeated.")] = None,
    service: Annotated[
        list[str] | None, typer.Option("--service", metavar="NAME", help="Only what is found under this name.")
    ] = None,
    pages: Annotated[
        bool, typer.Option("--pages/--no-pages", help="GET /metrics and a health page of what listens here.")
    ] = True,
) -> None:
    """Look at what runs on this machine and propose a grace.yaml. Only looks; writes that one file."""
    if str(output) != _STDOUT:
        _refuse_unfit(output, force=force)
    wanted = Narrowing(frozenset(pid or ()), frozenset(port or ()), frozenset(service or ()))
    try:
        proposal = propose(load_settings(), output, wanted, docker=DOCKER_SOCKET, asks_pages=pages)
    except Unlisted as error:
        raise CommandFailed(Exit.FAULT, str(error), "write grace.yaml by hand: docs/services.md") from error
    if proposal.flaws:
        flaws = "\n".join(map(str, proposal.flaws))
        raise CommandFailed(Exit.FAULT, f"the proposal does not load, which is a fault of ours:\n{flaws}", _BY_HAND)
    if not proposal.text:
        _show(screen, proposal)
        raise _nothing_found(wanted, proposal)
    if str(output) == _STDOUT:
        _print(screen, proposal)
        return
    _write(output, proposal.text, force=force)
    if screen.as_json:
        screen.data(_document(proposal) | {"output": str(output), "next": _NEXT})
        return
    _show(screen, proposal)
    screen.line(f"{output} proposes {counted(len(proposal.found.services), 'service')} in the mode observe; it loads.")
    screen.line(f"next: read it, then {_NEXT}")


_BY_HAND: Final = "narrow it with --pid, --port or --service, or write grace.yaml by hand: docs/services.md"


def _print(screen: Screen, proposal: Proposal) -> None:
    if screen.as_json:
        screen.data(_document(proposal) | {"proposal": proposal.text})
    else:
        screen.raw(proposal.text)


def _refuse_unfit(output: Path, *, force: bool) -> None:
    """Refuse a place where no proposal can be written, before anything is looked at."""
    if not output.parent.is_dir():
        raise CommandFailed(Exit.USAGE, f"there is no folder {output.parent}", f"mkdir -p {output.parent}")
    try:
        kind = output.lstat().st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(kind):
        raise CommandFailed(Exit.USAGE, f"{output} is a folder", f"grace init --output {output / 'grace.yaml'}")
    if not stat.S_ISREG(kind):
        raise CommandFailed(Exit.USAGE, f"{output} is no regular file", "grace init --output grace.yaml, or - to print")
    if not force:
        sentence = f"{output} is there already, and it may be somebody's work"
        raise CommandFailed(Exit.REFUSED, sentence, f"grace init --output - | diff {output} -, or --force")


def _write(output: Path, text: str, *, force: bool) -> None:
    """Write the whole proposal or nothing: never half a file, and never over one that came meanwhile."""
    draft = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        with draft.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if force:
            draft.replace(output)
        else:
            os.link(draft, output)
    except FileExistsError as error:
        sentence = f"{output} came to be while this machine was looked at"
        raise CommandFailed(Exit.REFUSED, sentence, "look at it, then --force") from error
    except OSError as error:
        sentence = f"{output} cannot be written: {error.strerror}"
        raise CommandFailed(Exit.FAULT, sentence, "grace init --output FILE, or - to print") from error
    finally:
        draft.unlink(missing_ok=True)


def _nothing_found(wanted: Narrowing, proposal: Proposal) -> CommandFailed:
    unseen = [one.what for one in proposal.found.unseen]
    hidden = f"; unknown, for it may not be looked at: {', '.join(unseen)}" if unseen else ""
    if not wanted.is_none:
        asked = [*(f"pid {one}" for one in sorted(wanted.pids)), *(f"port {one}" for one in sorted(wanted.ports))]
        asked += sorted(wanted.services)
        return CommandFailed(Exit.USAGE, f"no service was found at {', '.join(asked)}{hidden}", "grace init --output -")
    sentence = f"nothing that listens here looks like a service of yours{hidden}"
    return CommandFailed(
        Exit.USAGE, sentence, "start it and try again, name its process with --pid, or run as its user"
    )


def _show(screen: Screen, proposal: Proposal) -> None:
    """Print what was found as one table, then what is unknown and what was left out."""
    if screen.as_json:
        return
    found = proposal.found
    if found.findings:
        rows = [(one.service, one.kind.value, one.what, _where(one.where, one.note)) for one in found.findings]
        screen.table(("service", "found", "what", "where"), _once(rows))
        screen.line()
    if found.unseen:
        screen.line("unknown, because it may not be looked at:")
        screen.bullets(f"{one.what}: {one.why}. {one.next}".strip() for one in found.unseen)
        screen.line()
    left = [f"{count} {name}" if count > 1 else name for name, count in sorted(Counter(found.left_out.system).items())]
    left += [f"{found.left_out.own} of GRACE itself"] if found.left_out.own else []
    if left:
        screen.line(f"left out, as no team's service: {', '.join(left)}")


def _where(where: str, note: str) -> str:
    return f"{where} ({note})" if note else where


def _once(rows: list[tuple[str, str, str, str]]) -> list[tuple[str, str, str, str]]:
    """Name each service in its first row alone."""
    names = ["", *(row[0] for row in rows)]
    return [("" if row[0] == before else row[0], *row[1:]) for row, before in zip(rows, names, strict=False)]


def _document(proposal: Proposal) -> dict[str, JsonValue]:
    found = proposal.found
    return {
        "services": [one.name for one in found.services],
        "findings": [
            {"service": one.service, "kind": one.kind.value, "what": one.what, "where": one.where, "note": one.note}
            for one in found.findings
        ],
        "unknown": [{"what": one.what, "why": one.why, "next": one.next} for one in found.unseen],
        "left_out": {"system": list(found.left_out.system), "own": found.left_out.own},
    }
