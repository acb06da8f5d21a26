"""Tables, sessions and migrations of GRACE's own database, and its one writer.

No other package states a schema. The writer knows no ledger: it is given a `Log` and asks it for a `Page` per group.
"""

import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from grace.model.ledger_entry import Draft, LedgerEntry

P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Added:
    """What one commit added to the log: where it began and ended, and entries of which types."""

    first: int
    highest: int
    types: frozenset[str]


P_contra = TypeVar("P_contra", contravariant=True)


class KeyStandsError(RuntimeError):
    """A page that hoped for fresh keys met one that stands; the group is written again with every key looked up."""


class Page(Protocol[P_contra]):
    """What one group of units adds to the log; nothing of it is in the log's tables before `write`."""

    def append(self, prepared: P_contra) -> LedgerEntry:
        """Place a draft and project it into the read models, or return the entry that stands for its key."""
        ...

    def append_fresh(self, prepared: Sequence[P_contra]) -> Sequence[LedgerEntry]:
        """Place drafts that no read model follows, on a page opened for fresh keys; may raise KeyStandsError."""
        ...

    def find(self, key: str) -> LedgerEntry | None: ...

    def cut_back(self, length: int) -> None:
        """Forget what was placed after the first `length` entries of this page."""
        ...

    def write(self) -> None:
        """Write entries, payloads and tree; may raise KeyStandsError when the page was opened for fresh keys."""
        ...

    def __len__(self) -> int: ...


class Log(Protocol[P]):
    """An append-only log that lives in the writer's transactions."""

    def prepare(self, drafts: Collection[Draft]) -> tuple[P, ...]:
        """Do, in any thread, all work on drafts that needs neither their places nor the time."""
        ...

    def projects(self, prepared: Collection[P]) -> bool:
        """Say whether placing one of these drafts writes to read models, and so may fail."""
        ...

    def page(self, driver: sqlite3.Connection, *, fresh_keys: bool) -> Page[P]:
        """Start a page at the end of the log as the transaction sees it."""
        ...

    def committed(self) -> Added:
        """Make the last page part of the log and say what it added; `highest` is -1 when the log is empty."""
        ...
