"""A run's or incident's story on the screen, whole or as it happens."""

from __future__ import annotations

from collections.abc import Iterable

from rich.text import Text

from grace.cli.screen import Screen
from grace.cli.views import ChapterView, TellingView


def show_story(screen: Screen, telling: TellingView) -> None:
    """Print every chapter and how it ended."""
    screen.line(telling.headline, "bold")
    screen.line(telling.subject, "bright_black")
    screen.line()
    show_chapters(screen, telling.chapters)


def show_chapters(screen: Screen, chapters: Iterable[ChapterView]) -> None:
    """Print chapters: the time of day, what happened, and the lines beneath."""
    for chapter in chapters:
        time = chapter.at.strftime("%H:%M:%S.%f")[:-3]
        screen.line(Text.assemble((time, "bright_black"), "  ", chapter.title))
        screen.bullets(chapter.lines, indent=7)
