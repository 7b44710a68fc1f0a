"""Recorded acceptances of agreements: the latest for each user and agreement."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, select, update

from deputize.authority.storage.engine import Database
from deputize.authority.storage.statements import upsert, won
from deputize.authority.storage.tables import CONSENTS
from deputize.oauth.records.store import Consent

_OF_USER = select(CONSENTS).where((CONSENTS.c.environment_id == bindparam("environment")) & (CONSENTS.c.user_id == bindparam("user")))


class SqlConsents:
    """`oauth.ports.Consents` in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def consents_of(self, environment_id: str, user_id: str) -> tuple[Consent, ...]:
        """The latest consent per agreement, withdrawn and expired ones included."""
        rows = await self._database.rows(_OF_USER, {"environment": environment_id, "user": user_id})
        return tuple(consent_of(row) for row in rows)

    async def record_consent(self, consent: Consent) -> None:
        """Replace the user's consent to that agreement. Durable before this returns."""
        row = {column.name: getattr(consent, column.name) for column in CONSENTS.c}
        await self._database.write(lambda connection: upsert(connection, CONSENTS, row))

    async def withdraw_consent(self, environment_id: str, user_id: str, agreement_id: str, now: float) -> bool:
        """Withdraw it; tokens that rest on it stop working. False if there was none alive."""
        of_user = (CONSENTS.c.environment_id == environment_id) & (CONSENTS.c.user_id == user_id)
        unexpired = CONSENTS.c.expires_at.is_(None) | (CONSENTS.c.expires_at > now)
        alive = of_user & (CONSENTS.c.agreement_id == agreement_id) & CONSENTS.c.withdrawn_at.is_(None) & unexpired
        return await self._database.write(lambda connection: won(connection, update(CONSENTS).where(alive).values(withdrawn_at=now)))


def consent_of(columns: Sequence[Any]) -> Consent:
    """The consent in columns as `tables.CONSENTS` orders them, which is the record's own order."""
    return Consent(*columns)
