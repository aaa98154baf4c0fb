"""Alembic's environment: on the connection that the caller gives, without logging of its own."""

from alembic import context

from gateway.database.migrate import load_tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=load_tables(),
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
