"""The store: one object a port, over one database."""

import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import delete, exists, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError

from deputize.authority.storage.acceptances import SqlAcceptances, unnamed_wordings
from deputize.authority.storage.activities import SqlActivities
from deputize.authority.storage.directory_rows import SqlDirectoryRows
from deputize.authority.storage.engine import Database, StorageError
from deputize.authority.storage.factors import SqlFactors
from deputize.authority.storage.grants import (
    SqlCodes,
    SqlGrants,
    SqlRefreshTokens,
    SqlRevocations,
    SqlTokenStates,
)
from deputize.authority.storage.idempotent_requests import SqlIdempotentRequests
from deputize.authority.storage.initial_access_tokens import SqlInitialAccessTokens
from deputize.authority.storage.listings import SqlListings
from deputize.authority.storage.logout_notices import SqlLogoutNotices
from deputize.authority.storage.migrations import migrate
from deputize.authority.storage.one_time_ids import SqlOneTimeIds
from deputize.authority.storage.people import SqlConsents, SqlSessions, SqlUsers
from deputize.authority.storage.server_keys import SqlServerKeys
from deputize.authority.storage.sign_on_failures import SqlSignOnFailures
from deputize.authority.storage.sqlite import SqliteDatabase, autocommit, immediate, open_engine
from deputize.authority.storage.tables import (
    CODES,
    GRANTS,
    IDEMPOTENT_REQUESTS,
    INITIAL_ACCESS_TOKENS,
    INVITATIONS,
    ONE_TIME_IDS,
    REVOKED_TOKENS,
    SECRETS,
    SESSIONS,
    SIGN_ON_FAILURES,
)
from deputize.jose.key_ring import MAX_TOKEN_LIFETIME
from deputize.kernel.redaction import printable
from deputize.oauth.lineage import MAX_SEGMENTS

FILE_NAME = "deputize.db"
# How long after its expiry a row still answers "already used" or "revoked" rather than "unknown".
KEPT_SECONDS = 3600.0
# A token exchanged for another may outlive it where its resource says so, so the last one of a grant may live
# this much longer.
TOKENS_SECONDS = MAX_SEGMENTS * MAX_TOKEN_LIFETIME
_UNUSED = ~exists().where(GRANTS.c.session_id == SESSIONS.c.id)


@dataclass(frozen=True, slots=True)
class Store:
    """Everything the authority remembers."""

    codes: SqlCodes
    grants: SqlGrants
    refresh_tokens: SqlRefreshTokens
    revocations: SqlRevocations
    token_states: SqlTokenStates
    sessions: SqlSessions
    users: SqlUsers
    factors: SqlFactors
    consents: SqlConsents
    acceptances: SqlAcceptances
    sign_on_failures: SqlSignOnFailures
    one_time_ids: SqlOneTimeIds
    logout_notices: SqlLogoutNotices
    initial_access_tokens: SqlInitialAccessTokens
    idempotent_requests: SqlIdempotentRequests
    server_keys: SqlServerKeys
    activities: SqlActivities
    directory_rows: SqlDirectoryRows
    listings: SqlListings
    database: Database

    async def purge(self, now: float) -> int:
        """Delete what expired more than an hour before `now`; how many rows went."""
        before = now - KEPT_SECONDS
        deletions = (
            delete(CODES).where(CODES.c.expires_at < before),
            # Refresh tokens go with their grant. A session that lapsed is kept for the grants that rest on
            # it.
            delete(GRANTS).where(GRANTS.c.expires_at < before - TOKENS_SECONDS),
            delete(SESSIONS).where((SESSIONS.c.expires_at < before) & _UNUSED),
            delete(REVOKED_TOKENS).where(REVOKED_TOKENS.c.kept_until < before),
            delete(SIGN_ON_FAILURES).where(SIGN_ON_FAILURES.c.expires_at < now),
            delete(IDEMPOTENT_REQUESTS).where(IDEMPOTENT_REQUESTS.c.kept_until < now),
            delete(ONE_TIME_IDS).where(ONE_TIME_IDS.c.kept_until < now),
            delete(SECRETS).where(SECRETS.c.expires_at < before),
            delete(INITIAL_ACCESS_TOKENS).where(INITIAL_ACCESS_TOKENS.c.expires_at < now),
            unnamed_wordings(before),
            delete(INVITATIONS).where(INVITATIONS.c.expires_at < now),
        )
        return await self.database.write(
            lambda connection: sum(connection.execute(each).rowcount for each in deletions)
        )


def sqlite_url(data: Path) -> str:
    """The database URL of a data folder."""
    return f"sqlite:///{data.absolute() / FILE_NAME}"


def data_folder(url: str) -> Path | None:
    """The data folder that `sqlite_url` was made of; `None` for other databases."""
    parsed = _parse(url)
    return Path(parsed.database).parent if parsed.get_backend_name() == "sqlite" and parsed.database else None


@contextlib.asynccontextmanager
async def open_store(url: str, *, creates: bool = True) -> AsyncGenerator[Store]:
    """The store at a `sqlite:///path` or `postgresql://…` URL, migrated to this version.

    Raises `StorageError`; where there is no database and `creates` is false, `DatabaseMissing`.
    """
    database = await _open(_parse(url), creates=creates)
    try:
        yield Store(
            codes=SqlCodes(database),
            grants=SqlGrants(database),
            refresh_tokens=SqlRefreshTokens(database),
            revocations=SqlRevocations(database),
            token_states=SqlTokenStates(database),
            sessions=SqlSessions(database),
            users=SqlUsers(database),
            factors=SqlFactors(database),
            consents=SqlConsents(database),
            acceptances=SqlAcceptances(database),
            sign_on_failures=SqlSignOnFailures(database),
            one_time_ids=SqlOneTimeIds(database),
            logout_notices=SqlLogoutNotices(database),
            initial_access_tokens=SqlInitialAccessTokens(database),
            idempotent_requests=SqlIdempotentRequests(database),
            server_keys=SqlServerKeys(database),
            activities=SqlActivities(database),
            directory_rows=SqlDirectoryRows(database),
            listings=SqlListings(database),
            database=database,
        )
    finally:
        await database.close()


def _parse(url: str) -> URL:
    try:
        return make_url(url)
    except ArgumentError as error:
        raise StorageError(
            "the database URL is not a URL; write sqlite:///folder/deputize.db or postgresql://host/name"
        ) from error


async def _open(url: URL, *, creates: bool) -> Database:
    """The database at `url`, with the tables of this version. Raises `StorageError`."""
    try:
        match url.get_backend_name():
            case "sqlite" if url.database:
                engine = open_engine(Path(url.database), creates=creates)
                with autocommit(engine) as connection, immediate(connection):
                    migrate(connection, creates=creates)
                return SqliteDatabase(engine)
            case "postgresql":
                # SQLAlchemy's asyncio brings its ORM: a fifth of the time that a start takes without it.
                from deputize.authority.storage.postgresql import open_postgresql  # noqa: PLC0415

                return await open_postgresql(url.set(drivername="postgresql+psycopg"), creates=creates)
            case other:
                raise StorageError(
                    f"{other} databases are not supported; use sqlite:///folder/deputize.db or postgresql://host/name"
                )
    except ImportError as error:
        # SQLAlchemy raises an ImportError without a name because of the one that names greenlet.
        missing = error.name or getattr(error.__cause__, "name", None) or "psycopg"
        raise StorageError(
            f"PostgreSQL needs the Python package {missing}; install deputize[postgresql]"
        ) from error
    except DBAPIError as error:
        where = url.render_as_string(hide_password=True)
        raise StorageError(f"cannot use the database {where}: {printable(str(error.orig))}") from error
