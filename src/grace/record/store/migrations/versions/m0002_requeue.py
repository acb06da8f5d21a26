"""Requeue: dead letters that are to be offered again, and subscribers that are gone."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("mesh_cursors", sa.Column("disabled_why", sa.Text(), nullable=True))
    op.add_column("mesh_dead_letters", sa.Column("requeued_at", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("mesh_dead_letters", "requeued_at")
    op.drop_column("mesh_cursors", "disabled_why")
