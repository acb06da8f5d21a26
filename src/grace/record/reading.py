"""Read what stands on the record as the noun that it carries."""

import sqlite3
from collections.abc import Callable, Sequence
from typing import TypeAlias, TypeVar

from pydantic import ValidationError

from grace.kit.wording import in_words
from grace.model.ledger_entry import LedgerEntry
from grace.model.noun import Noun
from grace.record.ledger.reading import entries_at
from grace.record.store.damage import PUT_BACK, REBUILD, RecordDamagedError

N = TypeVar("N", bound=Noun)

Find: TypeAlias = Callable[[str], LedgerEntry | None]
"""`Reader.find`, or that of a transaction."""


def find_among(driver: sqlite3.Connection, keys: Sequence[str]) -> Find:
    """Read at once what stands under these keys; to find another one raises KeyError."""
    found: dict[str, LedgerEntry | None] = dict.fromkeys(keys)
    found |= {entry.key: entry for entry in entries_at(driver, keys)}
    return found.__getitem__


def noun_at(find: Find, key: str, noun: type[N]) -> N | None:
    """Return the noun under a key; an erased one counts as absent, so that it can only take a permission away."""
    entry = find(key)
    if entry is None:
        return None
    try:
        return entry.noun(noun)
    except ValidationError as error:
        what = f"the payload of entry {entry.index} is no {noun.__name__} ({in_words(error)})"
        raise RecordDamagedError(what, PUT_BACK) from error


def noun_in(document: str, noun: type[N]) -> N:
    """Return the noun that a document of the read models, or a payload as text, holds."""
    try:
        return noun.model_validate_json(document)
    except ValidationError as error:
        what = f"a document that should hold a {noun.__name__} cannot be read ({in_words(error)})"
        raise RecordDamagedError(what, REBUILD) from error
