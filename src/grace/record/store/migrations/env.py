"""What Alembic runs around the steps: the connection comes from `schema`, everything in one transaction."""

from alembic import context

from grace.record.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
