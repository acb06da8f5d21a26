"""Append to the log inside the writer's transactions: one page per group, written with three statements."""

import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Final, overload

from grace.kit.clock import Clock, from_rfc3339, to_rfc3339
from grace.kit.cuts import cut_each
from grace.kit.ids import random_bytes
from grace.model.ledger_entry import Draft, LedgerEntry
from grace.record.ledger.entries import ENTRY_COLUMNS, SALT_SIZE, Prepared, entry_from_row, place, prepare
from grace.record.ledger.tiles import RightEdge, StoredNodes
from grace.record.store import Added, KeyStandsError
from grace.record.store.projection import Projection, Projections

_STANDS: Final = frozenset(
    {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_ROWID, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY}
)
"""What the insert says of a key, or of a place in the log, that another entry has."""
_KEY: Final = itemgetter(0)
"""The first field of a prepared draft."""
_TYPE: Final = itemgetter(1)
"""The second."""
_SIZE: Final = 'SELECT coalesce(max("index"), -1) + 1 FROM ledger_entries'
_NEWEST_AT: Final = 'SELECT at FROM ledger_entries WHERE "index" = ?'
_STANDING: Final = f"""
    SELECT {ENTRY_COLUMNS}, payload FROM ledger_entries LEFT JOIN ledger_payloads USING ("index") WHERE key = ?
"""  # noqa: S608 - a constant list of columns
_INSERT_ENTRY: Final = f"INSERT INTO ledger_entries ({ENTRY_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
_INSERT_PAYLOAD: Final = 'INSERT INTO ledger_payloads ("index", salt, payload) VALUES (?, ?, ?)'
_WRITE_TILE: Final = """
    INSERT INTO ledger_tiles (level, tile, hashes) VALUES (?, ?, ?)
    ON CONFLICT (level, tile) DO UPDATE SET hashes = excluded.hashes
"""


class LedgerLog:
    """The log as the one writer sees it: its end in memory, everything else in the database."""

    def __init__(self, clock: Clock, projections: Projections, entropy: Callable[[int], bytes] = random_bytes) -> None:
        self._clock = clock
        # By their plain names: an enum's members are hashed by a Python function, once for every entry.
        self._projections = {event_type.value: steps for event_type, steps in projections.items()}
        self._entropy = entropy
        self._edge: RightEdge | None = None
        self._at: datetime | None = None
        self._page: LedgerPage | None = None

    def prepare(self, drafts: Collection[Draft]) -> tuple[Prepared, ...]:
        return prepare(drafts, self._entropy(SALT_SIZE * len(drafts)))

    def projects(self, prepared: Collection[Prepared]) -> bool:
        return not self._projections.keys().isdisjoint(map(_TYPE, prepared))

    def page(self, driver: sqlite3.Connection, *, fresh_keys: bool) -> "LedgerPage":
        edge, self._edge = self._edge, None
        # The edge in memory is trusted only while the log ends where it ends: after a failed write, or when another
        # process appended, it is read again. A page for fresh keys need not ask: its first place would be taken.
        if edge is None or not fresh_keys:
            size = driver.execute(_SIZE).fetchone()[0]
            if edge is None or edge.size != size:
                edge = RightEdge.load(StoredNodes(driver), size)
                self._at = _newest_at(driver, size)
        now = self._clock.now()
        # A clock that was set back dates nothing before what stands already.
        self._at = now if self._at is None else max(now, self._at)
        self._page = LedgerPage(driver, edge, self._at, self._projections, fresh_keys=fresh_keys)
        return self._page

    def committed(self) -> Added:
        page, self._page = self._page, None
        if page is not None:
            self._edge = page.edge
            page.pass_cuts("after")
        size = 0 if self._edge is None else self._edge.size
        types = frozenset[str]() if page is None else page.types
        return Added(size - (0 if page is None else len(page)), size - 1, types)


def _newest_at(driver: sqlite3.Connection, size: int) -> datetime | None:
    row = driver.execute(_NEWEST_AT, (size - 1,)).fetchone()
    return None if row is None else from_rfc3339(row[0])


class FreshEntries(Sequence[LedgerEntry]):
    """Entries that were appended together; each is made when somebody reads it, for hardly anybody does."""

    __slots__ = ("_at", "_first", "_prepared")

    def __init__(self, prepared: Sequence[Prepared], first: int, at: datetime) -> None:
        self._prepared = prepared
        self._first = first
        self._at = at

    def __len__(self) -> int:
        return len(self._prepared)

    @overload
    def __getitem__(self, place: int) -> LedgerEntry: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[LedgerEntry]: ...

    def __getitem__(self, place: int | slice) -> LedgerEntry | Sequence[LedgerEntry]:
        places = range(len(self._prepared))[place]
        if isinstance(places, range):
            return tuple(self._entry(one) for one in places)
        return self._entry(places)

    def _entry(self, place: int) -> LedgerEntry:
        return self._prepared[place].entry(self._first + place, self._at)


class LedgerPage:
    """The entries that one group of units adds."""

    def __init__(
        self,
        driver: sqlite3.Connection,
        edge: RightEdge,
        at: datetime,
        projections: Mapping[str, tuple[Projection, ...]],
        *,
        fresh_keys: bool,
    ) -> None:
        self.edge = edge
        self._driver = driver
        self._base = edge.size
        self._at = at
        self._at_text = to_rfc3339(at)
        self._projections = projections
        self._fresh_keys = fresh_keys
        self._placed: list[Prepared] = []
        self._places: dict[str, int] = {}
        self._fresh: set[str] = set()

    def __len__(self) -> int:
        return len(self._placed)

    @property
    def types(self) -> frozenset[str]:
        """Of which types the entries are."""
        return frozenset(map(_TYPE, self._placed))

    def append(self, prepared: Prepared) -> LedgerEntry:
        standing = self.find(prepared.key)
        if standing is not None:
            return standing
        place = len(self._placed)
        entry = prepared.entry(self._base + place, self._at)
        self._placed.append(prepared)
        self._places[prepared.key] = place
        for projection in self._projections.get(prepared.type, ()):
            projection(self._driver, entry)
        return entry

    def append_fresh(self, prepared: Sequence[Prepared]) -> Sequence[LedgerEntry]:
        first, keys = len(self._placed), set(map(_KEY, prepared))
        if len(keys) < len(prepared) or not self._fresh.isdisjoint(keys):
            raise KeyStandsError
        self._placed += prepared
        self._fresh |= keys
        return FreshEntries(prepared, self._base + first, self._at)

    def find(self, key: str) -> LedgerEntry | None:
        place = self._places.get(key)
        if place is not None:
            return self._placed[place].entry(self._base + place, self._at)
        row = self._driver.execute(_STANDING, (key,)).fetchone()
        return None if row is None else entry_from_row(row)

    def cut_back(self, length: int) -> None:
        for prepared in self._placed[length:]:
            del self._places[prepared.key]
        del self._placed[length:]

    def write(self) -> None:
        if not self._placed:
            return
        placed = place(self._placed, self._base, self._at_text)
        try:
            self._driver.executemany(_INSERT_ENTRY, placed.entries)
        except sqlite3.IntegrityError as error:
            if self._fresh_keys and error.sqlite_errorcode in _STANDS:
                raise KeyStandsError from error
            raise
        self._driver.executemany(_INSERT_PAYLOAD, placed.payloads)
        self._driver.executemany(_WRITE_TILE, self.edge.extend(placed.leaf_hashes))
        self.pass_cuts("before")

    def pass_cuts(self, moment: str) -> None:
        """Pass the fault point of this commit under the name of each entry that it makes durable."""
        cut_each(f"ledger.{prepared.type}.{moment}" for prepared in self._placed)
