"""Tell agents that a session ended (OpenID Connect Back-Channel Logout 1.0).

Whoever ends a session leaves notices in the store (`storage.logout_notices`) and waits for nobody. Here they
are delivered: a signed logout token is posted to the `backchannel_logout_uri` of each agent that has a grant
of the session. An agent that does not answer is asked again, a few times, and what came of it is recorded.
"""

import asyncio
from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import Final
from urllib.parse import urlencode

import structlog

from deputize.authority.fetching import FetchFailed
from deputize.authority.services import Services
from deputize.authority.storage import LogoutNotice
from deputize.kernel.uris import UriError
from deputize.oauth.document_urls import parse_document_url
from deputize.oauth.id_tokens import issue_logout_token

POLL_SECONDS: Final = 2.0
WAITS: Final = (10.0, 60.0, 300.0, 1800.0, 1800.0)
"""Seconds from each attempt to the next; there are as many attempts, and no more."""
MOST_AT_ONCE: Final = 16
"""Notices that are taken at a time."""
_DELIVERED: Final = frozenset({200, 204})
_PASSING: Final = frozenset({408, 425, 429})
_log = structlog.get_logger("deputize.authority")


async def deliver_repeatedly(services: Services) -> None:
    """Deliver what is due, every `POLL_SECONDS`, until cancelled."""
    while True:
        try:
            while await deliver_due(services):
                pass
        except Exception as error:  # noqa: BLE001 - whatever the store raises, the next time may succeed
            _log.error("logout notices were not delivered", error=type(error).__name__)
        await asyncio.sleep(POLL_SECONDS)


async def deliver_due(services: Services) -> int:
    """Try every notice that is due, up to `MOST_AT_ONCE`, and return how many there were."""
    notices = await services.store.logout_notices.begin_attempts(services.clock.now(), WAITS, MOST_AT_ONCE)
    by_agent = attrgetter("environment_id", "client_id")
    async with asyncio.TaskGroup() as group:
        for _, of_agent in groupby(sorted(notices, key=by_agent), by_agent):
            group.create_task(_deliver_all(services, tuple(of_agent)))
    return len(notices)


async def _deliver_all(services: Services, notices: Sequence[LogoutNotice]) -> None:
    """Try the notices for one agent one after another, until it does not answer."""
    for notice in notices:
        failure = await _deliver(services, notice)
        is_over = failure is None or not failure.may_pass or notice.attempts >= len(WAITS)
        if is_over:
            await services.store.logout_notices.settle(notice)
        if failure is not None:
            services.record(
                "logout notice failed",
                notice.environment_id,
                failure.reason,
                client_id=notice.client_id,
                user_id=notice.user_id,
                session_id=notice.session_id,
                attempt=notice.attempts,
                is_over=is_over,
            )
        if failure is not None and failure.may_pass:
            return


async def _deliver(services: Services, notice: LogoutNotice) -> FetchFailed | None:
    """Send one notice. Returns why the agent has not got it; `None` when there is nothing left to do."""
    environment = services.directory.current.environments.get(notice.environment_id)
    agent = environment.agents.get(notice.client_id) if environment else None
    uri = agent.settings.backchannel_logout_uri if agent and agent.enabled else None
    if environment is None or agent is None or uri is None:
        return None  # it was removed, disabled, or does not want to know any more
    token = issue_logout_token(
        environment, agent, notice.user_id, notice.session_id, services.new_id(), services.clock.now()
    )
    try:
        form = urlencode({"logout_token": token}).encode()
        status = await services.fetcher.post_form(parse_document_url(uri), form)
    except FetchFailed as failure:
        return failure
    except UriError as error:
        return FetchFailed(str(error))
    if status not in _DELIVERED:
        may_pass = status >= 500 or status in _PASSING
        return FetchFailed(f"answered with status {status} instead of 200", may_pass=may_pass)
    services.record(
        "logout notice delivered",
        notice.environment_id,
        client_id=notice.client_id,
        user_id=notice.user_id,
        session_id=notice.session_id,
        attempt=notice.attempts,
    )
    return None
