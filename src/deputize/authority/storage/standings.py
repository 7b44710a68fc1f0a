"""Everything a token rests on, in one statement: exchange and introspection ask for it on every request."""

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import BindParameter, Row, bindparam, literal, select, true
from sqlalchemy.sql import Select

from deputize.authority.storage.consents import consent_of
from deputize.authority.storage.engine import Database
from deputize.authority.storage.sessions import session_of
from deputize.authority.storage.tables import CONSENTS, ISSUED_TOKENS, SESSIONS, USERS
from deputize.authority.storage.users import user_of
from deputize.oauth.records.store import Consent, Standing


class SqlStandings:
    """`oauth.ports.Standings` in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def standing(
        self, environment_id: str, user_id: str | None, session_id: str | None, agreements: Collection[str], jtis: Collection[str]
    ) -> Standing:
        """User, session, consents and revocations in one go; absent ones are `None` or left out."""
        parameters = {"environment": environment_id, "user": user_id, "session": session_id}
        parameters |= {f"agreement_{index}": agreement for index, agreement in enumerate(agreements)}
        parameters |= {f"jti_{index}": jti for index, jti in enumerate(jtis)}
        return _standing(await self._database.rows(_statement(len(agreements), len(jtis)), parameters))


@lru_cache(64)
def _statement(agreements: int, jtis: int) -> Select[Any]:
    """One row, times one for each consent and revoked token found; in practice one to four rows."""
    one = select(literal(1).label("one")).subquery()
    environment: BindParameter[str] = bindparam("environment")
    user: BindParameter[str] = bindparam("user")
    asked = CONSENTS.c.agreement_id.in_([bindparam(f"agreement_{index}") for index in range(agreements)])
    revoked = ISSUED_TOKENS.c.jti.in_([bindparam(f"jti_{index}") for index in range(jtis)])
    tables = (
        one.outerjoin(USERS, (USERS.c.id == user) & (USERS.c.environment_id == environment))
        .outerjoin(
            SESSIONS, (SESSIONS.c.id == bindparam("session")) & (SESSIONS.c.environment_id == environment) & (SESSIONS.c.user_id == user)
        )
        .outerjoin(CONSENTS, (CONSENTS.c.environment_id == environment) & (CONSENTS.c.user_id == user) & asked)
        .outerjoin(ISSUED_TOKENS, revoked & (ISSUED_TOKENS.c.revoked == true()))
    )
    columns = [column.label(f"{table.name}_{column.name}") for table in (USERS, SESSIONS, CONSENTS) for column in table.c]
    return select(*columns, ISSUED_TOKENS.c.jti.label("revoked_jti")).select_from(tables)


def _standing(rows: Sequence[Row[Any]]) -> Standing:
    first = rows[0]
    return Standing(
        user=user_of(first[USER_COLUMNS]) if first[0] is not None else None,
        session=session_of(first[SESSION_COLUMNS]) if first[SESSION_COLUMNS.start] is not None else None,
        consents=_consents(rows),
        revoked=frozenset(row[-1] for row in rows if row[-1] is not None),
    )


def _consents(rows: Sequence[Row[Any]]) -> tuple[Consent, ...]:
    distinct = dict.fromkeys(tuple(row[CONSENT_COLUMNS]) for row in rows if row[CONSENT_COLUMNS.start] is not None)
    return tuple(consent_of(columns) for columns in distinct)


USER_COLUMNS = slice(0, len(USERS.c))
SESSION_COLUMNS = slice(USER_COLUMNS.stop, USER_COLUMNS.stop + len(SESSIONS.c))
CONSENT_COLUMNS = slice(SESSION_COLUMNS.stop, SESSION_COLUMNS.stop + len(CONSENTS.c))
