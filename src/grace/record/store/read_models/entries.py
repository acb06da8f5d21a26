"""Read the noun that an entry carries, and the ids that a projection needs."""

from typing import TypeVar

from grace.model.ledger_entry import LedgerEntry
from grace.model.noun import Noun

N = TypeVar("N", bound=Noun)


class EntryUnfitError(ValueError):
    """An entry lacks what its type must carry; the unit that appended it fails."""

    def __init__(self, entry: LedgerEntry, what: str) -> None:
        self.key = entry.key
        super().__init__(f"The {entry.type.value} entry {entry.key!r} has no {what}; nothing was written.")


def noun_of(entry: LedgerEntry, noun: type[N]) -> N:
    """Return the payload as its noun; raise `pydantic.ValidationError` when it is not one."""
    if entry.payload is None:
        raise EntryUnfitError(entry, "payload")
    return noun.from_json(entry.payload)


def run_id_of(entry: LedgerEntry) -> str:
    if entry.run_id is None:
        raise EntryUnfitError(entry, "run_id")
    return entry.run_id
