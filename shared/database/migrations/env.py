"""Alembic's entry: runs the scripts in versions/ on the connection that upgrade.py hands over."""

from alembic import context

from shared.database.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=True,  # SQLite can't alter a table in place
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
