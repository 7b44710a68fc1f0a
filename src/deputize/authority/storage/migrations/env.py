"""What Alembic runs: the caller's connection, and the caller's transaction."""

from alembic import context

from deputize.authority.storage.tables import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
context.run_migrations()
