"""The log itself: entries, their erasable payloads, and the tiles of its Merkle tree."""

from typing import Final

from sqlalchemy import Column, Index, Integer, LargeBinary, Table, Text

from grace.record.store.tables.base import metadata

ledger_entries: Final = Table(
    "ledger_entries",
    metadata,
    Column("index", Integer, primary_key=True, autoincrement=False),
    Column("key", Text, nullable=False, unique=True),
    Column("type", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("run_id", Text),
    Column("incident_id", Text),
    Column("service", Text),
    Column("payload_digest", Text, nullable=False),
)
Index("ix_ledger_entries_type", ledger_entries.c.type)
Index("ix_ledger_entries_run_id", ledger_entries.c.run_id, sqlite_where=ledger_entries.c.run_id.is_not(None))
Index(
    "ix_ledger_entries_incident_id",
    ledger_entries.c.incident_id,
    sqlite_where=ledger_entries.c.incident_id.is_not(None),
)

ledger_payloads: Final = Table(
    "ledger_payloads",
    metadata,
    Column("index", Integer, primary_key=True, autoincrement=False),
    Column("salt", LargeBinary, nullable=False),
    Column("payload", Text, nullable=False),
)

ledger_tiles: Final = Table(
    "ledger_tiles",
    metadata,
    Column("level", Integer, primary_key=True),
    Column("tile", Integer, primary_key=True),
    Column("hashes", LargeBinary, nullable=False),
)
