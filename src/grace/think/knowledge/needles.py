"""Needles: words of which at least one stands in every text that an expression matches.

Hundreds of expressions are held against each message, and nearly all of them speak of words that are not in it. Asking
for a word costs a fiftieth of a search. What is not understood of an expression asks for nothing: then it is searched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

SHORTEST: Final = 3
"""So many letters a needle has at least."""
_MOST: Final = 128
_AROUND: Final = ("(?=", "(?!", "(?<=", "(?<!", "(?#")
_REPEATS: Final = "?*+{"
_ESCAPED_LETTERS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
"""After a backslash these mean a kind of letter or a place, never themselves."""

Needles = tuple[str, ...]


class _NotUnderstood(Exception):
    """An expression uses what this reader does not know."""


@lru_cache(maxsize=4096)
def needles(pattern: str) -> Needles | None:
    """Return words in small letters, one of which every match holds; None where none can be told."""
    if not pattern.isascii():
        return None
    try:
        return _of_alternatives(pattern)
    except _NotUnderstood:
        return None


def runs_away(pattern: str) -> str | None:
    """Return a part that repeats what is itself repeated, as `(a+)+`: on some texts it takes longer than anyone waits.

    None where there is no such part, or where the expression uses what this reader does not know.
    """
    try:
        return next(_running_away(pattern), None)
    except _NotUnderstood:
        return None


def _running_away(pattern: str) -> Iterator[str]:
    for branch in _branches(pattern):
        for atom in _atoms(branch):
            inside = _inside(atom.written)
            if inside is None:
                continue
            if atom.is_endless and any(_is_one_endless(one) for one in _branches(inside)):
                yield atom.written
            yield from _running_away(inside)


def _is_one_endless(branch: str) -> bool:
    """Tell whether nothing but one endless part has to be there: what it takes can be shared out in many ways."""
    atoms = list(_atoms(branch))
    asked = [atom for atom in atoms if not atom.may_be_missing]
    if len(asked) == 1 and _inside(asked[0].written) is not None and not asked[0].is_endless:
        return any(_is_one_endless(one) for one in _branches(_inside(asked[0].written) or ""))
    return any(atom.is_endless for atom in atoms) if not asked else len(asked) == 1 and asked[0].is_endless


def _inside(written: str) -> str | None:
    if not written.startswith("(") or written.startswith("(?#"):
        return None
    if not written.startswith("(?"):
        return written[1:-1]
    for head in ("(?:", "(?=", "(?!", "(?<=", "(?<!"):
        if written.startswith(head):
            return written[len(head) : -1]
    return written[written.index(">") + 1 : -1] if written.startswith("(?P<") else None


def _of_alternatives(pattern: str) -> Needles | None:
    found: list[str] = []
    for branch in _branches(pattern):
        best = _best([one for one in _required(branch) if one])
        if best is None:
            return None
        found += best
    return tuple(dict.fromkeys(found)) if len(found) <= _MOST else None


def _best(asked: Sequence[Needles]) -> Needles | None:
    """Return the rarest of what is required: the one whose shortest word is longest."""
    good = [one for one in asked if min(map(len, one)) >= SHORTEST]
    return max(good, key=lambda one: (min(map(len, one)), -len(one)), default=None)


@dataclass(frozen=True, slots=True)
class _Atom:
    """One part of a sequence: itself, and whether it may be missing or come again."""

    written: str
    may_be_missing: bool
    may_repeat: bool
    is_endless: bool = False

    @property
    def letter(self) -> str:
        """Return the letter that it stands for; empty for everything else."""
        if len(self.written) == 1 and self.written not in ".^$":
            return self.written.lower()
        escaped = self.written[1:] if self.written[0] == "\\" else ""
        return "" if escaped in _ESCAPED_LETTERS else escaped


def _required(sequence: str) -> Iterator[Needles | None]:
    """Yield what every match of a sequence holds: runs of letters, and what its groups hold."""
    run = ""
    for atom in _atoms(sequence):
        letter = atom.letter
        if letter and not atom.may_be_missing:
            run += letter
            if not atom.may_repeat:
                continue
        yield (run,) if run else None
        run = ""
        if not atom.may_be_missing:
            yield from _of_group(atom.written)
    yield (run,) if run else None


def _of_group(written: str) -> Iterator[Needles | None]:
    if not written.startswith("(") or written.startswith(_AROUND):
        return
    if not written.startswith("(?"):
        yield _of_alternatives(written[1:-1])
    elif written.startswith("(?:"):
        yield _of_alternatives(written[3:-1])
    elif written.startswith("(?P<"):
        yield _of_alternatives(written[written.index(">") + 1 : -1])
    else:
        raise _NotUnderstood


def _branches(pattern: str) -> Iterator[str]:
    begun = 0
    for start, end in _parts(pattern):
        if pattern[start:end] == "|":
            yield pattern[begun:start]
            begun = end
    yield pattern[begun:]


def _atoms(sequence: str) -> Iterator[_Atom]:
    parts = [sequence[start:end] for start, end in _parts(sequence)]
    for place, written in enumerate(parts):
        if written[0] in _REPEATS:
            continue
        repeats = parts[place + 1] if place + 1 < len(parts) and parts[place + 1][0] in _REPEATS else ""
        is_endless = repeats.startswith(("*", "+")) or repeats.rstrip("?+").endswith(",}")
        yield _Atom(written, _may_be_missing(repeats), bool(repeats), is_endless)


def _may_be_missing(repeats: str) -> bool:
    return repeats.startswith(("?", "*", "{0", "{,"))


def _parts(pattern: str) -> Iterator[tuple[int, int]]:
    """Yield where each part begins and ends: a letter, an escape, a class, a group as a whole, or a repetition."""
    at = 0
    while at < len(pattern):
        end = _end_of_part(pattern, at)
        yield at, end
        at = end


def _end_of_part(pattern: str, at: int) -> int:
    match pattern[at]:
        case "\\":
            end = at + 2
        case "[":
            end = _end_of_class(pattern, at)
        case "(":
            end = _end_of_group(pattern, at)
        case "?" | "*" | "+":
            end = at + 2 if pattern[at + 1 : at + 2] in ("?", "+") else at + 1
        case "{":
            end = _end_of_count(pattern, at)
        case _:
            end = at + 1
    return end


def _end_of_class(pattern: str, at: int) -> int:
    place = at + 1
    if pattern[place : place + 1] == "^":
        place += 1
    if pattern[place : place + 1] == "]":
        place += 1
    while place < len(pattern) and pattern[place] != "]":
        place += 2 if pattern[place] == "\\" else 1
    return place + 1


def _end_of_group(pattern: str, at: int) -> int:
    place = at + 1
    while place < len(pattern) and pattern[place] != ")":
        place = _end_of_part(pattern, place) if pattern[place] not in "?*+{" else place + 1
    return place + 1


def _end_of_count(pattern: str, at: int) -> int:
    end = pattern.find("}", at)
    if end < 0 or not all(letter.isdigit() or letter == "," for letter in pattern[at + 1 : end]) or end == at + 1:
        raise _NotUnderstood
    return end + 2 if pattern[end + 1 : end + 2] in ("?", "+") else end + 1
