"""Many users who signed on and agreed: one did, the others are copies of that one's rows in the database."""

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, Text, func, insert, literal, select, true, type_coerce
from sqlalchemy.sql import ColumnElement

from bench.subject import Delegation, Deputize, deputize
from bench.tokens import claims_of
from deputize.authority.directory.service import open_directory
from deputize.authority.storage import open_store, sqlite_url
from deputize.authority.storage.store import FILE_NAME
from deputize.authority.storage.tables import CONSENTS, GRANTS, SESSIONS, USERS
from deputize.jose import sign
from deputize.jose.key_ring import KeyRing
from deputize.kernel.clock import SystemClock
from deputize.oauth.lineage import USER_CLAIM

_PLACES = 1 << 32
"""What the first eight digits of an id can be: those of copies are spread evenly, as drawn ones would be."""


class People:
    """An authority of its own whose users all signed on with each of its agents, and agreed."""

    def __init__(self, folder: Path, users: int, agents: int = 10) -> None:
        """Have one user sign on, and copy what that left in the database for all others."""
        self.users = users
        self.subject: Deputize = deputize(folder, 1, agents)
        with self.subject.authority(measured=False):
            self._originals = self.subject.delegations
        self._claims = [claims_of(each.subject) for each in self._originals]
        self._keys = asyncio.run(_copy(self.subject, str(self._claims[0][USER_CLAIM]), users))

    def delegations(self, number: int) -> list[Delegation]:
        """Return what so many users hold, or all if they are fewer; the agents take turns."""
        number = min(number, self.users)
        return [self._delegation(place, place * (self.users // number)) for place in range(number)]

    def _delegation(self, place: int, user: int) -> Delegation:
        original = self._originals[place % len(self._originals)]
        claims = _claims_of_copy(user, self.users, self._claims[place % len(self._originals)])
        return Delegation(original.agent, sign(claims, self._keys), original.actor)


@contextlib.contextmanager
def commits(people: People) -> Iterator[None]:
    """Change something in the authority's database every tenth of a second, as sign-ons do."""
    ended = threading.Event()

    def write() -> None:
        with contextlib.closing(sqlite3.connect(people.subject.stage.data / FILE_NAME)) as connection:
            while not ended.wait(0.1):
                connection.execute("UPDATE sessions SET last_used_at = last_used_at + 1 WHERE rowid = 1")
                connection.commit()

    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(write)
        try:
            yield
        finally:
            ended.set()
    written.result()


async def _copy(subject: Deputize, user_id: str, users: int) -> KeyRing:
    """Write the copies, and return the keys that sign the environment's tokens."""
    async with open_store(sqlite_url(subject.stage.data), creates=False) as store:
        if users > 1:
            await store.database.write(lambda connection: _write_copies(connection, user_id, users))
        directory = await open_directory(store.directory_rows, subject.stage.authority_url, SystemClock())
        environments = directory.current.environments.values()
        return next(each.keys for each in environments if each.issuer == subject.secrets["issuer"])


def _write_copies(connection: Connection, user_id: str, users: int) -> None:
    """Copy the rows of a user for all others, a statement for each table, in the order of their indexes."""
    first = select(literal(1).label("number")).cte(recursive=True)
    numbers = first.union_all(select(first.c.number + 1).where(first.c.number < users - 1))
    number = numbers.c.number

    def other(text: ColumnElement[str]) -> ColumnElement[str]:
        return func.printf("%08x", number * (_PLACES // users)).concat(func.substr(text, 9))

    def copy(table: Table, owner: str, changes: Mapping[str, ColumnElement[Any] | Change]) -> None:
        columns = [_changed(column, changes.get(column.name)) for column in table.c]
        rows = select(*columns).select_from(table.join(numbers, true())).where(table.c[owner] == user_id)
        connection.execute(insert(table).from_select(list(table.c.keys()), rows))

    consents = connection.scalars(select(CONSENTS.c.id).where(CONSENTS.c.user_id == user_id)).all()
    named: ColumnElement[str] = type_coerce(GRANTS.c.consents, Text())
    for consent in consents:
        named = func.replace(named, consent, other(literal(consent)))
    copy(USERS, "id", {"id": other, "username": func.printf("user%07d", number)})
    copy(SESSIONS, "user_id", {"id": other, "user_id": other, "cookie_digest": other})
    copy(CONSENTS, "user_id", {"id": other, "user_id": other})
    copy(GRANTS, "user_id", {"id": other, "user_id": other, "session_id": other, "consents": named})


Change = Callable[[ColumnElement[str]], ColumnElement[str]]


def _changed(column: ColumnElement[Any], change: ColumnElement[Any] | Change | None) -> ColumnElement[Any]:
    if change is None:
        return column
    return change if isinstance(change, ColumnElement) else change(column)


def _claims_of_copy(number: int, users: int, claims: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the claims of a subject token of the copy with this number; 0 is the user who signed on."""
    if number == 0:
        return claims
    place = f"{number * (_PLACES // users):08x}"
    changed = {name: place + str(claims[name])[8:] for name in ("jti", "sid", USER_CLAIM)}
    return {**claims, **changed, "sub": f"user{number:07}"}
