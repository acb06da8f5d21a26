"""What the demo writes on: the terminal, as the command line hands it in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from pydantic import JsonValue
from rich.text import Text

from grace.kit.clock import Clock

Cell = str | Text
_LABEL: Final = 10


class Page(Protocol):
    """Writes for people."""

    def line(self, text: Cell = "", style: str = "") -> None: ...

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None: ...

    def marked(self, word: str, rest: str = "") -> Text:
        """Return a state as mark, word and colour."""
        ...

    def told(self, kind: str, fact: Mapping[str, JsonValue]) -> None:
        """Take the same once more as a program reads it: each `claim`, each `run`, the `end`."""
        ...


@dataclass(slots=True)
class Report:
    """Tells the scenes as they happen, and remembers every line that was false."""

    page: Page
    clock: Clock
    falsities: list[str] = field(default_factory=list[str])
    checked: int = 0
    _scene: int = 0
    _began_s: float = field(init=False)

    def __post_init__(self) -> None:
        self._began_s = self.clock.monotonic()

    @property
    def seconds(self) -> float:
        """Return how long the demo has been playing."""
        return self.clock.monotonic() - self._began_s

    def scene(self, number: int, title: str) -> None:
        """Begin a numbered scene."""
        self._scene = number
        self.page.line()
        self.page.line(Text.assemble((f"{number}  {title}", "bold"), (f"   {self.seconds:.1f} s", "bright_black")))

    def tell(self, label: str, text: Cell, at_s: float | None = None) -> None:
        """Print one line: the second it happened in, what sort of thing, and what."""
        second = self.seconds if at_s is None else at_s
        self.page.line(Text.assemble((f"{second:6.1f} s  ", "bright_black"), f"{label:<{_LABEL}}", text))

    def more(self, text: Cell) -> None:
        """Print a line that belongs to the one above."""
        self.page.line(Text.assemble(" " * (_LABEL + 10), text))

    def claim(self, sentence: str, *, true: bool, shown: str = "") -> None:
        """Check one line of the demo; a false one is remembered and makes the demo fail."""
        self.checked += 1
        if not true:
            self.falsities.append(f"{sentence}{f' ({shown})' if shown else ''}")
        self.page.told("claim", {"scene": self._scene, "claim": sentence, "true": true, "shown": shown})
        mark = ("✓", "green") if true else ("✗", "red")
        told = (f"  {shown}", "bright_black") if shown else ""
        self.page.line(Text.assemble(" " * 10, mark, f" {sentence}", told))
