"""How read models follow the ledger: functions per event type, applied in the transaction of the append."""

import sqlite3
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from grace.model.events import EventType
from grace.model.ledger_entry import LedgerEntry

Projection = Callable[[sqlite3.Connection, LedgerEntry], None]
Projections = Mapping[EventType, tuple[Projection, ...]]

NO_PROJECTIONS: Final[Projections] = MappingProxyType({})


def project(driver: sqlite3.Connection, entry: LedgerEntry, projections: Projections) -> None:
    """Apply an entry to the read models; an erased entry says nothing and changes nothing."""
    if entry.payload is not None:
        for projection in projections.get(entry.type, ()):
            projection(driver, entry)


def joined(*parts: Mapping[EventType, Projection]) -> Projections:
    """Join the projections of several read models; an event goes to them in the order in which they are named."""
    types = sorted({event_type for part in parts for event_type in part})
    return {event_type: tuple(part[event_type] for part in parts if event_type in part) for event_type in types}
