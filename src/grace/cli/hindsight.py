"""`grace hindsight`: what old logs tell, without a server and without configuration."""

from __future__ import annotations

import codecs
import gzip
import io
import sys
import zlib
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, cast

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
_HEAD: Final = 8_192
"""So many bytes tell how a file is written, and whether it is text."""
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_MOST_STRANGE: Final = 0.05
"""A greater share of letters that no log has, and it is no text."""
_IN_LOGS: Final = frozenset("\t\n\r\f\b\x1b\ufeff")


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
    no_texts = [told for file in files if (told := _read(file, looking.read))]
    if len(no_texts) < len(files):
        _tell(screen, looking.seen())
    if no_texts:
        sentence = f"{len(no_texts)} of {counted(len(files), 'file')} could not be read: {'; '.join(no_texts)}"
        raise CommandFailed(Exit.USAGE, sentence, "give logs as text, in UTF-8 or UTF-16; grace hindsight FILE.log")


def _read(file: Path, take: Callable[[str, Iterable[str], datetime | None], None]) -> str:
    """Take one file; return why it could not be taken when it is no text."""
    try:
        with _opened(file) as stream:
            head = stream.peek(_HEAD)[:_HEAD]
            encoding = _encoding(head)
            if share := _strange_share(head, encoding):
                return f"{file} is no text ({share:.0%} of its first {len(head)} bytes are no letters of a log)"
            with io.TextIOWrapper(stream, encoding=encoding, errors="replace") as lines:
                take(str(file), lines, _written(file))
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise CommandFailed(Exit.USAGE, f"{file}: damaged gzip: {error}", "unpack it by hand") from error
    return ""


def _written(file: Path) -> datetime | None:
    """Return when a log was last changed, by which the year of its lines is told; None for the input."""
    return None if str(file) == _STDIN else datetime.fromtimestamp(file.stat().st_mtime, UTC)


@contextmanager
def _opened(file: Path) -> Generator[io.BufferedReader]:
    """Open a log, unpacked."""
    if str(file) == _STDIN:
        yield io.BufferedReader(cast("io.RawIOBase", sys.stdin.buffer), _HEAD)
        return
    if file.is_dir():
        raise CommandFailed(Exit.USAGE, f"{file} is a folder", f"grace hindsight {file}/*.log")
    if not file.exists():
        raise CommandFailed(Exit.USAGE, f"{file}: no such file", f"ls {file.parent}")
    with file.open("rb") as raw:
        is_packed = raw.read(len(_GZIP)) == _GZIP
        raw.seek(0)
        yield io.BufferedReader(cast("io.RawIOBase", gzip.GzipFile(fileobj=raw)), _HEAD) if is_packed else raw


def _encoding(head: bytes) -> str:
    """Return how a text is written: by its mark, or by the places of the zero bytes of UTF-16."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    half = len(head) // 2
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if half and max(even, odd) > half / 2 and min(even, odd) <= half / 20:
        return "utf-16-le" if odd > even else "utf-16-be"
    return "utf-8"


def _strange_share(head: bytes, encoding: str) -> float:
    """Return the share of letters that no log has, 0 where it is small. Text in an old 8-bit alphabet is no reason."""
    text = head[: len(head) // 4 * 4 or None].decode(encoding, errors="replace").lstrip("\0")
    refused = "\ufffd" if encoding.startswith(("utf-16", "utf-32")) else ""
    strange = sum(letter in refused or not (letter.isprintable() or letter in _IN_LOGS) for letter in text)
    share = strange / len(text) if text else float(bool(head))
    return share if share > _MOST_STRANGE else 0.0


def _tell(screen: Screen, seen: Hindsight) -> None:
    if screen.as_json:
        screen.data(seen.to_json())
    else:
        _show(screen, seen)


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
