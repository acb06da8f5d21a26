"""`grace demo`: a real service, broken and healed before your eyes."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from grace import demo as stage
from grace.cli.screen import Screen, marked
from grace.cli.visiting import command_file

app = command_file()


class Terminal(Screen):
    """The terminal as the demo writes on it."""

    def marked(self, word: str, rest: str = "") -> Text:
        """Return a state as mark, word and colour."""
        return marked(word, rest)


@app.command("demo")
def demo(
    *,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the server up at the end and print how to reach it.")
    ] = False,
) -> None:
    """Break a real service, heal it, and check every claim; exit 0 only if each was true."""
    raise typer.Exit(stage.play(Terminal(), keep=keep))
