"""Grants: what users authorized agents to do, and by identity what that rests on."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, insert, select, update

from deputize.authority.storage.engine import Database
from deputize.authority.storage.tables import CONSENTS, GRANTS
from deputize.oauth.records.store import Authentication, Grant


class SqlGrants:
    """`oauth.ports.Grants` in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def end_grant(self, grant_id: str, now: float) -> None:
        """End a grant: code, refresh token and every token that came of it are dead for good.

        Durable before this returns.
        """
        unended = (GRANTS.c.id == grant_id) & GRANTS.c.ended_at.is_(None)
        await self._database.write(
            lambda connection: connection.execute(update(GRANTS).where(unended).values(ended_at=now))
        )


def add_grant(connection: Connection, grant: Grant) -> None:
    """Remember a grant."""
    who = grant.authentication
    row = {
        "id": grant.id,
        "environment_id": grant.environment_id,
        "client_id": grant.client_id,
        "client_term": grant.client_term,
        "user_term": grant.user_term,
        "policy_term": grant.policy_term,
        "resource_term": grant.resource_term,
        "user_id": who.user_id,
        "session_id": who.session_id,
        "auth_time": who.auth_time,
        "acr": who.acr,
        "resource_id": grant.resource_id,
        "scopes": list(grant.scopes),
        "consents": dict(grant.consents),
        "created_at": grant.created_at,
        "expires_at": grant.expires_at,
        "ended_at": grant.ended_at,
    }
    connection.execute(insert(GRANTS).values(row))


def use_consents(connection: Connection, grant_id: str, now: float) -> None:
    """Remember when the consents that a grant rests on were last used."""
    consents: Mapping[str, str] = connection.scalars(
        select(GRANTS.c.consents).where(GRANTS.c.id == grant_id)
    ).one()
    if consents:
        connection.execute(
            update(CONSENTS).where(CONSENTS.c.id.in_(consents.values())).values(last_used_at=now)
        )


def grant_of(columns: Sequence[Any]) -> Grant:
    """The grant in columns as `tables.GRANTS` orders them."""
    grant_id, environment_id, client_id, client_term, user_term, policy_term, resource_term, *who = columns[
        :11
    ]
    resource_id, scopes, consents, created_at, expires_at, ended_at = columns[11:]
    return Grant(
        id=grant_id,
        environment_id=environment_id,
        client_id=client_id,
        client_term=client_term,
        user_term=user_term,
        policy_term=policy_term,
        resource_term=resource_term,
        authentication=Authentication(*who),
        resource_id=resource_id,
        scopes=tuple(scopes),
        consents=consents,
        created_at=created_at,
        expires_at=expires_at,
        ended_at=ended_at,
    )
