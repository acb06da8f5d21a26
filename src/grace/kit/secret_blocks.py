"""Secrets that span more than a word: what a file, or a diff of one, lists or nests under a secret name."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

Says = Callable[[str], bool]
"""Tells whether what stands under a name is a secret."""
Marks = tuple[str, ...]
"""What stands for a secret, and other marks that are none."""

_FLOW: Final = re.compile(
    r"(?<![\w.$-])(?P<name>[\w.$-]{1,128})(?:\\?[\"'])?[\"'\]]{0,2}\s{0,8}(?:=>|[:=])\s{0,8}(?P<open>[\[{]|(?<==)\()"
)
_IN_FLOW: Final = re.compile(r"[\[{(]|[\]})]|\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'", re.DOTALL)
_LEAD: Final = re.compile(r"[ \t+-]*")
"""Indentation, the dash of a list item, and the first column of a diff."""
_KEY: Final = re.compile(
    r"[ \t+-]*(?:export[ \t]+)?[\"']?(?P<name>[\w.$-]{1,128})[\"']?[ \t]*(?:=>|[:=])[ \t]*(?P<value>[^\r]*)"
)
_ASSIGNS: Final = re.compile(r"[ \t+-]*[\w.$\"' -]{1,128}[:=]")
_ENDS: Final = re.compile(r"(?:-{3,}|\+{3,}|\.{3})(?:\s|$)|@@ ")
"""The edge of a document or of a diff's hunk: nothing goes on over it."""


def hide_flows(text: str, says_secret: Says, marks: Marks) -> tuple[str, int]:
    """Replace `[...]`, `{...}` and `=(...)` under a secret name, over as many lines as they take."""
    parts: list[str] = []
    done = found = 0
    for match in _FLOW.finditer(text):
        start = match.start("open")
        if start < done or text.startswith(marks, start) or not says_secret(match["name"]):
            continue
        parts += (text[done:start], marks[0])
        done, found = _end_of_flow(text, start), found + 1
    return "".join((*parts, text[done:])), found


def _end_of_flow(text: str, start: int) -> int:
    """Return where a bracket is closed; without its end it reaches to the end of the text."""
    depth = 0
    for match in _IN_FLOW.finditer(text, start):
        depth += {"[": 1, "{": 1, "(": 1, "]": -1, "}": -1, ")": -1}.get(match[0], 0)
        if depth == 0:
            return match.end()
    return len(text)


def hide_lines(text: str, says_secret: Says, marks: Marks) -> tuple[str, int]:
    """Replace the lines that belong to a secret name at the beginning of a line above: those that are further in."""
    if "\n" not in text:
        return text, 0
    lines = _Lines(says_secret, marks)
    return "\n".join([lines.read(line) for line in text.split("\n")]), lines.found


class _Lines:
    """Reads a text line by line; remembers under which name it is."""

    def __init__(self, says_secret: Says, marks: Marks) -> None:
        self._says_secret = says_secret
        self._marks = marks
        self._depth: int | None = None
        """How far in the secret name stands that the lines now belong to."""
        self._awaits_value = False
        self.found = 0

    def read(self, line: str) -> str:
        """Return the line, or its mark."""
        if not line.strip(" \t\r+-"):
            return line
        if self._depth is not None and self._belongs(line):
            self._awaits_value = False
            return self._hidden(line)
        self._depth = None
        match = _KEY.match(line)
        if match is not None and self._says_secret(match["name"]):
            self._depth, self._awaits_value = _depth(line), not match["value"]
        return line

    def _belongs(self, line: str) -> bool:
        if _ENDS.match(line):
            return False
        depth = _depth(line)
        if depth == self._depth and self._awaits_value:
            return _ASSIGNS.match(line) is None
        return self._depth is not None and depth > self._depth

    def _hidden(self, line: str) -> str:
        start, end = _depth(line), len(line.rstrip())
        if line[start:end] in self._marks:
            return line
        shown = f"{line[:start]}{self._marks[0]}{line[end:]}"
        self.found += 1
        return shown


def _depth(line: str) -> int:
    lead = _LEAD.match(line)
    return lead.end() if lead else 0
