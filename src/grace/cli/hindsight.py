"""`grace hindsight`: what old logs tell, without a server and without configuration."""

from __future__ import annotations

import gzip
import io
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer

from grace import wiring
from grace.cli.calls import CommandFailed
from grace.cli.exits import Exit
from grace.cli.screen import Screen
from grace.cli.visiting import command_file, offline
from grace.cli.wording import counted
from grace.model.hindsight import Hindsight, PastIncident
from grace.settings import load_settings

app = command_file()

_STDIN: Final = "-"
_GZIP: Final = b"\x1f\x8b"
_SHOWN: Final = 40


@app.command("hindsight")
@offline
def hindsight(
    screen: Screen,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Logs, also gzipped; - for the input.")],
) -> None:
    """Say which incidents, causes and playbooks old logs hold. Only text is read: no look at the world confirms it."""
    looking = wiring.looking_back(load_settings())
    if isinstance(looking, tuple):
        raise CommandFailed(Exit.USAGE, "\n".join(map(str, looking)), "grace knowledge test")
    for file in files:
        with _opened(file) as lines:
            try:
                looking.read(str(file), lines)
            except (EOFError, gzip.BadGzipFile) as error:
                raise CommandFailed(Exit.USAGE, f"{file}: damaged gzip: {error}", "unpack it by hand") from error
    seen = looking.seen()
    if screen.as_json:
        screen.data(seen.to_json())
    else:
        _show(screen, seen)


@contextmanager
def _opened(file: Path) -> Generator[io.TextIOBase]:
    """Open a log; what is no UTF-8 in it is marked, not refused."""
    if str(file) == _STDIN:
        yield io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8", errors="replace")
        return
    if file.is_dir():
        raise CommandFailed(Exit.USAGE, f"{file} is a folder", f"grace hindsight {file}/*.log")
    with file.open("rb") as raw:
        is_packed = raw.read(len(_GZIP)) == _GZIP
        raw.seek(0)
        stream = gzip.GzipFile(fileobj=raw) if is_packed else raw
        with io.TextIOWrapper(stream, encoding="utf-8", errors="replace") as text:
            yield text


def _show(screen: Screen, seen: Hindsight) -> None:
    read = f"{counted(seen.lines, 'line')}, {counted(seen.messages, 'message')}"
    found = f"{seen.quiet} quiet, {seen.unclear} unclear, {counted(len(seen.incidents), 'incident')}"
    screen.line(f"{read}: {found} ({seen.basis})")
    for one in seen.incidents[:_SHOWN]:
        screen.line()
        screen.line(f"{one.count} x  {one.title}")
        screen.facts(_facts(one))
    if len(seen.incidents) > _SHOWN:
        screen.line()
        screen.line(f"... and {len(seen.incidents) - _SHOWN} more; --json tells all.")
    if seen.left_out:
        screen.line(f"{counted(seen.left_out, 'message')} of further kinds were only counted.")
    screen.line()
    screen.line("next: grace knowledge search WORDS, or grace serve to watch it live")


def _facts(one: PastIncident) -> list[tuple[str, str]]:
    diagnosis = one.diagnosis
    cause = "unknown: log and alert, never act" if diagnosis.is_unknown else diagnosis.cause
    sure = "" if diagnosis.is_unknown else f", confidence {diagnosis.confidence:.2f}, from text only"
    span = f"{one.first_seen:%Y-%m-%d %H:%M:%S} to {one.last_seen:%Y-%m-%d %H:%M:%S}" if one.first_seen else "not told"
    sources = [f"{seen.rule}; {seen.source}" for seen in diagnosis.evidence[:1]]
    return [
        ("  cause", f"{cause}{sure}"),
        *(("  by", source) for source in sources),
        ("  when", span),
        ("  where", f"{one.file}:{one.line}"),
        ("  playbooks", ", ".join(one.playbooks) or "none heals it"),
    ]
