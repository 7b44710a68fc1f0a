"""What a token rests on, read from its own claims, so that issuing one writes nothing.

`jti` says what the token came from: `<grant id>.<segment>` for one that came from a code or a refresh token,
`<segment>` for an agent's own. An exchange appends a segment to its subject token's, so that every prefix is
the lineage of an ancestor. A segment begins with the terms of the agent it was issued to and of its resource:
what ended a term ended everything that was issued in it. Behind the segments stands a seal, by which the
authority knows its own `jti` where it is shown nothing else, as in the records of gateways.
"""

import re
from dataclasses import dataclass
from typing import Final

from deputize.kernel.ids import SEGMENT_LENGTH, TERM_LENGTH
from deputize.kernel.values import JsonObject, JsonValue
from deputize.oauth.records.store import Authentication

MACHINE_CLAIM: Final = "p1.rid"
"""Stands in tokens that no user is behind (client credentials), and equals their `jti`."""
USER_CLAIM: Final = "p1.userId"
"""The user's id, where the resource maps `sub` to something else."""
VIA_CLAIM: Final = "p1.via"
"""Of an exchanged token: audience and scope of each ancestor, the first one first, without the one that its
grant describes.
"""
PERMITTED_CLAIM: Final = "p1.permitted"
"""Of a token that an agent got although no `may_act` named it: where in the lineage such agents stand.

The agent before each permits it to act by its settings, and has to go on doing so.
"""
MAX_SEGMENTS: Final = 8
"""Tokens from a sign-on to the last exchange: a chain is one sign-on and seven exchanges at most."""
MAX_JTI: Final = 320
"""Characters: a grant id, `MAX_SEGMENTS` segments and a seal fit."""
SEAL_LENGTH: Final = 22
"""Characters of the base64url alphabet: 132 bits."""
_SEGMENT: Final = rf"[A-Za-z0-9_-]{{{SEGMENT_LENGTH}}}"
_JTI: Final = re.compile(
    rf"((?:[0-9a-f-]{{36}}\.)?{_SEGMENT}(?:\.{_SEGMENT}){{0,{MAX_SEGMENTS - 1}}})"
    rf"(?:\.([A-Za-z0-9_-]{{{SEAL_LENGTH}}}))?"
)
_GRANT_LENGTH: Final = 36


@dataclass(frozen=True, slots=True)
class Lineage:
    """A grant, if a user is behind the token, and the segments that each issue appended.

    It becomes the token's `jti`, by which the token ends with what it rests on: with the user's grant, with a
    revoked ancestor, with the agents and resources whose terms its segments begin with.
    """

    grant_id: str | None
    """`None` for a token that an agent has of its own."""
    segments: tuple[str, ...] = ()
    """One for each token from the first one to this one."""
    seal: str = ""
    """What only the authority can have made of all the others; empty before it did."""

    @property
    def terms(self) -> tuple[str, ...]:
        """The term of every agent the token passed through, the one it was issued to last."""
        return tuple(segment[:TERM_LENGTH] for segment in self.segments)

    @property
    def resource_terms(self) -> tuple[str, ...]:
        """The term of the resource of every ancestor, and last of the token's own."""
        return tuple(segment[TERM_LENGTH : 2 * TERM_LENGTH] for segment in self.segments)

    @property
    def id(self) -> str:
        """What the token is known by: its `jti` without the seal."""
        return ".".join(self.segments if self.grant_id is None else (self.grant_id, *self.segments))

    @property
    def jti(self) -> str:
        """The token's `jti`."""
        return f"{self.id}.{self.seal}" if self.seal else self.id

    @property
    def ids(self) -> tuple[str, ...]:
        """The `id` of every ancestor, and last the token's own."""
        ids: list[str] = []
        before = "" if self.grant_id is None else f"{self.grant_id}."
        for segment in self.segments:
            ids.append(before + segment)
            before = f"{ids[-1]}."
        return tuple(ids)

    def append(self, segment: str) -> "Lineage":
        """The lineage, not sealed yet, of a token exchanged for this one."""
        return Lineage(self.grant_id, (*self.segments, segment))


@dataclass(frozen=True, slots=True)
class Basis:
    """What a token rests on, as its claims tell."""

    client_id: str
    lineage: Lineage
    obtained: tuple[tuple[str, str], ...]
    """Audience and scope of each ancestor, and last of the token itself: one pair a segment.

    The first pair is left out where it is what the grant says. An ID token's scope is empty.
    """
    authentication: Authentication | None
    """`None` when no user is behind it."""
    permitted: tuple[int, ...] = ()
    """Which of the lineage's segments, counted from 0, rest on the settings of the agent before."""


def parse_jti(jti: JsonValue) -> Lineage | None:
    """The lineage that a verified token's `jti` tells. Whether its seal is right is not looked at.

    `None` if it is of another form, so that the token must not be believed.
    """
    matched = _JTI.fullmatch(jti) if isinstance(jti, str) else None
    if matched is None:
        return None
    parts, seal = matched[1].split("."), matched[2] or ""
    has_grant = len(parts[0]) == _GRANT_LENGTH
    return Lineage(parts[0], tuple(parts[1:]), seal) if has_grant else Lineage(None, tuple(parts), seal)


def basis_of(claims: JsonObject) -> Basis | None:
    """What the token with these verified claims rests on.

    `None` when they do not tell, so that it must not be believed.
    """
    client_id = claims.get("client_id", claims.get("aud"))  # an ID token's aud is its client
    lineage = parse_jti(claims.get("jti"))
    if not isinstance(client_id, str) or lineage is None:
        return None
    obtained, permitted = _obtained(claims), _permitted(claims, lineage)
    authentication = _authentication(claims)
    if obtained is None or permitted is None or (authentication is None) != (lineage.grant_id is None):
        return None
    left_out = len(lineage.segments) - len(obtained)
    if left_out not in ((0, 1) if authentication and len(lineage.segments) > 1 else (0,)):
        return None
    return Basis(client_id, lineage, obtained, authentication, permitted)


def _obtained(claims: JsonObject) -> tuple[tuple[str, str], ...] | None:
    """Audience and scope of the ancestors and of the token; `None` when the claims are of another form."""
    audience, scope, via = claims.get("aud"), claims.get("scope", ""), claims.get(VIA_CLAIM, ())
    if isinstance(audience, list | tuple) and len(audience) == 1:
        audience = audience[0]
    if not isinstance(audience, str) or not isinstance(scope, str) or not isinstance(via, list | tuple):
        return None
    obtained: list[tuple[str, str]] = []
    for pair in via:
        match pair:
            case [str(its_audience), str(its_scope)]:
                obtained.append((its_audience, its_scope))
            case _:
                return None
    return (*obtained, (audience, scope))


def _permitted(claims: JsonObject, lineage: Lineage) -> tuple[int, ...] | None:
    """The places that `PERMITTED_CLAIM` lists; `None` when it is of another form."""
    places = claims.get(PERMITTED_CLAIM, ())
    if not isinstance(places, list | tuple):
        return None
    known = range(1, len(lineage.segments))
    permitted = tuple(each for each in places if isinstance(each, int) and each in known)
    return permitted if len(permitted) == len(places) else None


def _authentication(claims: JsonObject) -> Authentication | None:
    """The sign-on that the claims tell of; `None` for a machine token, or when a member is missing."""
    user_id, session_id = claims.get(USER_CLAIM, claims.get("sub")), claims.get("sid")
    auth_time, acr, amr = claims.get("auth_time"), claims.get("acr"), claims.get("amr", ())
    if (
        isinstance(user_id, str)
        and isinstance(session_id, str)
        and isinstance(auth_time, int)
        and isinstance(acr, str)
        and isinstance(amr, list | tuple)
        and MACHINE_CLAIM not in claims
    ):
        return Authentication(user_id, session_id, auth_time, acr, tuple(map(str, amr)))
    return None
