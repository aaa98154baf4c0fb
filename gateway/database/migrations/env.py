"""Alembic's environment: on the connection that the caller gives, without logging of its own."""

from alembic import context

from gateway.database.migrate import include_name, load_tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=load_tables(),
    render_as_batch=True,
    compare_type=True,
    include_name=include_name,
)
with context.begin_transaction():
    context.run_migrations()
