"""Everything a token rests on, in one statement: exchange and introspection ask for it on every request."""

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import BindParameter, Row, bindparam, literal, select
from sqlalchemy.sql import Select

from deputize.authority.storage.consents import consent_of
from deputize.authority.storage.engine import Database
from deputize.authority.storage.grants import grant_of
from deputize.authority.storage.sessions import session_of
from deputize.authority.storage.tables import CONSENTS, GRANTS, REVOKED_TOKENS, SESSIONS, USERS
from deputize.authority.storage.users import user_of
from deputize.oauth.records.store import TokenState

_GRANT = slice(0, len(GRANTS.c))
_USER = slice(_GRANT.stop, _GRANT.stop + len(USERS.c))
_SESSION = slice(_USER.stop, _USER.stop + len(SESSIONS.c))
_CONSENT = slice(_SESSION.stop, _SESSION.stop + len(CONSENTS.c))


class SqlTokenStates:
    """`oauth.ports.TokenStates` in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read_token_state(
        self, environment_id: str, grant_id: str | None, jtis: Collection[str]
    ) -> TokenState:
        """The grant with its user, session and consents, and which of the tokens were revoked, in one go."""
        parameters = {"environment": environment_id, "grant": grant_id}
        parameters |= {f"jti_{index}": jti for index, jti in enumerate(jtis)}
        return _state(await self._database.rows(_statement(len(jtis)), parameters))


@lru_cache(64)
def _statement(jtis: int) -> Select[Any]:
    """One row, times one for each consent and revoked token found; in practice one or two rows."""
    one = select(literal(1).label("one")).subquery()
    environment: BindParameter[str] = bindparam("environment")
    grant, consent = GRANTS.c, CONSENTS.c
    revoked = REVOKED_TOKENS.c.jti.in_([bindparam(f"jti_{index}") for index in range(jtis)])
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
        .outerjoin(REVOKED_TOKENS, revoked)
    )
    columns = [
        column.label(f"{table.name}_{column.name}")
        for table in (GRANTS, USERS, SESSIONS, CONSENTS)
        for column in table.c
    ]
    return select(*columns, REVOKED_TOKENS.c.jti.label("revoked_jti")).select_from(tables)


def _state(rows: Sequence[Row[Any]]) -> TokenState:
    first = rows[0]
    consents = {
        row[_CONSENT.start]: consent_of(row[_CONSENT]) for row in rows if row[_CONSENT.start] is not None
    }
    return TokenState(
        grant=grant_of(first[_GRANT]) if first[_GRANT.start] is not None else None,
        user=user_of(first[_USER]) if first[_USER.start] is not None else None,
        session=session_of(first[_SESSION]) if first[_SESSION.start] is not None else None,
        consents=tuple(consents.values()),
        revoked=frozenset(row[-1] for row in rows if row[-1] is not None),
    )
