"""Read what stands on the record as the noun that it carries."""

from collections.abc import Callable
from typing import TypeAlias, TypeVar

from grace.model.ledger_entry import LedgerEntry
from grace.model.noun import Noun

N = TypeVar("N", bound=Noun)

Find: TypeAlias = Callable[[str], LedgerEntry | None]
"""`Reader.find`, or that of a transaction."""


def noun_at(find: Find, key: str, noun: type[N]) -> N | None:
    """Return the noun under a key; an erased one counts as absent, so that it can only take a permission away."""
    entry = find(key)
    return None if entry is None or entry.payload is None else noun.from_json(entry.payload)
