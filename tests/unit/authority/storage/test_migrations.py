import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

from deputize.authority.storage import StorageError, open_store, sqlite_url
from deputize.authority.storage import migrations as package
from deputize.authority.storage.migrations import HEAD
from deputize.authority.storage.tables import METADATA


async def test_migrations_lead_to_exactly_the_tables(tmp_path):
    async with open_store(sqlite_url(tmp_path)):
        pass
    with create_engine(sqlite_url(tmp_path)).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == HEAD
    connection.engine.dispose()


def test_head_is_the_newest_revision():
    assert ScriptDirectory(package.__path__[0]).get_current_head() == HEAD


async def test_opening_again_changes_nothing(tmp_path):
    for _ in range(2):
        async with open_store(sqlite_url(tmp_path)) as store:
            assert await store.directory_rows.version() == 0


async def test_a_database_of_a_newer_version_is_refused(tmp_path):
    async with open_store(sqlite_url(tmp_path)):
        pass
    engine = create_engine(sqlite_url(tmp_path))
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(StorageError, match="revision 9999"):
        async with open_store(sqlite_url(tmp_path)):
            pass
