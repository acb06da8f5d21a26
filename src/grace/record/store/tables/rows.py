"""Plain rows: what is too much (signals), too brief (locks, cursors) or too secret (tokens) for the ledger."""

from typing import Final

from sqlalchemy import Column, Index, Integer, Table, Text

from grace.record.store.tables.base import Document, UtcTime, metadata

signals: Final = Table(
    "signals",
    metadata,
    Column("service", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("incident_id", Text),
    Column("environment", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("received_at", UtcTime, nullable=False),
    Column("kind", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("doc", Document, nullable=False),
)
Index("ix_signals_incident_id_received_at", signals.c.incident_id, signals.c.received_at)

senders: Final = Table(
    "senders",
    metadata,
    Column("id", Text, primary_key=True),
    Column("service", Text, nullable=False),
    Column("issued", Integer, nullable=False),
    Column("received", Integer, nullable=False),
    Column("is_over", Integer, nullable=False),
    Column("seen_at", UtcTime, nullable=False),
)

resource_locks: Final = Table(
    "resource_locks",
    metadata,
    Column("target", Text, primary_key=True),
    Column("run_id", Text, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("taken_at", UtcTime, nullable=False),
)
Index("ix_resource_locks_run_id", resource_locks.c.run_id)

tokens: Final = Table(
    "tokens",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("secret_hash", Text, nullable=False, unique=True),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime),
    Column("revoked_at", UtcTime),
)

mesh_cursors: Final = Table(
    "mesh_cursors",
    metadata,
    Column("subscriber", Text, primary_key=True),
    Column("delivered", Integer, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    Column("disabled_why", Text),
)

mesh_dead_letters: Final = Table(
    "mesh_dead_letters",
    metadata,
    Column("subscriber", Text, primary_key=True),
    Column("index", Integer, primary_key=True, autoincrement=False),
    Column("attempts", Integer, nullable=False),
    Column("error", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("requeued_at", UtcTime),
)

meta: Final = Table(
    "meta",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
