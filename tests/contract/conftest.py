"""The store over every database there is.

SQLite always, PostgreSQL when DEPUTIZE_TEST_POSTGRES holds a URL of an empty database.
"""

import os
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import delete

from deputize.authority.storage import EnvironmentRow, Put, Store, open_store
from deputize.authority.storage.tables import DIRECTORY_VERSION, METADATA
from deputize.oauth.records.store import User
from support.databases import new_database

ENVIRONMENT = "11111111-1111-4111-8111-111111111111"
USER = User("22222222-2222-4222-8222-222222222222", ENVIRONMENT, "demouser", "$argon2id$...")
POSTGRES = os.environ.get("DEPUTIZE_TEST_POSTGRES")


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param(
            "postgresql", marks=pytest.mark.skipif(not POSTGRES, reason="DEPUTIZE_TEST_POSTGRES is not set")
        ),
    ]
)
def store_url(request, tmp_path) -> str:
    return new_database(tmp_path / "data") if request.param == "sqlite" else str(POSTGRES)


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    async with open_store(store_url) as opened:
        if store_url == POSTGRES:
            await opened.database.write(empty)
        version = await opened.directory_rows.version()
        await opened.directory_rows.change([Put(EnvironmentRow(ENVIRONMENT, "Test", {})), Put(USER)], version)
        yield opened


def empty(connection) -> None:
    for table in reversed(METADATA.sorted_tables):
        if table is not DIRECTORY_VERSION:
            connection.execute(delete(table))
