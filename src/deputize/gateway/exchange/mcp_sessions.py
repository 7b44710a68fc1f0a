"""Legacy MCP sessions that belong to whoever opened them: the client's id is sealed for its token.

A session id is no authentication (MCP, Streamable HTTP, session management): without a binding, a token of
one user would continue the session of another. Nothing is stored; the server's own id never leaves the
gateway.
"""

import json
from typing import Final, NamedTuple

import structlog

from deputize.gateway.exchange.contexts import OAuth2Context
from deputize.http.messages import Headers
from deputize.kernel.digests import digest
from deputize.kernel.ids import random_bytes
from deputize.kernel.values import JsonValue
from deputize.mcp import versions
from deputize.mcp.errors import Rejection, header_mismatch, unknown_session
from deputize.mcp.headers import MAX_SESSION, is_session
from deputize.oauth.delegation import actors_of
from deputize.secrets.sealing import MIN_SECRET, TextSeal

log = structlog.get_logger()
SESSION: Final = "Mcp-Session-Id"
_VERSION: Final = "MCP-Protocol-Version"
PROCESS_SECRET: Final = random_bytes(MIN_SECRET)
"""What sessions are sealed with where no secret is configured; it ends with the process."""


class OpenedSession(NamedTuple):
    """A session that a request continues: its id as the client knows it, and as the server does."""

    sealed: str
    id: str


class SessionBinding:
    """Exchanges session ids in the headers of requests and answers; MCP 2026-07-28 has no sessions."""

    def __init__(self, seal: TextSeal) -> None:
        self._seal = seal

    def open(self, headers: Headers, token: OAuth2Context, resource: str) -> OpenedSession | Rejection | None:
        """Replace the client's id by the server's.

        `None` where there is no id, a `Rejection` where it is not one for this token at `resource`.
        """
        presented = headers.get_all(SESSION)
        if not presented:
            return None
        if len(presented) > 1:
            return header_mismatch(f"{SESSION} is repeated")
        if not _is_legacy(headers):
            return header_mismatch(f"{SESSION} does not exist in this protocol version")
        session = (
            self._seal.open(presented[0], _binding(token, resource))
            if len(presented[0]) <= MAX_SESSION
            else None
        )
        if session is None:
            return unknown_session()
        headers.set(SESSION, session)
        return OpenedSession(presented[0], session)

    def seal(
        self,
        asked: Headers,
        headers: Headers,
        token: OAuth2Context,
        resource: str,
        opened: OpenedSession | None,
    ) -> None:
        """Replace the server's id in the answer's headers by the client's: that of the request, or a new one.

        `asked` are the request's headers, `opened` is what `open` made of them.
        """
        given = headers.get_all(SESSION)
        if not given or not _is_legacy(asked):
            return
        headers.remove(SESSION)
        if len(given) > 1 or not is_session(given[0]):
            log.warning(
                "a session id of the MCP server is dropped: it is repeated, too long or not visible ASCII",
                resource=resource,
            )
        elif opened is not None and opened.id == given[0]:
            headers.add(SESSION, opened.sealed)
        else:
            headers.add(SESSION, self._seal.seal(given[0], _binding(token, resource)))


def _is_legacy(headers: Headers) -> bool:
    """Whether the request may be meant for a session: its version has them, or it names not exactly one."""
    stated = headers.get_all(_VERSION)
    return len(stated) != 1 or stated[0].strip(" \t") in versions.HANDSHAKE


def _binding(token: OAuth2Context, resource: str) -> bytes:
    """Resource, issuer, subject, client and actors; without subject and client, the token itself."""
    info = token.info
    holder: JsonValue = [info.get("sub"), token.subject.client_id]
    if holder == [None, None]:
        holder = digest(token.token)
    actors = actors_of(info.get("act"))
    chain: list[JsonValue] = [[actor.get("iss"), actor.get("sub")] for actor in actors]
    rest = actors[-1].get("act") if actors else info.get("act")
    if rest is not None:  # what is no actor, or beyond the bound, stands for itself
        chain.append(rest)
    return json.dumps([SESSION, resource, info.get("iss"), holder, chain], sort_keys=True).encode()
