"""Texts that callers may send: bounded, and free of what cannot be recorded."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Path
from pydantic import AfterValidator, StringConstraints

LONGEST_REASON: Final = 2000


def recordable(text: str) -> str:
    """Return the text; raise ValueError where it holds what cannot be recorded."""
    if any("\ud800" <= letter <= "\udfff" or letter == "\0" for letter in text):
        message = "holds half a character or a NUL, which cannot be recorded"
        raise ValueError(message)
    return text


Reason = Annotated[str, StringConstraints(max_length=LONGEST_REASON), AfterValidator(recordable)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(recordable)]
Identifier = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.:-]+$")]
