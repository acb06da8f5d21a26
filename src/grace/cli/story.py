"""A run's or incident's story on the screen, whole or as it happens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from rich.text import Text

from grace.cli.screen import Screen
from grace.cli.views import ChapterView, TellingView

_LONGEST_LINE: Final = 300
_MOST_LINES: Final = 40
"""So much of one text, such as what a command wrote, is shown unless all of it is asked for."""


def show_story(screen: Screen, telling: TellingView, *, full: bool = False) -> bool:
    """Print every chapter and how it ended; say whether anything was cut."""
    screen.line(telling.headline, "bold")
    screen.line(telling.subject, "bright_black")
    screen.line()
    return show_chapters(screen, telling.chapters, full=full)


def show_chapters(screen: Screen, chapters: Iterable[ChapterView], *, full: bool = False) -> bool:
    """Print chapters: the time of day, what happened, and the lines beneath; say whether anything was cut."""
    was_cut = False
    for chapter in chapters:
        time = chapter.at.strftime("%H:%M:%S.%f")[:-3]
        title, *lines = (chapter.title, *chapter.lines) if full else map(_short, (chapter.title, *chapter.lines))
        screen.line(Text.assemble((time, "bright_black"), "  ", title))
        screen.bullets(lines, indent=7)
        was_cut = was_cut or (title, *lines) != (chapter.title, *chapter.lines)
    return was_cut


def _short(text: str) -> str:
    """Cut a text that is too long to read on a screen, and say by how much."""
    lines = text.splitlines()
    if len(lines) <= _MOST_LINES and all(len(line) <= _LONGEST_LINE for line in lines):
        return text
    return "\n".join(_short_lines(lines))


def _short_lines(lines: list[str]) -> Iterator[str]:
    for line in lines[:_MOST_LINES]:
        more = len(line) - _LONGEST_LINE
        yield line if more <= 0 else f"{line[:_LONGEST_LINE]}… ({more} more characters)"
    if len(lines) > _MOST_LINES:
        yield f"… ({len(lines) - _MOST_LINES} more lines)"
