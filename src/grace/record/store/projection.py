"""How read models follow the ledger: one function per event type, applied in the transaction of the append."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from sqlalchemy import Connection

from grace.model.events import EventType
from grace.model.ledger_entry import LedgerEntry

Projection = Callable[[Connection, LedgerEntry], None]
Projections = Mapping[EventType, Projection]

NO_PROJECTIONS: Projections = MappingProxyType({})


def project(connection: Connection, entry: LedgerEntry, projections: Projections) -> None:
    """Apply an entry to the read models; an erased entry says nothing and changes nothing."""
    projection = projections.get(entry.type)
    if projection is not None and entry.payload is not None:
        projection(connection, entry)
