import asyncio
import sqlite3
import stat
import subprocess
import sys
import threading

import pytest
from sqlalchemy import bindparam, insert, select, text
from sqlalchemy.exc import IntegrityError

from deputize.authority.storage import StorageError, open_store, sqlite_url
from deputize.authority.storage.engine import StorageUnavailable
from deputize.authority.storage.sqlite import Writer, autocommit, immediate, open_engine
from deputize.authority.storage.tables import REVOKED_TOKENS
from support.patience import PATIENCE

ADD = text("INSERT INTO revoked_tokens (jti, kept_until) VALUES (:digest, 1)")


def adding(digest: str):
    return lambda connection: connection.execute(ADD, {"digest": digest}).rowcount


@pytest.fixture
async def database(tmp_path):
    async with open_store(sqlite_url(tmp_path / "data")) as store:
        yield store.database


async def digests(database) -> list[str]:
    return sorted(jti for (jti,) in await database.rows(select(REVOKED_TOKENS.c.jti), {}))


async def test_the_folder_and_its_files_are_the_owners_alone(tmp_path):
    folder = tmp_path / "deep" / "data"
    async with open_store(sqlite_url(folder)) as store:
        await store.database.write(adding("a"))
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes == {"deputize.db": 0o600, "deputize.db-wal": 0o600, "deputize.db-shm": 0o600}


async def test_an_error_says_nothing_about_the_values(database):
    await database.write(adding("a-digest-of-something-secret"))
    with pytest.raises(IntegrityError) as caught:
        await database.write(adding("a-digest-of-something-secret"))
    assert "UNIQUE" in str(caught.value)
    assert "a-digest-of-something-secret" not in str(caught.value)


async def test_a_file_that_others_could_read_is_closed_to_them(tmp_path):
    (tmp_path / "deputize.db").touch(mode=0o644)
    async with open_store(sqlite_url(tmp_path)):
        assert stat.S_IMODE((tmp_path / "deputize.db").stat().st_mode) == 0o600


async def test_commits_wait_for_the_disk_and_foreign_keys_hold(database):
    def pragmas(connection):
        return [
            connection.scalar(text(f"PRAGMA {name}"))
            for name in ("journal_mode", "synchronous", "foreign_keys", "trusted_schema")
        ]

    assert await database.write(pragmas) == ["wal", 2, 1, 0]


async def test_the_reading_connection_cannot_write(database):
    adds = insert(REVOKED_TOKENS).values(jti=bindparam("digest"), kept_until=1.0)
    with pytest.raises(StorageUnavailable) as refused:
        await database.rows(adds.returning(REVOKED_TOKENS.c.jti), {"digest": "a"})
    assert "readonly" in str(refused.value.__cause__)


async def test_a_closed_database_is_unavailable(tmp_path):
    async with open_store(sqlite_url(tmp_path)) as store:
        pass
    with pytest.raises(StorageUnavailable):
        await store.database.rows(select(REVOKED_TOKENS.c.jti), {})


async def test_a_mistake_in_a_statement_is_not_taken_for_an_unavailable_database(database):
    with pytest.raises(sqlite3.ProgrammingError):
        await database.rows(
            select(REVOKED_TOKENS.c.jti).where(REVOKED_TOKENS.c.jti == bindparam("x")), {"x": {}}
        )


async def test_a_failed_write_leaves_its_neighbours_in_the_batch_alone(database):
    writes = [database.write(adding(digest)) for digest in ("a", "b", "a", "c")]
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert [isinstance(result, Exception) for result in results] == [False, False, True, False]
    assert await digests(database) == ["a", "b", "c"]


async def test_half_a_write_is_undone(database):
    def half(connection):
        connection.execute(ADD, {"digest": "a"})
        raise RuntimeError("changed my mind")

    with pytest.raises(RuntimeError, match="changed my mind"):
        await database.write(half)
    assert await digests(database) == []


async def test_a_write_whose_caller_went_away_is_still_carried_out(database):
    started, release = threading.Event(), threading.Event()

    def slow(connection):
        started.set()
        release.wait(5)
        return adding("a")(connection)

    task = asyncio.create_task(database.write(slow))
    await asyncio.to_thread(started.wait, 5)
    task.cancel()
    release.set()
    await database.write(adding("b"))
    assert await digests(database) == ["a", "b"]


async def test_writes_that_wait_are_committed_together(tmp_path):
    commits: list[str] = []
    async with open_store(sqlite_url(tmp_path)):
        pass
    engine = open_engine(tmp_path / "deputize.db")
    connection = autocommit(engine)
    execute = connection.exec_driver_sql
    connection.exec_driver_sql = lambda statement: (commits.append(statement), execute(statement))[1]
    writer, started, release = Writer(connection), threading.Event(), threading.Event()

    def first(_connection):
        started.set()
        release.wait(5)

    futures = [writer.submit(first)]
    started.wait(5)
    futures += [writer.submit(adding(str(number))) for number in range(50)]
    release.set()
    writer.close()
    assert all(future.done() for future in futures)
    assert commits.count("COMMIT") == 2
    engine.dispose()


async def test_closing_finishes_what_was_asked_for(tmp_path):
    async with open_store(sqlite_url(tmp_path)) as store:
        writes = [asyncio.create_task(store.database.write(adding(str(number)))) for number in range(200)]
        await asyncio.sleep(0)
    await asyncio.gather(*writes)
    async with open_store(sqlite_url(tmp_path)) as store:
        assert len(await digests(store.database)) == 200


async def test_when_the_transaction_cannot_begin_every_caller_hears_of_it(tmp_path):
    async with open_store(sqlite_url(tmp_path)):
        pass
    blocked_engine, blocking_engine = (
        open_engine(tmp_path / "deputize.db"),
        open_engine(tmp_path / "deputize.db"),
    )
    connection, blocking = autocommit(blocked_engine), autocommit(blocking_engine)
    connection.exec_driver_sql("PRAGMA busy_timeout=1")
    with immediate(blocking):
        writer = Writer(connection)
        futures = [writer.submit(adding(digest)) for digest in "ab"]
        await asyncio.to_thread(writer.close)
    assert all("locked" in str(future.exception()) for future in futures)
    blocking.close()
    blocked_engine.dispose()
    blocking_engine.dispose()


def test_the_first_error_counts_even_if_sqlite_rolled_back_already(tmp_path):
    def fail(connection) -> None:
        with immediate(connection):
            connection.exec_driver_sql("ROLLBACK")
            raise ValueError("first")

    engine = open_engine(tmp_path / "x.db")
    with autocommit(engine) as connection, pytest.raises(ValueError, match="first"):
        fail(connection)
    engine.dispose()


async def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"cannot use .*file/data/deputize.db: .*--data"):
        async with open_store(sqlite_url(tmp_path / "file" / "data")):
            pass


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("not a url", "not a URL"),
        ("mysql://host/name", "mysql databases are not supported"),
        ("sqlite://", "sqlite databases are not"),
    ],
)
async def test_other_databases_are_refused(url, reason):
    with pytest.raises(StorageError, match=reason):
        async with open_store(url):
            pass


async def test_a_file_that_is_no_database_is_named(tmp_path):
    (tmp_path / "deputize.db").write_bytes(b"this is not a database, whatever its name says" * 100)
    with pytest.raises(
        StorageError, match=r"cannot use the database sqlite:.*deputize.db: file is not a database"
    ):
        async with open_store(sqlite_url(tmp_path)):
            pass


async def test_a_server_that_cannot_be_had_is_named_without_its_password():
    """Either the driver is missing or nobody listens there; both are for an operator to mend."""
    with pytest.raises(StorageError, match=r"psycopg|greenlet|cannot use the database postgresql") as caught:
        async with open_store("postgresql://me:hunter2@127.0.0.1:1/name"):
            pass
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("package", ["psycopg", pytest.param("greenlet", marks=pytest.mark.slow)])
def test_a_missing_package_of_postgresql_is_named_with_its_extra(package):
    program = (
        f"import sys, asyncio; sys.modules[{package!r}] = None\n"
        "from deputize.authority.storage import open_store\n"
        "async def main():\n"
        "    async with open_store('postgresql://127.0.0.1:1/name'): pass\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE)
    told = done.stderr.strip().splitlines()[-1]
    assert "PostgreSQL needs the Python package" in told
    assert "install deputize[postgresql]" in told
    assert done.returncode == 1
