"""A story on the screen: what is too long to read is cut and said to be, and nothing is lost for who asks."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from grace.cli.screen import Screen
from grace.cli.story import show_story
from grace.cli.views import ChapterView, TellingView

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LONG_LINE = "x" * 1000
MANY_LINES = "\n".join(f"line {number}" for number in range(100))


def story(*lines: str) -> TellingView:
    return TellingView(
        subject="run_1",
        headline="committed: it holds",
        chapters=(ChapterView(index=1, at=AT, title="done", lines=lines),),
    )


def test_long_lines_and_long_texts_are_cut_with_how_much_more_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert show_story(Screen(), story("output:", LONG_LINE, MANY_LINES))
    shown = capsys.readouterr().out
    assert f"{'x' * 300}… (700 more characters)" in shown
    assert "x" * 301 not in shown
    assert "line 39" in shown
    assert "line 40" not in shown
    assert "… (60 more lines)" in shown


def test_asked_for_all_of_it_nothing_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    assert not show_story(Screen(), story(LONG_LINE, MANY_LINES), full=True)
    shown = capsys.readouterr().out
    assert LONG_LINE in shown
    assert "line 99" in shown


def test_what_is_short_is_shown_as_it_is_and_nothing_is_said_of_cutting(capsys: pytest.CaptureFixture[str]) -> None:
    assert not show_story(Screen(), story("a line that ends\n", "", "x" * 300))
    assert "x" * 300 in capsys.readouterr().out
