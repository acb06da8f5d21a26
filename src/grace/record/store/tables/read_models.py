"""Read models: what the ledger says, arranged for questions. Every row can be made again from the entries."""

from typing import Final

from sqlalchemy import Boolean, Column, Index, Integer, Table, Text

from grace.record.store.tables.base import Document, UtcTime, metadata

runs: Final = Table(
    "runs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("incident_id", Text),
    Column("kind", Text, nullable=False),
    Column("service", Text, nullable=False),
    Column("playbook", Text),
    Column("stage", Text, nullable=False),
    Column("settlement", Text),
    Column("reason", Text),
    Column("opened_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    Column("settled_at", UtcTime),
    Column("plan_digest", Text),
    Column("tier", Integer),
    Column("of_run", Text),
    Column("requested_by", Text, nullable=False),
    Column("doc", Document, nullable=False),
)
Index("ix_runs_incident_id", runs.c.incident_id)
Index("ix_runs_settlement_id", runs.c.settlement, runs.c.id)

incidents: Final = Table(
    "incidents",
    metadata,
    Column("id", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("service", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("cause", Text),
    Column("title", Text, nullable=False),
    Column("opened_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    Column("count", Integer, nullable=False),
    Column("first_seen", UtcTime, nullable=False),
    Column("last_seen", UtcTime, nullable=False),
    Column("doc", Document, nullable=False),
)
Index(
    "ix_incidents_service_environment_fingerprint", *(incidents.c[n] for n in ("service", "environment", "fingerprint"))
)
Index("ix_incidents_state", incidents.c.state)

plans: Final = Table(
    "plans",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("run_id", Text, nullable=False),
    Column("incident_id", Text),
    Column("doc", Document, nullable=False),
)

approvals: Final = Table(
    "approvals",
    metadata,
    Column("id", Text, primary_key=True),
    Column("run_id", Text, nullable=False),
    Column("plan_digest", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("quorum", Integer, nullable=False),
    Column("requester", Text, nullable=False),
    Column("requested_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("doc", Document, nullable=False),
)
Index("ix_approvals_state", approvals.c.state)
Index("ix_approvals_run_id", approvals.c.run_id)

approval_answers: Final = Table(
    "approval_answers",
    metadata,
    Column("approval_id", Text, primary_key=True),
    Column("by", Text, primary_key=True),
    Column("grants", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("plan_digest", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
)

action_contracts: Final = Table(
    "action_contracts",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("plan_digest", Text, nullable=False),
    Column("verdict", Text),
    Column("doc", Document, nullable=False),
)

safe_hold_snapshots: Final = Table(
    "safe_hold_snapshots",
    metadata,
    Column("id", Text, primary_key=True),
    Column("run_id", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("taken_at", UtcTime, nullable=False),
    Column("doc", Document, nullable=False),
)
Index("ix_safe_hold_snapshots_run_id", safe_hold_snapshots.c.run_id)

benchmark_runs: Final = Table(
    "benchmark_runs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("run_id", Text),
    Column("service", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("passed", Boolean),
    Column("golden", Boolean, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("doc", Document, nullable=False),
)
Index("ix_benchmark_runs_service_name", benchmark_runs.c.service, benchmark_runs.c.name)

quarantines: Final = Table(
    "quarantines",
    metadata,
    Column("target", Text, primary_key=True),
    Column("run_id", Text, primary_key=True),
    Column("since", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
)

halts: Final = Table(
    "halts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("scope", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("since", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    Column("doc", Document, nullable=False),
)

playbook_versions: Final = Table(
    "playbook_versions",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("doc", Document, nullable=False),
)

READ_MODELS: Final = (
    runs,
    incidents,
    plans,
    approvals,
    approval_answers,
    action_contracts,
    safe_hold_snapshots,
    benchmark_runs,
    quarantines,
    halts,
    playbook_versions,
)
