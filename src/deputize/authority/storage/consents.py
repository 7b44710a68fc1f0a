"""Recorded acceptances of agreements: the latest for each user, agent and agreement."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from deputize.authority.storage.engine import Database
from deputize.authority.storage.statements import insert_if_absent, won
from deputize.authority.storage.tables import CONSENTS
from deputize.oauth.records.store import Consent

_OF_USER = select(CONSENTS).where(
    (CONSENTS.c.environment_id == bindparam("environment")) & (CONSENTS.c.user_id == bindparam("user"))
)
_COVERS = list(CONSENTS.c).index(CONSENTS.c.covers)


class SqlConsents:
    """`oauth.ports.Consents` in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def consents_of(self, environment_id: str, user_id: str) -> tuple[Consent, ...]:
        """The latest consent per agent and agreement, withdrawn and expired ones included."""
        rows = await self._database.rows(_OF_USER, {"environment": environment_id, "user": user_id})
        return tuple(consent_of(row) for row in rows)

    async def record_consent(self, consent: Consent, previous: Consent | None) -> bool:
        """Put `consent` in the place of `previous`, which was read before; durable before this returns.

        False, and nothing is written, if `previous` is no longer the user's latest for that agent and
        agreement: it was withdrawn, or another page was faster. So nothing withdrawn comes back, and no
        coverage is lost.
        """
        row = asdict(consent)

        def work(connection: Connection) -> bool:
            if previous is None:
                return insert_if_absent(connection, CONSENTS, row)
            # Every change draws another id, withdraws, or accepts anew; `last_used_at` may have moved on.
            withdrawn = CONSENTS.c.withdrawn_at
            unchanged = (CONSENTS.c.id == previous.id) & (CONSENTS.c.accepted_at == previous.accepted_at)
            unchanged &= (
                withdrawn.is_(None) if previous.withdrawn_at is None else withdrawn == previous.withdrawn_at
            )
            return won(connection, update(CONSENTS).where(unchanged).values(row))

        return await self._database.write(work)

    async def withdraw_consents(self, environment_id: str, user_id: str, client_id: str, now: float) -> int:
        """Withdraw everything the user agreed to for that agent.

        Tokens that rest on it stop working for good. How many there were.
        """
        columns = CONSENTS.c
        mine = (
            (columns.environment_id == environment_id)
            & (columns.user_id == user_id)
            & (columns.client_id == client_id)
        )
        withdrawal = update(CONSENTS).where(mine & columns.withdrawn_at.is_(None)).values(withdrawn_at=now)
        return await self._database.write(lambda connection: connection.execute(withdrawal).rowcount)


def consent_of(columns: Sequence[Any]) -> Consent:
    """The consent in columns as `tables.CONSENTS` orders them, which is the record's own order."""
    values = list(columns)
    values[_COVERS] = {
        agent: {resource: tuple(scopes) for resource, scopes in each.items()}
        for agent, each in values[_COVERS].items()
    }
    return Consent(*values)
