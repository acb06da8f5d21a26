"""Documents that people write: a plain value that remembers where each part stands, and flaws that point there."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from pydantic import JsonValue

Path: TypeAlias = tuple[str | int, ...]
"""Keys and indexes from the top of a document to one part of it."""


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A place in a file, counted from 1."""

    line: int = 1
    column: int = 1


@dataclass(frozen=True, slots=True, order=True)
class Flaw:
    """What is wrong in a file, where, by which rule, and what to do next."""

    file: str
    line: int
    column: int
    rule: str
    message: str
    next: str = ""

    def __str__(self) -> str:
        remedy = f" {self.next}" if self.next else ""
        return f"{self.file}:{self.line}:{self.column}: {self.message} [{self.rule}]{remedy}"


@dataclass(frozen=True, slots=True)
class Document:
    """A value as JSON, with the mark of every key (where there is one) or item."""

    file: str
    value: JsonValue
    marks: Mapping[Path, Mark] = field(default_factory=dict[Path, Mark])

    def at(self, path: Path) -> Mark:
        """Return the mark of a part, or of the nearest part around it that is written down.

        Steps that the document does not have are passed over: the names that a validator puts in for the arms of a
        union, and keys that are missing.
        """
        here: Path = ()
        for step in path:
            if (*here, step) in self.marks:
                here = (*here, step)
        return self.marks.get(here, Mark())

    def flaw(self, path: Path, rule: str, message: str, remedy: str = "") -> Flaw:
        mark = self.at(path)
        return Flaw(self.file, mark.line, mark.column, rule, message, remedy)


def nearest(word: str, words: Iterable[str]) -> str | None:
    """Return the word that was probably meant."""
    close = difflib.get_close_matches(word, list(words), n=1, cutoff=0.6)
    return close[0] if close else None


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """Return what to say about a name that is not among `words`: the nearest one, else the choice."""
    known = sorted(words)
    if close := nearest(word, known):
        return f"Did you mean {close!r}?"
    return f"Known: {', '.join(known)}." if known else "None is known here."
