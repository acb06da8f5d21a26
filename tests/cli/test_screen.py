from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from grace.cli.screen import MARKS, Screen, marked
from grace.model.settlement import SettlementKind

COLOURED = "from grace.cli.screen import Screen, marked; Screen().line(marked('committed'))"


def _on_a_terminal(**environment: str) -> str:
    """Run a program whose output is a terminal, and return what the terminal got."""
    ours, theirs = pty.openpty()
    kept = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "TERM"}}
    subprocess.run([sys.executable, "-c", COLOURED], stdout=theirs, check=True, env={**kept, **environment})
    os.close(theirs)
    said = os.read(ours, 4096).decode()
    os.close(ours)
    return said


def test_a_state_is_mark_word_and_colour() -> None:
    said = _on_a_terminal(TERM="xterm-256color")
    assert "✓ committed" in said
    assert "\x1b[32m" in said


def test_no_color_leaves_mark_and_word() -> None:
    said = _on_a_terminal(TERM="xterm-256color", NO_COLOR="1")
    assert "✓ committed" in said
    assert "\x1b[" not in said


def test_every_settlement_has_its_own_mark() -> None:
    marks = [MARKS[kind.value][0] for kind in SettlementKind]
    assert len(set(marks)) == len(marks)


def test_only_what_pages_a_person_is_filled() -> None:
    assert [kind for kind in SettlementKind if " on " in MARKS[kind.value][1]] == [SettlementKind.NOT_RESTORED]


def test_a_table_lines_up_and_cuts_nothing_off(capsys: pytest.CaptureFixture[str]) -> None:
    Screen().table(("a", "b"), [(marked("met"), "x" * 300), ("longer cell", "[red]y[/red]")])
    head, one, two = capsys.readouterr().out.splitlines()
    assert head.index("b") == one.index("x") == two.index("[")
    assert one.endswith("x" * 300)
    assert two.endswith("[red]y[/red]"), "what a stranger wrote is not read as markup"


def test_what_a_stranger_wrote_cannot_drive_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen()
    screen.line("title \x1b]0;owned\x07\x1b[2J\r\x9b31m end")
    screen.table(("x",), [("\x1b[31mred\n\x08",)])
    screen.error("\x1b[5mblink")
    said = capsys.readouterr()
    assert not any(letter in said.out + said.err for letter in "\x1b\x07\x08\x9b\r")


def test_a_terminal_that_cannot_show_a_mark_still_gets_the_word(tmp_path: Path) -> None:
    code = "from grace.cli.program import run; raise SystemExit(run(['status', '--server', 'ftp://é✓']))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii"}, check=False
    )
    assert done.returncode == 2
    assert b"is not the address" in done.stderr
