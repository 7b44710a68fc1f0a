"""Grants and what comes of them: codes, refresh tokens, revoked access tokens, and the state of all of it."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, fields
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    Connection,
    bindparam,
    delete,
    exists,
    false,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.sql import Select

from deputize.authority.storage.engine import Database, insert_if_absent, upsert, wins
from deputize.authority.storage.people import USER_COLUMNS, consent_of
from deputize.authority.storage.tables import (
    CODES,
    CONSENTS,
    GRANTS,
    REFRESH_TOKENS,
    REVOKED_TOKENS,
    SESSIONS,
    SPENT_REFRESH_TOKENS,
    USERS,
)
from deputize.oauth.records.store import (
    Authentication,
    AuthorizationCode,
    Grant,
    RefreshToken,
    Session,
    TokenState,
    User,
)

_CODE = select(CODES).where(CODES.c.digest == bindparam("digest"))
_CURRENT_OR_PREVIOUS = select(*(REFRESH_TOKENS.c[each.name] for each in fields(RefreshToken))).where(
    (REFRESH_TOKENS.c.digest == bindparam("digest"))
    | (REFRESH_TOKENS.c.previous_digest == bindparam("digest"))
)
_SPENT = select(SPENT_REFRESH_TOKENS.c.grant_id).where(SPENT_REFRESH_TOKENS.c.digest == bindparam("digest"))
# Where the columns of each table are in a row of `_state_statement`.
_GRANT = slice(0, len(GRANTS.c))
_USER = slice(_GRANT.stop, _GRANT.stop + len(USER_COLUMNS))
_SESSION = slice(_USER.stop, _USER.stop + len(SESSIONS.c))
_CONSENT = slice(_SESSION.stop, _SESSION.stop + len(CONSENTS.c))


class SqlCodes:
    """`oauth.ports.Codes` in a database (RFC 6749 section 4.1.2: a code is redeemable once)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_code(self, code: AuthorizationCode, grant: Grant) -> bool:
        """Remember a code and the grant it stands for; durable before this returns.

        False, and nothing changed, if there is a code with its digest.
        """

        def work(connection: Connection) -> bool:
            connection.execute(insert(GRANTS).values(_row_of(grant)))
            if not insert_if_absent(connection, CODES, asdict(code)):
                connection.execute(delete(GRANTS).where(GRANTS.c.id == grant.id))
                return False
            _use_consents(connection, grant.id, grant.created_at)
            return True

        return await self._database.write(work)

    async def find_code(self, digest: str) -> AuthorizationCode | None:
        """The code with that digest, redeemed or not, expired or not."""
        rows = await self._database.rows(_CODE, {"digest": digest})
        return AuthorizationCode(*rows[0]) if rows else None

    async def redeem_code(self, digest: str, now: float, refresh: RefreshToken | None) -> bool:
        """Mark the code redeemed if nobody did and it is in time, and start its refresh token.

        Durable before this returns.
        """

        def work(connection: Connection) -> bool:
            unredeemed = (
                (CODES.c.digest == digest) & CODES.c.redeemed_at.is_(None) & (CODES.c.expires_at > now)
            )
            if not wins(connection, update(CODES).where(unredeemed).values(redeemed_at=now)):
                return False
            if refresh is not None:
                grant = GRANTS.c.id == refresh.grant_id
                of_grant = {
                    name: select(GRANTS.c[name]).where(grant).scalar_subquery()
                    for name in ("environment_id", "client_id")
                }
                connection.execute(insert(REFRESH_TOKENS).values({**asdict(refresh), **of_grant}))
            return True

        return await self._database.write(work)


class SqlGrants:
    """`oauth.ports.Grants` in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_grant(self, grant: Grant, session: Session) -> None:
        """Remember a grant that no code stands for, with the session that it is of.

        Durable before this returns.
        """

        def work(connection: Connection) -> None:
            connection.execute(insert(SESSIONS).values(asdict(session)))
            connection.execute(insert(GRANTS).values(_row_of(grant)))
            _use_consents(connection, grant.id, grant.created_at)

        await self._database.write(work)

    async def end_grant(self, grant_id: str, now: float) -> None:
        """End a grant: code, refresh token and every token that came of it are dead for good.

        Durable before this returns.
        """
        unended = (GRANTS.c.id == grant_id) & GRANTS.c.ended_at.is_(None)
        await self._database.write(
            lambda connection: connection.execute(update(GRANTS).where(unended).values(ended_at=now))
        )


class SqlRefreshTokens:
    """`oauth.ports.RefreshTokens` in a database: rotation and replay (RFC 9700 section 4.14)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find_refresh_token(self, digest: str) -> RefreshToken | None:
        """The refresh token whose current or previous digest this is."""
        rows = await self._database.rows(_CURRENT_OR_PREVIOUS, {"digest": digest})
        return RefreshToken(*rows[0]) if rows else None

    async def find_spent_grant(self, digest: str) -> str | None:
        """The id of the grant in which that digest was current two or more generations ago."""
        rows = await self._database.rows(_SPENT, {"digest": digest})
        return rows[0][0] if rows else None

    async def rotate_refresh_token(self, successor: RefreshToken) -> bool:
        """Make `successor` current if its grant has not ended and is at `successor.generation - 1`.

        Durable.
        """
        columns, grant_id = REFRESH_TOKENS.c, successor.grant_id
        unended = exists().where((GRANTS.c.id == grant_id) & GRANTS.c.ended_at.is_(None))
        parent = (columns.grant_id == grant_id) & (columns.generation == successor.generation - 1) & unended

        def work(connection: Connection) -> bool:
            oldest = connection.execute(
                select(columns.previous_digest).where(parent).with_for_update()
            ).first()
            rotation = update(REFRESH_TOKENS).where(parent).values(asdict(successor))
            if oldest is None or not wins(connection, rotation):
                return False
            if oldest.previous_digest is not None:
                spent = {"digest": oldest.previous_digest, "grant_id": grant_id}
                insert_if_absent(connection, SPENT_REFRESH_TOKENS, spent)
            _use_consents(connection, grant_id, successor.rotated_at)
            return True

        return await self._database.write(work)


class SqlRevocations:
    """`oauth.ports.Revocations` in a database (RFC 7009)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def revoke_token(self, jti: str, kept_until: float) -> None:
        """Refuse that token and what came of it, for as long as any of them might live.

        Durable before this returns.
        """
        row = {"jti": jti, "kept_until": kept_until}
        await self._database.write(lambda connection: upsert(connection, REVOKED_TOKENS, row))


class SqlTokenStates:
    """`oauth.ports.TokenStates` in a database, in one statement: every exchange and introspection asks.

    States are remembered until anybody commits anything, so a remembered one is never another than a read
    would give: SQLite tells in 5 us that nothing was committed, and reading takes 90.
    """

    def __init__(self, database: Database, capacity: int = 4096) -> None:
        """`capacity` counts remembered states, of some 5 KB each."""
        self._database = database
        self._capacity = capacity
        self._version: int | None = None
        self._known: dict[tuple[str, str | None, tuple[str, ...]], TokenState] = {}

    async def read_token_state(
        self, environment_id: str, grant_id: str | None, jtis: Collection[str]
    ) -> TokenState:
        """The grant with its user, session and consents, and which tokens were revoked, as of one instant."""
        # Asked for before anything is read: what is committed in between shows in the next version.
        version = self._database.data_version()
        if version is None:
            return await self._read(environment_id, grant_id, jtis)
        if version != self._version or len(self._known) >= self._capacity:
            self._version, self._known = version, {}
        known, key = self._known, (environment_id, grant_id, tuple(jtis))
        state = known.get(key)
        if state is None:
            state = known[key] = await self._read(environment_id, grant_id, jtis)
        return state

    async def _read(self, environment_id: str, grant_id: str | None, jtis: Collection[str]) -> TokenState:
        parameters = {"environment": environment_id, "grant": grant_id}
        for index, jti in enumerate(jtis):
            parameters[f"jti_{index}"] = jti
        rows = await self._database.rows(_state_statement(len(jtis)), parameters)
        first = rows[0]
        grant = None
        if first[_GRANT.start] is not None:
            # The columns are in the order of the record, its sign-on spread out.
            columns = list(first[_GRANT])
            for index in (11, 13, 19):
                columns[index] = tuple(columns[index])
            columns[7:12] = [Authentication(*columns[7:12])]
            grant = Grant(*columns)
        consents = {row[_CONSENT.start]: consent_of(row[_CONSENT]) for row in rows if row[_CONSENT.start]}
        return TokenState(
            grant=grant,
            user=User(*first[_USER]) if first[_USER.start] is not None else None,
            session=Session(*first[_SESSION]) if first[_SESSION.start] is not None else None,
            consents=tuple(consents.values()),
            revoked=frozenset(row[-1] for row in rows if row[-1] is not None),
        )


@lru_cache(64)
def _state_statement(jtis: int) -> Select[Any]:
    """One row, times one for each consent and revoked token found; in practice one or two rows."""
    one = select(literal(1).label("one")).subquery()
    environment: BindParameter[str] = bindparam("environment")
    grant, consent = GRANTS.c, CONSENTS.c
    asked: list[BindParameter[str]] = [bindparam(f"jti_{index}") for index in range(jtis)]
    tables = (
        one.outerjoin(GRANTS, (grant.id == bindparam("grant")) & (grant.environment_id == environment))
        .outerjoin(USERS, (USERS.c.id == grant.user_id) & (USERS.c.environment_id == environment))
        .outerjoin(SESSIONS, (SESSIONS.c.id == grant.session_id) & (SESSIONS.c.user_id == grant.user_id))
        .outerjoin(
            CONSENTS,
            (consent.environment_id == environment)
            & (consent.user_id == grant.user_id)
            & (consent.client_id == grant.client_id),
        )
        .outerjoin(REVOKED_TOKENS, REVOKED_TOKENS.c.jti.in_(asked) if asked else false())
    )
    columns = [
        column.label(f"{column.table.name}_{column.name}")
        for column in (*GRANTS.c, *USER_COLUMNS, *SESSIONS.c, *CONSENTS.c)
    ]
    return select(*columns, REVOKED_TOKENS.c.jti.label("revoked_jti")).select_from(tables)


def _row_of(grant: Grant) -> dict[str, Any]:
    """The grant's columns, in which its sign-on is spread out."""
    row = asdict(grant)
    return row | row.pop("authentication")


def _use_consents(connection: Connection, grant_id: str, now: float) -> None:
    """Remember that the consents a grant rests on were used now."""
    consents: Mapping[str, str] = connection.scalars(
        select(GRANTS.c.consents).where(GRANTS.c.id == grant_id)
    ).one()
    if consents:
        used = CONSENTS.c.id.in_(consents.values())
        connection.execute(update(CONSENTS).where(used).values(last_used_at=now))
