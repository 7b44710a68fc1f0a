import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
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


async def test_the_first_version_s_users_and_sessions_stay_and_its_consents_and_tokens_go(tmp_path):
    url = sqlite_url(tmp_path)
    configuration = Config()
    configuration.set_main_option("script_location", package.__path__[0])
    engine = create_engine(url)
    with engine.begin() as connection:
        configuration.attributes["connection"] = connection
        command.upgrade(configuration, "0001")
        for statement in (
            "INSERT INTO environments VALUES ('e', 'Test', '{}')",
            (
                "INSERT INTO users (id, environment_id, username, password_hash, enabled) VALUES ('u', 'e', "
                "'ada', 'hash', 1)"
            ),
            (
                "INSERT INTO users (id, environment_id, username, password_hash, enabled) VALUES ('v', 'e', "
                "'eve', '', 1)"
            ),
            "INSERT INTO sessions VALUES ('s', 'e', 'u', 'cookie', 900, 5000.0, NULL)",
            "INSERT INTO consents VALUES ('e', 'u', 'a', 1, 'r', 'en', 900.0, NULL, NULL)",
            "INSERT INTO issued_tokens VALUES ('j', 'f', 5000.0, 0)",
        ):
            connection.execute(text(statement))
    engine.dispose()
    async with open_store(url) as store:
        ada, eve = await store.users.users_of("e")
        session = await store.sessions.find_session("e", "cookie")
        assert (ada.username, ada.password_hash, ada.enabled) == ("ada", "hash", True)
        assert len(ada.term) == len(eve.term) == 8
        assert ada.term != eve.term
        assert (session.user_term, session.created_at, session.last_used_at) == (ada.term, 900.0, 900.0)
        assert await store.consents.consents_of("e", "u") == ()
