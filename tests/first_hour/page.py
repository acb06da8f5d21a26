"""The page as it stands: its commands in their order, what it shows of their output, and what happens in between."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "first-hour.md"
_PART = re.compile(r"^```console\n(?P<block>.*?)^```$|^<!-- now: (?P<event>.+?) -->$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Command:
    """One command line, and the lines that the page shows under it."""

    line: str
    shown: tuple[str, ...]

    @property
    def is_in_background(self) -> bool:
        return self.line.endswith("&")


@dataclass(frozen=True, slots=True)
class Event:
    """What happens in the world at this place of the page."""

    name: str


def steps(page: str) -> Iterator[Command | Event]:
    """Yield commands and events in the order of the page."""
    for part in _PART.finditer(page):
        if part["event"]:
            yield Event(part["event"])
            continue
        for one in re.split(r"^\$ ", part["block"], flags=re.MULTILINE)[1:]:
            line, *shown = one.rstrip("\n").split("\n")
            yield Command(line, tuple(shown))


def missing(shown: tuple[str, ...], printed: str) -> list[str]:
    """Return the lines of the page that were not printed, in this order; `…` stands for anything, space for space."""
    lines = iter([" ".join(line.split()) for line in printed.splitlines()])
    shown = tuple(one for one in shown if one.strip() not in {"", "…"})
    patterns = [".*?".join(re.escape(" ".join(part.split())) for part in one.split("…")) for one in shown]
    return [
        one
        for one, pattern in zip(shown, patterns, strict=True)
        if not any(re.fullmatch(rf"\s*{pattern}\s*", line) for line in lines)
    ]
