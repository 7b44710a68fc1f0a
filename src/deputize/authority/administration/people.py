"""Who is signed on, and what users agreed to: read a page at a time, and ended."""

from collections.abc import Mapping, Sequence
from typing import Final

from deputize.authority.administration.operators import Operator
from deputize.authority.administration.runner import ChangeRunner
from deputize.authority.administration.views import (
    Changed,
    CursorInvalid,
    ListPage,
    ListQuery,
    NoSuchObject,
    ObjectView,
    cursor_of,
    etag_of,
    moment,
)
from deputize.authority.environment_file.plan import Difference
from deputize.authority.storage import Store
from deputize.kernel.clock import Clock
from deputize.kernel.values import JsonObject
from deputize.oauth.records.store import Consent, Session

_MANY: Final = 100_000
"""How many sessions of one user are ended at once."""


class AdministeredSessions:
    """The sessions in which users signed on; the tokens of their agents rest on them."""

    def __init__(self, store: Store, clock: Clock, runner: ChangeRunner) -> None:
        self._store = store
        self._clock = clock
        self._runner = runner

    async def list(
        self,
        operator: Operator,
        environment_id: str,
        query: ListQuery | None = None,
        *,
        user_id: str | None = None,
    ) -> ListPage[ObjectView]:
        """A page of the sessions that were not ended, the newest first; those of one user, if one is named.

        Raises `NotPermitted` and `CursorInvalid`.
        """
        operator.require_reader()
        query = query or ListQuery()
        after, limit = query.after(), query.bounded_limit
        try:
            place = (float(after[0]), after[1]) if after else None
        except (ValueError, IndexError) as error:
            raise CursorInvalid("the cursor is none that a page of this list gave") from error
        found = await self._store.listings.sessions(environment_id, user_id, place, limit + 1)
        names = await self._store.listings.usernames({each.user_id for each in found})
        now = self._clock.now()
        views = [_view_of_session(each, names.get(each.user_id, ""), now) for each in found[:limit]]
        last = found[limit - 1] if len(found) > limit else None
        return ListPage(tuple(views), last and cursor_of(repr(last.created_at), last.id))

    async def end(
        self, operator: Operator, environment_id: str, session_id: str, *, user_id: str | None = None
    ) -> Changed:
        """End one session, of that user if one is named, and every token that rests on it.

        Raises `NotPermitted` and `NoSuchObject`.
        """

        async def attempt() -> Changed:
            operator.require_administrator()
            found = await self._store.listings.find_session(environment_id, session_id)
            if found is None or user_id not in {None, found.user_id}:
                raise NoSuchObject(f"there is no session {session_id!r}, or it was ended already")
            return await self._end([found])

        return await self._runner.run(operator, environment_id, attempt)

    async def end_all(
        self, operator: Operator, environment_id: str, user_id: str, *, dry_run: bool = False
    ) -> Changed:
        """End all sessions of a user. A dry run says what ends with them. Raises `NotPermitted`."""

        async def attempt() -> Changed:
            operator.require_administrator()
            listings = self._store.listings
            if dry_run:
                ends = await listings.ends_with(environment_id, "user", user_id, self._clock.now())
                return Changed(None, (), dry_run=True, ends=ends)
            return await self._end(await listings.sessions(environment_id, user_id, None, _MANY))

        return await self._runner.run(operator, environment_id, attempt, dry_run=dry_run)

    async def _end(self, sessions: Sequence[Session]) -> Changed:
        names = await self._store.listings.usernames({each.user_id for each in sessions})
        differences: list[Difference] = []
        for each in sessions:
            await self._store.sessions.end_session(each.id, self._clock.now())
            name = names.get(each.user_id, "")
            before: JsonObject = {"name": name, "user_id": each.user_id}
            differences.append(Difference("session", each.id, name, before, None))
        return Changed(None, tuple(differences), ends={"sessions": len(sessions)})


class AdministeredConsents:
    """What users agreed to for agents."""

    def __init__(self, store: Store, clock: Clock, runner: ChangeRunner) -> None:
        self._store = store
        self._clock = clock
        self._runner = runner

    async def list(
        self,
        operator: Operator,
        environment_id: str,
        query: ListQuery | None = None,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
    ) -> ListPage[ObjectView]:
        """A page of the latest consents per user, agent and agreement, withdrawn and expired ones included.

        Raises `NotPermitted` and `CursorInvalid`.
        """
        operator.require_reader()
        query = query or ListQuery()
        after, limit = query.after(), query.bounded_limit
        if len(after) not in {0, 3}:
            raise CursorInvalid("the cursor is none that a page of this list gave")
        listings = self._store.listings
        found = await listings.consents(environment_id, user_id, agent_id, after, limit + 1)
        people = await listings.usernames({each.user_id for each in found})
        ids = {each for consent in found for each in (consent.client_id, consent.agreement_id)}
        names = await listings.names(environment_id, ids)
        now = self._clock.now()
        views = [_view_of_consent(each, people.get(each.user_id, ""), names, now) for each in found[:limit]]
        last = found[limit - 1] if len(found) > limit else None
        return ListPage(tuple(views), last and cursor_of(last.user_id, last.client_id, last.agreement_id))

    async def withdraw(self, operator: Operator, environment_id: str, user_id: str, agent_id: str) -> Changed:
        """Withdraw in a user's place what he agreed to for an agent; every token it had for him ends.

        Raises `NotPermitted` and `NoSuchObject`.
        """

        async def attempt() -> Changed:
            operator.require_administrator()
            found = await self._store.listings.consents(environment_id, user_id, agent_id, (), _MANY)
            live = [each for each in found if each.withdrawn_at is None]
            if not live:
                raise NoSuchObject("the user agreed to nothing for that agent, or it was withdrawn already")
            by = f"administrator {operator.name or f'at the command line (account {operator.id})'}"
            await self._store.consents.withdraw_consents(
                environment_id, user_id, agent_id, self._clock.now(), by
            )
            users = await self._store.listings.usernames({user_id})
            names = await self._store.listings.names(
                environment_id, {agent_id, *(each.agreement_id for each in live)}
            )
            differences = [_withdrawal_of(each, users.get(user_id, ""), names) for each in live]
            return Changed(None, tuple(differences), ends={"consents": len(live)})

        return await self._runner.run(operator, environment_id, attempt)


def _withdrawal_of(consent: Consent, username: str, names: Mapping[str, str]) -> Difference:
    """Return what the record of a withdrawal says: names beside the ids, for either may change."""
    agent = names.get(consent.client_id, consent.client_id)
    before: JsonObject = {
        "user": username,
        "user_id": consent.user_id,
        "agent": agent,
        "agent_id": consent.client_id,
        "agreement": names.get(consent.agreement_id, consent.agreement_id),
        "agreement_id": consent.agreement_id,
    }
    return Difference("consent", consent.id, agent, before, None)


def _view_of_session(session: Session, username: str, now: float) -> ObjectView:
    facts: JsonObject = {
        "user_id": session.user_id,
        "created_at": moment(session.created_at),
        "last_used_at": moment(session.last_used_at),
        "expires_at": moment(session.expires_at),
        "lapsed": session.expires_at <= now,
    }
    return ObjectView("session", session.id, username, {}, etag_of(session.id, facts), facts)


def _view_of_consent(consent: Consent, username: str, names: Mapping[str, str], now: float) -> ObjectView:
    is_over = consent.expires_at is not None and consent.expires_at <= now
    facts: JsonObject = {
        "user_id": consent.user_id,
        "agent_id": consent.client_id,
        "agent": names.get(consent.client_id),
        "agreement_id": consent.agreement_id,
        "agreement": names.get(consent.agreement_id),
        "version": consent.version,
        "locale": consent.locale,
        "accepted_at": moment(consent.accepted_at),
        "expires_at": moment(consent.expires_at),
        "withdrawn_at": moment(consent.withdrawn_at),
        "withdrawn_by": consent.withdrawn_by,
        "last_used_at": moment(consent.last_used_at),
        "in_force": consent.withdrawn_at is None and not is_over,
        "covers": {
            agent: {resource: list(scopes) for resource, scopes in each.items()}
            for agent, each in consent.covers.items()
        },
    }
    return ObjectView("consent", consent.id, username, {}, etag_of(consent.id, facts), facts)
