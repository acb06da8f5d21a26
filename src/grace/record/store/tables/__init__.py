"""The tables as the code sees them, a file per kind; the schema itself comes from the migrations alone.

`ledger` is the truth; `read_models` are derived from it and can be dropped and rebuilt; `rows` are facts of their own
that are too many or too secret for the ledger.
"""

from grace.record.store.tables.base import metadata, read_document, read_time
from grace.record.store.tables.ledger import ledger_entries, ledger_payloads, ledger_tiles
from grace.record.store.tables.read_models import (
    READ_MODELS,
    action_contracts,
    approval_answers,
    approvals,
    benchmark_runs,
    halts,
    incidents,
    plans,
    playbook_versions,
    quarantines,
    runs,
    safe_hold_snapshots,
)
from grace.record.store.tables.rows import (
    mesh_cursors,
    mesh_dead_letters,
    meta,
    resource_locks,
    senders,
    signals,
    tokens,
)

__all__ = [
    "READ_MODELS",
    "action_contracts",
    "approval_answers",
    "approvals",
    "benchmark_runs",
    "halts",
    "incidents",
    "ledger_entries",
    "ledger_payloads",
    "ledger_tiles",
    "mesh_cursors",
    "mesh_dead_letters",
    "meta",
    "metadata",
    "plans",
    "playbook_versions",
    "quarantines",
    "read_document",
    "read_time",
    "resource_locks",
    "runs",
    "safe_hold_snapshots",
    "senders",
    "signals",
    "tokens",
]
