"""What users agreed to, each time that they did, and in which words; kept when agreements change."""

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import Connection, Delete, bindparam, delete, exists, insert, select, update
from sqlalchemy.sql import Select

from deputize.authority.storage.engine import Database, upsert
from deputize.authority.storage.tables import ACCEPTANCES, WORDINGS
from deputize.kernel.ids import new_id
from deputize.kernel.values import JsonObject
from deputize.oauth.records.store import Acceptance, Consent, Wording

MOST_ACCEPTANCES = 100
"""Of one user, agent and agreement that are kept; the oldest go."""
_COLUMNS = ACCEPTANCES.c
_COVERS = [each.name for each in fields(Acceptance)].index("covers")
_OF_USER: Select[Any] = (
    select(*(_COLUMNS[each.name] for each in fields(Acceptance)))
    .where((_COLUMNS.environment_id == bindparam("environment")) & (_COLUMNS.user_id == bindparam("user")))
    .order_by(_COLUMNS.accepted_at.desc(), _COLUMNS.id)
)
_WORDING = select(WORDINGS.c.document).where(
    (WORDINGS.c.environment_id == bindparam("environment")) & (WORDINGS.c.digest == bindparam("digest"))
)


class SqlAcceptances:
    """The acceptances in a database; recording and withdrawing consents writes them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def acceptances_of(self, environment_id: str, user_id: str) -> tuple[Acceptance, ...]:
        """Everything that the user agreed to, the newest first."""
        rows = await self._database.rows(_OF_USER, {"environment": environment_id, "user": user_id})
        return tuple(_acceptance_of(row) for row in rows)

    async def find_wording(self, environment_id: str, digest: str) -> JsonObject | None:
        """The words with that digest."""
        rows = await self._database.rows(_WORDING, {"environment": environment_id, "digest": digest})
        return rows[0][0] if rows else None


def note_acceptance(connection: Connection, consent: Consent, wording: Wording | None) -> None:
    """Note that the user just gave this consent, to what is worded so.

    The wording is written each time, so that one that is about to be purged stays.
    """
    if wording is not None:
        row = {
            "environment_id": consent.environment_id,
            "digest": wording.digest,
            "document": wording.document,
            "used_at": consent.accepted_at,
        }
        upsert(connection, WORDINGS, row)
    acceptance = Acceptance(
        id=new_id(),
        environment_id=consent.environment_id,
        user_id=consent.user_id,
        client_id=consent.client_id,
        agreement_id=consent.agreement_id,
        consent_id=consent.id,
        version=consent.version,
        revision=consent.revision,
        locale=consent.locale,
        accepted_at=consent.accepted_at,
        expires_at=consent.expires_at,
        covers=consent.covers,
        wording=wording.digest if wording else None,
    )
    connection.execute(insert(ACCEPTANCES).values(asdict(acceptance)))
    alike = (
        (_COLUMNS.environment_id == consent.environment_id)
        & (_COLUMNS.user_id == consent.user_id)
        & (_COLUMNS.client_id == consent.client_id)
        & (_COLUMNS.agreement_id == consent.agreement_id)
    )
    newest = select(_COLUMNS.id).where(alike).order_by(_COLUMNS.accepted_at.desc(), _COLUMNS.id)
    kept = [row.id for row in connection.execute(newest.limit(MOST_ACCEPTANCES))]
    connection.execute(delete(ACCEPTANCES).where(alike & _COLUMNS.id.not_in(kept)))


def note_withdrawal(
    connection: Connection, environment_id: str, user_id: str, client_id: str, now: float, by: str | None
) -> None:
    """Note that what the user agreed to for that agent was withdrawn, and by whom."""
    mine = (
        (_COLUMNS.environment_id == environment_id)
        & (_COLUMNS.user_id == user_id)
        & (_COLUMNS.client_id == client_id)
        & _COLUMNS.withdrawn_at.is_(None)
    )
    connection.execute(update(ACCEPTANCES).where(mine).values(withdrawn_at=now, withdrawn_by=by))


def unnamed_wordings(before: float) -> Delete:
    """The deletion of wordings that no acceptance names, and that none was about to name since `before`."""
    named = exists().where(
        (_COLUMNS.environment_id == WORDINGS.c.environment_id) & (_COLUMNS.wording == WORDINGS.c.digest)
    )
    return delete(WORDINGS).where((WORDINGS.c.used_at < before) & ~named)


def _acceptance_of(columns: Sequence[Any]) -> Acceptance:
    """The acceptance in columns as `_OF_USER` orders them, which is the record's own order."""
    values = list(columns)
    values[_COVERS] = {
        agent: {resource: tuple(scopes) for resource, scopes in each.items()}
        for agent, each in values[_COVERS].items()
    }
    return Acceptance(*values)
