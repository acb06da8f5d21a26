"""The difference of two small texts, for people: redacted before it is compared, bounded in length."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Final, TypeAlias

Redact: TypeAlias = Callable[[str], str]
"""Takes secrets out of a text."""

LARGEST_TEXT_BYTES: Final = 64 * 1024
_LONGEST: Final = 4000


def text_diff(left: bytes, right: bytes, names: tuple[str, str], redact: Redact) -> str:
    """Return a unified diff; empty where a side is large or no text, or where redaction leaves no difference.

    Lines that did not change are not shown: what stands beside a change is nobody's business.
    """
    if max(len(left), len(right)) > LARGEST_TEXT_BYTES:
        return ""
    try:
        before, after = (redact(text.decode()).splitlines() for text in (left, right))
    except UnicodeDecodeError:
        return ""
    return bounded("\n".join(difflib.unified_diff(before, after, *names, lineterm="", n=0)))


def bounded(text: str) -> str:
    """Cut a text that is too long to show, and say so."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}\n… {len(text) - _LONGEST} more characters"
