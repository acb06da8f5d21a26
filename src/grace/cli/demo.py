"""`grace demo`: a real service, broken and healed before your eyes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer
from grace_sdk.client import Json
from rich.text import Text

from grace import demo as stage
from grace.cli.screen import Cell, Screen, marked
from grace.cli.visiting import AsJson, command_file

app = command_file()


class Terminal(Screen):
    """The terminal as the demo writes on it; for a program it is silent until the end."""

    def __init__(self, *, as_json: bool = False) -> None:
        super().__init__(as_json=as_json)
        self.claims: list[Json] = []
        self.runs: list[Json] = []
        self.rest: dict[str, Json] = {}

    def line(self, text: Cell = "", style: str = "") -> None:
        """Print one line for people."""
        if not self.as_json:
            super().line(text, style)

    def told(self, kind: str, fact: Mapping[str, Json]) -> None:
        """Keep what a program is told at the end."""
        match kind:
            case "claim":
                self.claims.append(dict(fact))
            case "run":
                self.runs.append(dict(fact))
            case _:
                self.rest |= fact

    def document(self, code: int) -> dict[str, Json]:
        """Return the whole demo: what was true, and every run."""
        return {"exit": code, **self.rest, "claims": self.claims, "runs": self.runs}

    def marked(self, word: str, rest: str = "") -> Text:
        """Return a state as mark, word and colour."""
        return marked(word, rest)


@app.command("demo")
def demo(
    *,
    as_json: AsJson = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the server up at the end and print how to reach it.")
    ] = False,
) -> None:
    """Break a real service, heal it, and check every claim; exit 0 only if each was true."""
    terminal = Terminal(as_json=as_json)
    code = stage.play(terminal, keep=keep)
    if as_json:
        terminal.data(terminal.document(code))
    raise typer.Exit(code)
