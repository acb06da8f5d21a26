"""Ends: runs are found by how they ended and when, so that a breaker need not read those that ended well."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_runs_settlement", table_name="runs")
    op.create_index("ix_runs_settlement_id", "runs", ["settlement", "id"])


def downgrade() -> None:
    op.drop_index("ix_runs_settlement_id", table_name="runs")
    op.create_index("ix_runs_settlement", "runs", ["settlement"])
