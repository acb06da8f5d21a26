"""References: the words of a sentence, and those among them that look like an id. What looks like one is never skipped.

An id that is written in lower case, with a letter too many, or that nobody has, still looks like one: it is looked up
as a whole, or the sentence is refused. No part of it is read instead.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

from grace.kit.ids import IdInvalidError, normal_beginning

_EDGES: Final = ".,!?;:'\"`()[]{}<>\N{HORIZONTAL ELLIPSIS}\N{EM DASH}\N{EN DASH}-"
_SHORT_FORMS: Final = re.compile(r"(?<=\w)'(?:s|re|m|ve|ll|d)\b", re.IGNORECASE)
_APOSTROPHES: Final = str.maketrans({"\N{RIGHT SINGLE QUOTATION MARK}": "'", "\N{LEFT SINGLE QUOTATION MARK}": "'"})
_REFERENCE: Final = re.compile(r"(?P<kind>inc|run|apr|hlt)_(?P<rest>.*)", re.IGNORECASE)
_NEVER_CODE: Final = frozenset({"inc", "apr"})
"""No program calls its functions so; a word such as `run_migrations` is code unless it goes on as ids do."""


def words_of(said: str) -> tuple[str, ...]:
    """Return the words as they were written, without the punctuation around them; signs alone are no words."""
    plain = _SHORT_FORMS.sub("", said.translate(_APOSTROPHES)).replace(",", " ")
    return tuple(word for written in plain.split() if (word := written.strip(_EDGES)) and not _is_picture(word))


def is_reference(word: str) -> bool:
    """Tell whether a word that stands where an object stands looks like an id, in either case and of any length."""
    return _REFERENCE.fullmatch(word) is not None


def references_in(words: Sequence[str]) -> tuple[str, ...]:
    """Return what looks like an id wherever it stands, also in a pasted message."""
    found = ((word, _REFERENCE.fullmatch(word)) for word in words)
    named = [word for word, seen in found if seen and (seen["kind"].lower() in _NEVER_CODE or seen["rest"][:1] == "0")]
    return tuple(dict.fromkeys(named))


def is_readable(reference: str) -> bool:
    """Tell whether a word that looks like an id could be one, or the beginning of one."""
    try:
        return bool(normal_beginning(reference).partition("_")[2])
    except IdInvalidError:
        return False


def kind_of(reference: str) -> str:
    """Return `inc`, `run`, `apr` or `hlt`; nothing for what does not look like an id."""
    seen = _REFERENCE.fullmatch(reference)
    return seen["kind"].lower() if seen else ""


def _is_picture(word: str) -> bool:
    return all(unicodedata.category(sign) in {"So", "Sk", "Mn", "Cf"} for sign in word)
