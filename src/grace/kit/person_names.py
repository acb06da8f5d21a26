"""Names of people and programs: what may be one, and when two of them are the same to whoever reads them."""

from __future__ import annotations

import unicodedata


def folded(name: str) -> str:
    """Return what two names share that a reader takes for one: without case, width, edges and signs unseen."""
    seen = "".join(letter for letter in _plain(name).casefold() if not _is_unseen(letter))
    return " ".join(_plain(seen).split())


def flaw_of(name: str) -> str:
    """Say why this cannot be a name, or nothing."""
    if name != name.strip():
        return "begins or ends with a space"
    unseen = next((letter for letter in name if _is_unseen(letter) or _breaks_line(letter)), None)
    if unseen is not None:
        return f"holds U+{ord(unseen):04X}, which nobody can see"
    return "" if folded(name) else "holds no letter"


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def _is_unseen(letter: str) -> bool:
    """Tell of control and format characters, halves of characters, and what has no character yet."""
    return unicodedata.category(letter).startswith("C")


def _breaks_line(letter: str) -> bool:
    return unicodedata.category(letter) in {"Zl", "Zp"}
