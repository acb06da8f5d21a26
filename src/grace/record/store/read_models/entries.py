"""Read what a projection needs: the noun and the ids of an entry, and the document that stands in a row."""

from sqlite3 import Cursor
from typing import TypeVar

from pydantic import JsonValue

from grace.model.ledger_entry import LedgerEntry
from grace.model.noun import Noun
from grace.record.store.damage import REBUILD, RecordDamagedError
from grace.record.store.tables import read_document

N = TypeVar("N", bound=Noun)


class EntryUnfitError(ValueError):
    """An entry lacks what its type must carry; the unit that appended it fails."""

    def __init__(self, entry: LedgerEntry, what: str) -> None:
        self.key = entry.key
        super().__init__(f"The {entry.type.value} entry {entry.key!r} has no {what}; nothing was written.")


def noun_of(entry: LedgerEntry, noun: type[N]) -> N:
    """Return the payload as its noun; raise `pydantic.ValidationError` when it is not one."""
    found = entry.noun(noun)
    if found is None:
        raise EntryUnfitError(entry, "payload")
    return found


def run_id_of(entry: LedgerEntry) -> str:
    if entry.run_id is None:
        raise EntryUnfitError(entry, "run_id")
    return entry.run_id


def document(cursor: Cursor) -> dict[str, JsonValue]:
    """Return the document that a query for one found, empty where there is no such row.

    Raise RecordDamagedError where it is no object.
    """
    row = cursor.fetchone()
    standing = {} if row is None else read_document(row[0])
    if not isinstance(standing, dict):
        what = "a document of the read models is no object"
        raise RecordDamagedError(what, REBUILD)
    return standing
