"""What the terminal shows: state as mark, word and colour together; colour never alone, and none under NO_COLOR."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from grace_sdk.client import Json
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

MARKS: Final[Mapping[str, tuple[str, str]]] = {
    "committed": ("✓", "green"),
    "rolled_back": ("↩", "blue"),
    "held": ("⏸", "yellow"),
    "not_restored": ("⬣", "bold white on red"),
    "denied": ("⊘", "bright_black"),
    "expired": ("⌛", "bright_black"),
    "aborted": ("■", "bright_black"),
    "observed": ("◌", "cyan"),
    "waiting": ("?", "yellow"),
    "granted": ("✓", "green"),
    "used": ("✓", "green"),
    "rejected": ("⊘", "bright_black"),
    "open": ("●", "yellow"),
    "closed": ("✓", "green"),
    "met": ("✓", "green"),
    "violated": ("✗", "red"),
    "inconclusive": ("…", "yellow"),
    "act_alone": ("1", "green"),
    "act_with_approval": ("2", "yellow"),
    "act_with_quorum": ("3", "yellow"),
    "halted": ("■", "bold red"),
    "delivering": ("✓", "green"),
    "stuck": ("⏸", "yellow"),
    "disabled": ("■", "bold red"),
    "taken": ("✓", "green"),
    "not taken": ("✗", "red"),
    "ok": ("✓", "green"),
    "warning": ("!", "yellow"),
    "failed": ("✗", "red"),
    "unknown": ("…", "yellow"),
    "valid": ("✓", "green"),
    "invalid": ("✗", "bold white on red"),
}
_GAP: Final = "  "
_CONTROL: Final = [*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
"""Letters that would drive the terminal or turn the reading direction: titles and messages are written by strangers."""
_HARMLESS: Final = dict.fromkeys(_CONTROL, "·") | {ord("\n"): " ", ord("\t"): " "}

Cell = str | Text


class Screen:
    """Writes for people, or with `--json` for programs; errors go to standard error."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self._out = Console(highlight=False, soft_wrap=True)
        self._err = Console(stderr=True, highlight=False, soft_wrap=True)

    def data(self, value: Json) -> None:
        """Print one JSON document."""
        print(json.dumps(value, indent=2, ensure_ascii=False))  # noqa: T201 - the program's answer

    def record(self, value: Json) -> None:
        """Print one JSON document on a line of its own, at once: more may follow."""
        print(json.dumps(value, ensure_ascii=False), flush=True)  # noqa: T201 - the program's answer

    def raw(self, text: str) -> None:
        """Print a text of GRACE's own exactly as it is."""
        sys.stdout.write(text)

    def line(self, text: Cell = "", style: str = "") -> None:
        """Print one line, of any length."""
        self._out.print(_harmless(text if isinstance(text, Text) else Text(text, style=style)))

    def heading(self, text: str) -> None:
        """Print an empty line and a line that says what follows."""
        self.line()
        self.line(text, "bold")

    def bullets(self, lines: Iterable[str], indent: int = 1) -> None:
        """Print lines below a heading."""
        for line in lines:
            for part in line.splitlines():
                self.line(_GAP * indent + part)

    def facts(self, rows: Iterable[tuple[str, Cell]]) -> None:
        """Print names with their values beside them."""
        pairs = list(rows)
        width = max((cell_len(name) for name, _ in pairs), default=0)
        for name, value in pairs:
            self.line(Text.assemble((f"{name:<{width}}", "bright_black"), _GAP, value))

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
        """Print a table without frames; nothing is cut off."""
        cells = [[_as_text(cell) for cell in row] for row in rows]
        heads = [Text(column, style="bold") for column in columns]
        widths = [max(cell.cell_len for cell in column) for column in zip(heads, *cells, strict=True)]
        for row in (heads, *cells):
            self.line(_padded(row, widths))

    def error(self, sentence: str, next_step: str = "", code: int = 1) -> None:
        """Print an error and what to try next."""
        if self.as_json:
            print(json.dumps({"error": sentence, "next": next_step, "exit": code}), file=sys.stderr)  # noqa: T201
            return
        for part in sentence.splitlines():
            self._err.print(_harmless(Text(part, style="red")))
        if next_step:
            self._err.print(_harmless(Text(f"next: {next_step}")))

    def aside(self, text: str) -> None:
        """Tell a person something that is not part of the answer."""
        if not self.as_json:
            self._err.print(_harmless(Text(text, style="bright_black")))

    def confirm(self, question: str) -> bool | None:
        """Ask for the word yes; None where nobody can be asked."""
        if not sys.stdin.isatty():
            return None
        self._err.print(Text(f"{question} [yes/no] "), end="")
        return sys.stdin.readline().strip().lower() == "yes"


def marked(word: str, rest: str = "") -> Text:
    """Return a state as mark and word in its colour, and what follows without colour."""
    mark, style = MARKS.get(word, ("·", ""))
    return Text.assemble((f"{mark} {word}", style), f"{_GAP}{rest}" if rest else "")


def _as_text(cell: Cell) -> Text:
    return _harmless(cell if isinstance(cell, Text) else Text(cell))


def _harmless(text: Text) -> Text:
    """Make every letter one that is only read; lengths, and with them styles, stay where they are."""
    text.plain = text.plain.translate(_HARMLESS)
    return text


def _padded(row: Sequence[Text], widths: Sequence[int]) -> Text:
    *first, last = row
    line = Text()
    for cell, width in zip(first, widths, strict=False):
        line.append_text(cell).append(" " * (width - cell.cell_len) + _GAP)
    return line.append_text(last)
