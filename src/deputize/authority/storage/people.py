"""Users, their sessions, and what they agreed to."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, fields, replace
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Text,
    bindparam,
    cast,
    delete,
    exists,
    insert,
    select,
    true,
    update,
)
from sqlalchemy.sql import Select

from deputize.authority.storage.acceptances import note_acceptance, note_withdrawal
from deputize.authority.storage.engine import Database, insert_if_absent, upsert, wins
from deputize.authority.storage.logout_notices import note_logouts
from deputize.authority.storage.tables import (
    CONSENTS,
    DIRECTORY_VERSION,
    GRANTS,
    INVITATIONS,
    SESSIONS,
    USERS,
)
from deputize.kernel.ids import new_term
from deputize.oauth.records.store import Consent, Session, User, Wording
from deputize.oauth.usernames import comparison_form

# The columns of these tables are in the order of their records, so that a row makes a record.
USER_COLUMNS = tuple(USERS.c[each.name] for each in fields(User))
_CHUNK = 500
"""How many values one statement looks for: databases allow thousands, and read long lists slowly."""
_USERS_OF = select(*USER_COLUMNS).where(USERS.c.environment_id == bindparam("environment"))
_USERS_BY_NAME = _USERS_OF.order_by(USERS.c.username)
_USER_BY_NAME = _USERS_OF.where(USERS.c.username == bindparam("username"))
_USER_BY_ID = _USERS_OF.where(USERS.c.id == bindparam("id"))
# Who may have the attribute: databases differ in how they look into JSON, and not in how they compare texts.
_USERS_BY_ATTRIBUTE = _USERS_OF.where(
    cast(USERS.c.attributes, Text).like(bindparam("pattern"), escape="!")
).order_by(USERS.c.id)
_SESSION_BY_COOKIE = select(SESSIONS).where(
    (SESSIONS.c.environment_id == bindparam("environment"))
    & (SESSIONS.c.cookie_digest == bindparam("cookie"))
)
_UNENDED_SESSIONS = (
    select(SESSIONS)
    .where((SESSIONS.c.environment_id == bindparam("environment")) & SESSIONS.c.ended_at.is_(None))
    .order_by(SESSIONS.c.created_at)
)
_CONSENTS_OF = select(CONSENTS).where(
    (CONSENTS.c.environment_id == bindparam("environment")) & (CONSENTS.c.user_id == bindparam("user"))
)
_SESSIONS_OF_USER = (
    select(SESSIONS)
    .where(
        (SESSIONS.c.environment_id == bindparam("environment"))
        & (SESSIONS.c.user_id == bindparam("user"))
        & (SESSIONS.c.user_term == bindparam("term"))
        & SESSIONS.c.ended_at.is_(None)
    )
    .order_by(SESSIONS.c.last_used_at.desc(), SESSIONS.c.id)
)
_AGENTS_OF_SESSIONS = (
    select(*(GRANTS.c[name] for name in ("session_id", "client_id")))
    .where(
        (GRANTS.c.environment_id == bindparam("environment"))
        & (GRANTS.c.user_id == bindparam("user"))
        & (GRANTS.c.user_term == bindparam("term"))
        & GRANTS.c.ended_at.is_(None)
        & (GRANTS.c.expires_at > bindparam("now"))
    )
    .distinct()
    .order_by(GRANTS.c.session_id, GRANTS.c.client_id)
)
_USER_IDS = select(USERS.c.id)
_COVERS = list(CONSENTS.c).index(CONSENTS.c.covers)


@lru_cache(maxsize=16)
def _having_one_of(statement: Select[Any], column: Column[Any], count: int) -> Select[Any]:
    """The statement for the rows whose column has one of the parameters `value_0` and following.

    It is the same one each time, so that it is compiled once.
    """
    return statement.where(column.in_([bindparam(f"value_{at}") for at in range(count)]))


class SqlUsers:
    """`oauth.ports.Users` in a database, and how administrators change them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find_user(self, environment_id: str, username: str) -> User | None:
        """The user with exactly that name."""
        if "\x00" in username:  # PostgreSQL refuses to look for it
            return None
        return await self._find(_USER_BY_NAME, {"environment": environment_id, "username": username})

    async def find_user_by_id(self, environment_id: str, user_id: str) -> User | None:
        """The user with that id."""
        return await self._find(_USER_BY_ID, {"environment": environment_id, "id": user_id})

    async def find_users_by_attribute(self, environment_id: str, name: str, value: str) -> tuple[User, ...]:
        """The users whose custom attribute `name` is exactly the text `value`."""
        written = json.dumps(value)  # as the column's type writes it
        for each in "!%_":
            written = written.replace(each, f"!{each}")
        parameters = {"environment": environment_id, "pattern": f"%{written}%"}
        users = [User(*row) for row in await self._database.rows(_USERS_BY_ATTRIBUTE, parameters)]
        return tuple(user for user in users if (user.attributes or {}).get(name) == value)

    async def users_of(self, environment_id: str) -> tuple[User, ...]:
        """Every user of an environment, by username."""
        rows = await self._database.rows(_USERS_BY_NAME, {"environment": environment_id})
        return tuple(User(*row) for row in rows)

    async def users_like(
        self, environment_id: str, ids: Collection[str], names: Collection[str]
    ) -> tuple[User, ...]:
        """The users of an environment with one of these ids, or with a name that one of these could be taken
        for; by username.
        """
        forms = {comparison_form(name) for name in names}
        rows = [
            *await self._looking_for(_USERS_OF, USERS.c.id, ids, environment=environment_id),
            *await self._looking_for(_USERS_OF, USERS.c.username_form, forms, environment=environment_id),
        ]
        by_id = {user.id: user for user in (User(*row) for row in rows)}
        return tuple(sorted(by_id.values(), key=lambda user: user.username))

    async def taken_ids(self, ids: Collection[str]) -> frozenset[str]:
        """Those of `ids` that are of users, in whatever environment."""
        rows = await self._looking_for(_USER_IDS, USERS.c.id, ids)
        return frozenset(user_id for (user_id,) in rows)

    async def put_user(self, user: User) -> None:
        """Add the user, or replace the one with that id."""
        await self._database.write(lambda connection: put_user(connection, user))

    async def change_password(self, user: User, password_hash: str) -> User | None:
        """Give the user another password than the one that was read with `user`: a new term begins, and they
        need not change it any more.

        The user as they are then; `None`, and nothing changed, where they got another password meanwhile,
        were disabled or removed. Durable before this returns. It raises the directory's version, so that no
        administrator puts back the password that they read before.
        """
        columns, term = USERS.c, new_term()
        as_read = (
            (columns.environment_id == user.environment_id)
            & (columns.id == user.id)
            & (columns.password_hash == user.password_hash)
            & columns.enabled
        )
        changed = update(USERS).where(as_read)
        changed = changed.values(password_hash=password_hash, term=term, must_change_password=False)

        def work(connection: Connection) -> bool:
            version = DIRECTORY_VERSION.c.version
            connection.execute(update(DIRECTORY_VERSION).values(version=version + 1))
            if connection.execute(select(columns.id).where(as_read).with_for_update()).first() is None:
                return False
            note_user_logouts(connection, user.id)
            return wins(connection, changed)

        if not await self._database.write(work):
            return None
        return replace(user, password_hash=password_hash, term=term, must_change_password=False)

    async def remove_user(self, environment_id: str, user_id: str) -> None:
        """Remove the user; the database removes their sessions, consents and grants."""
        mine = (USERS.c.environment_id == environment_id) & (USERS.c.id == user_id)

        def work(connection: Connection) -> None:
            note_user_logouts(connection, user_id)
            connection.execute(delete(USERS).where(mine))

        await self._database.write(work)

    async def _looking_for(
        self, statement: Select[Any], column: Column[Any], values: Collection[str], **parameters: object
    ) -> Sequence[Sequence[Any]]:
        """The rows of the statement whose column has one of the values, a bounded number at a time."""
        ordered, found = sorted({value for value in values if "\x00" not in value}), list[Sequence[Any]]()
        for start in range(0, len(ordered), _CHUNK):
            named = {f"value_{at}": value for at, value in enumerate(ordered[start : start + _CHUNK])}
            chosen = _having_one_of(statement, column, len(named))
            found += await self._database.rows(chosen, {**parameters, **named})
        return found

    async def _find(self, statement: Select[Any], parameters: dict[str, object]) -> User | None:
        rows = await self._database.rows(statement, parameters)
        return User(*rows[0]) if rows else None


def put_user(connection: Connection, user: User) -> None:
    """Add the user, or replace the one with that id.

    A new term begins when they are new, disabled, enabled, have a new password or have to choose one: a
    password that others may know may have begun every session. Whoever administers no
    more has invited nobody, also not when they administer again.
    """
    mine = {"environment": user.environment_id, "id": user.id}
    before = connection.execute(_USER_BY_ID.with_for_update(), mine).first()
    row = {column.name: getattr(user, column.name) for column in USER_COLUMNS}
    row["username_form"] = comparison_form(user.username)
    row["withdrawals"] = before.withdrawals if before else {}
    has_to_change = before is not None and user.must_change_password and not before.must_change_password
    if before and (before.enabled, before.password_hash, False) == (
        user.enabled,
        user.password_hash,
        has_to_change,
    ):
        row["term"] = before.term
    else:
        row["term"] = new_term()
        note_user_logouts(connection, user.id)
    upsert(connection, USERS, row)
    if before and "administrator" in before.roles.split() and "administrator" not in user.roles.split():
        connection.execute(delete(INVITATIONS).where(INVITATIONS.c.invited_by == user.id))


def note_user_logouts(connection: Connection, user_id: str) -> None:
    """Note that the user's sessions end with the term of the user that they are of."""
    of_term = (SESSIONS.c.user_id == USERS.c.id) & (SESSIONS.c.user_term == USERS.c.term)
    live = exists().where((USERS.c.id == user_id) & of_term)
    note_logouts(connection, live & (SESSIONS.c.user_id == user_id) & SESSIONS.c.ended_at.is_(None))


class SqlSessions:
    """`oauth.ports.Sessions` in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_session(self, session: Session) -> None:
        """Remember a session."""
        row = asdict(session)
        await self._database.write(lambda connection: connection.execute(insert(SESSIONS).values(row)))

    async def find_session(self, environment_id: str, cookie_digest: str) -> Session | None:
        """The session a browser's cookie stands for, ended or not."""
        parameters = {"environment": environment_id, "cookie": cookie_digest}
        rows = await self._database.rows(_SESSION_BY_COOKIE, parameters)
        return Session(*rows[0]) if rows else None

    async def sessions_of(self, environment_id: str) -> tuple[Session, ...]:
        """An environment's sessions that were not ended, lapsed ones included, by when they began."""
        rows = await self._database.rows(_UNENDED_SESSIONS, {"environment": environment_id})
        return tuple(Session(*row) for row in rows)

    async def sessions_of_user(self, user: User, now: float) -> Mapping[Session, tuple[str, ...]]:
        """The user's sessions of this term that were not ended, the one used last first, each with the ids of
        the agents whose grants rest on it.

        One that lapsed is among them only where a grant rests on it.
        """
        parameters = {"environment": user.environment_id, "user": user.id, "term": user.term, "now": now}
        sessions = [Session(*row) for row in await self._database.rows(_SESSIONS_OF_USER, parameters)]
        agents: dict[str, list[str]] = {}
        for session_id, client_id in await self._database.rows(_AGENTS_OF_SESSIONS, parameters):
            agents.setdefault(session_id, []).append(client_id)
        return {
            each: tuple(agents.get(each.id, ()))
            for each in sessions
            if each.expires_at > now or each.id in agents
        }

    async def renew_session(self, session: Session, former: str | None = None) -> bool:
        """Give the session of that id a new cookie digest, sign-on time, expiry and factors.

        False if it ended, is of an earlier term, or no longer has the `former` cookie digest.
        """
        mine = (
            (SESSIONS.c.id == session.id)
            & (SESSIONS.c.user_id == session.user_id)
            & (SESSIONS.c.user_term == session.user_term)
            & (true() if former is None else SESSIONS.c.cookie_digest == former)
        )
        renewal = (
            update(SESSIONS)
            .where(mine & SESSIONS.c.ended_at.is_(None))
            .values(
                cookie_digest=session.cookie_digest,
                auth_time=session.auth_time,
                expires_at=session.expires_at,
                last_used_at=session.last_used_at,
                factors=session.factors,
            )
        )
        return await self._database.write(lambda connection: wins(connection, renewal))

    async def touch_session(self, session_id: str, now: float) -> None:
        """Remember that it was used now."""
        earlier = (SESSIONS.c.id == session_id) & (SESSIONS.c.last_used_at < now)
        await self._database.write(
            lambda connection: connection.execute(update(SESSIONS).where(earlier).values(last_used_at=now))
        )

    async def end_session(self, session_id: str, now: float) -> None:
        """End a session: every token and refresh token with that `sid` stops working.

        Durable before this returns.
        """
        live = (SESSIONS.c.id == session_id) & SESSIONS.c.ended_at.is_(None)

        def work(connection: Connection) -> None:
            note_logouts(connection, live)
            connection.execute(update(SESSIONS).where(live).values(ended_at=now))

        await self._database.write(work)


class SqlConsents:
    """`oauth.ports.Consents` in a database: the latest for each user, agent and agreement."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def consents_of(self, environment_id: str, user_id: str) -> tuple[Consent, ...]:
        """The latest consent per agent and agreement, withdrawn and expired ones included."""
        rows = await self._database.rows(_CONSENTS_OF, {"environment": environment_id, "user": user_id})
        return tuple(consent_of(row) for row in rows)

    async def record_consent(
        self, consent: Consent, previous: Consent | None, wording: Wording | None = None
    ) -> bool:
        """Put `consent` in the place of `previous`, which was read before; durable before this returns.

        That it was given is kept as an `Acceptance`, with the words that the user said yes to.

        False, and nothing is written, if `previous` is no longer the user's latest for that agent and
        agreement: it was withdrawn, in whole or for one of its agents, or another page was faster. So nothing
        withdrawn comes back, and no coverage is lost.
        """
        row = asdict(consent)

        def put(connection: Connection) -> bool:
            if previous is None:
                return insert_if_absent(connection, CONSENTS, row)
            this = CONSENTS.c.id == previous.id
            found = connection.execute(select(CONSENTS).where(this).with_for_update()).first()
            # It may have been used meanwhile; that changes nothing.
            if found is None or replace(consent_of(found), last_used_at=previous.last_used_at) != previous:
                return False
            return wins(connection, update(CONSENTS).where(this).values(row))

        def work(connection: Connection) -> bool:
            is_put = put(connection)
            if is_put:
                note_acceptance(connection, consent, wording)
            return is_put

        return await self._database.write(work)

    async def withdraw_consents(
        self, environment_id: str, user_id: str, client_id: str, now: float, by: str | None = None
    ) -> None:
        """Withdraw what the user agreed to for that agent, and its part in what they agreed to for others.

        `by` is kept as `Consent.withdrawn_by`. Every token about the user in which it has a part stops
        working for good. Durable before this returns.
        """
        columns = CONSENTS.c
        this_user = (USERS.c.environment_id == environment_id) & (USERS.c.id == user_id)
        theirs = (
            (columns.environment_id == environment_id)
            & (columns.user_id == user_id)
            & columns.withdrawn_at.is_(None)
        )

        def work(connection: Connection) -> None:
            # One at a time, so that each has a number of its own.
            found = select(*USER_COLUMNS).where(this_user).with_for_update(key_share=True)
            user = connection.execute(found).first()
            if user is None:
                return
            numbers = {**user.withdrawals, client_id: User(*user).withdrawn + 1}
            connection.execute(update(USERS).where(this_user).values(withdrawals=numbers))
            note_withdrawal(connection, environment_id, user_id, client_id, now, by)
            consents = connection.execute(select(CONSENTS).where(theirs).with_for_update()).all()
            for consent in map(consent_of, consents):
                if consent.client_id == client_id:
                    changes: dict[str, object] = {"withdrawn_at": now, "withdrawn_by": by}
                elif client_id in consent.covers:
                    left = {agent: each for agent, each in consent.covers.items() if agent != client_id}
                    changes = {"covers": left}
                else:
                    continue
                connection.execute(update(CONSENTS).where(columns.id == consent.id).values(changes))

        await self._database.write(work)


def consent_of(columns: Sequence[Any]) -> Consent:
    """The consent in columns as `tables.CONSENTS` orders them, which is the record's own order."""
    values = list(columns)
    values[_COVERS] = {
        agent: {resource: tuple(scopes) for resource, scopes in each.items()}
        for agent, each in values[_COVERS].items()
    }
    return Consent(*values)
