"""Who may act for whom: the rules that hold whatever a mapping says (RFC 8693 sections 4.1, 4.4).

The administrator's mapping decides what `act` says, these decide whether it may be issued. Each returns the
private reason for a refusal, or `None` when there is nothing against it.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeAlias

from deputize.kernel.strict_json import dumps
from deputize.kernel.uris import normalise_resource
from deputize.kernel.values import JsonObject, JsonValue

if TYPE_CHECKING:  # a gateway only walks act claims, and what tokens rest on costs its start 11 ms
    from deputize.oauth.lineage import Basis

MAX_ACTORS: Final = 16
"""Actors of a chain that anybody reads; other issuers' chains may be longer than those issued here."""
MAX_DEPTH: Final = 5
"""Actors of a chain that is issued here."""
MAX_SIZE: Final = 4096
"""Bytes of the whole `act` claim as JSON."""

_normalise = lru_cache(maxsize=256)(normalise_resource)
"""Of audiences that are configured, or that this authority signed: there are few."""
_CANONICAL: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode

Refusal: TypeAlias = str


def actors_of(act: JsonValue) -> tuple[JsonObject, ...]:
    """The actors in an `act` claim, who acts now first, at most `MAX_ACTORS` of them (RFC 8693 section 4.1).

    Each still has its own `act`. The chain ends at the first `act` that is no object.
    """
    actors: list[JsonObject] = []
    while isinstance(act, Mapping) and len(actors) < MAX_ACTORS:
        actors.append(act)
        act = act.get("act")
    return tuple(actors)


def actor_token_refusal(actor: JsonObject, basis: "Basis", client_id: str) -> Refusal | None:
    """Whether an actor token is the requesting client's own: not another's, not a user's, not exchanged."""
    if basis.client_id != client_id:
        return f"the actor token belongs to the client {basis.client_id!r}, not to {client_id!r}"
    if basis.authentication is not None or len(basis.lineage.segments) != 1 or "act" in actor:
        return "the actor token is not the client's own: a user is behind it, or it was exchanged"
    return None


def default_act(client_id: str, subject: JsonObject) -> JsonObject:
    """The `act` of an exchanged token whose resource maps none: the client, inside it who acted before."""
    before = subject.get("act")
    return {"sub": client_id} if before is None else {"act": before, "sub": client_id}


def act_refusal(
    act: JsonValue, subject: JsonObject | None, actor: str | None, permitted: Collection[str] = ()
) -> Refusal | None:
    """Whether a mapped `act` may be issued: the actor authenticated and permitted, the chain unaltered.

    `actor` is the authenticated actor's client id. `act` is `None` when the token would carry none; `subject`
    is `None` in grants without a subject token. `permitted` are the agents that the subject token's holder
    permits to act.
    """
    subject = subject or {}
    if act is None:
        # Leaving out who acted before would turn a delegated token into an impersonating one.
        dropped = subject.get("act") is not None
        return "the subject token carries act, the issued token would not" if dropped else None
    if not isinstance(act, Mapping) or not isinstance(act.get("sub"), str):
        return "the mapping yields an act that is not an object with a sub"
    if actor is None:
        return "the mapping yields act, but nobody proved to be the actor: there is no actor token"
    if act["sub"] != actor:
        return f"the mapping yields act.sub {act['sub']!r}, the authenticated actor is {actor!r}"
    return _permission_refusal(subject, actor, permitted) or _chain_refusal(act, subject)


def default_act_refusal(
    act: JsonValue, subject: JsonObject, client_id: str, permitted: Collection[str] = ()
) -> Refusal | None:
    """Whether `default_act` may be issued: to the client that holds the subject token, or that may act."""
    refusal = None if client_id in _holders(subject) else _permission_refusal(subject, client_id, permitted)
    return (
        f"the subject token belongs to another client, and {refusal}" if refusal else None
    ) or _chain_refusal(act, subject)


def may_act_refusal(
    may_act: JsonValue, subject: JsonObject | None, client_id: str, permitted: Collection[str] = ()
) -> Refusal | None:
    """Whether `may_act` may be issued: an exchange hands on a permission that the client has.

    If it could make one, an agent could exchange another agent's subject token, without an actor, for one
    that names itself.
    """
    if may_act is None or subject is None:
        return None
    refusal = _permission_refusal(subject, client_id, permitted)
    return f"the issued token would carry may_act, but {refusal}" if refusal else None


def impersonation_refusal(act: JsonValue, subject: JsonObject | None, client_id: str) -> Refusal | None:
    """Whether a token without `act`, which is the subject's own, may be issued.

    Only the client that holds the subject token, or is permitted by it, may ask for one.
    """
    if act is not None or subject is None or client_id in _holders(subject):
        return None
    refusal = _permission_refusal(subject, client_id)
    return f"the subject token belongs to another client, nobody acts, and {refusal}" if refusal else None


def scope_refusal(
    scopes: tuple[str, ...], audience: str, obtained: Iterable[tuple[str, str]]
) -> Refusal | None:
    """An exchange for an audience that the subject token or one it came from had may only narrow its scope.

    `obtained` are audience and scope of each of them.
    """
    for its_audience, scope in obtained:
        if audience == its_audience or _normalise(audience) == _normalise(its_audience):
            wider = set(scopes).difference(scope.split(" "))
            if wider:
                return (
                    f"{sorted(wider)} are not in the scope {scope!r} that was obtained of {audience!r} before"
                )
    return None


def exchanged_expiry(expires_at: int, subject: JsonObject, *, may_outlive_subject: bool) -> int:
    """When an exchanged token expires: with its subject token at the latest, unless it may outlive that."""
    subject_expiry = subject.get("exp")
    if may_outlive_subject or not isinstance(subject_expiry, int | float):
        return expires_at
    return min(expires_at, int(subject_expiry))


def named_actor(subject: JsonObject) -> str | None:
    """The one party that `may_act` names (RFC 8693 section 4.4), or `None`."""
    may_act = subject.get("may_act")
    named = may_act.get("sub") if isinstance(may_act, Mapping) else None
    return named if isinstance(named, str) else None


def _permission_refusal(
    subject: JsonObject, actor: str | None, permitted: Collection[str] = ()
) -> Refusal | None:
    named = named_actor(subject)
    if actor is not None and (named == actor or actor in permitted):
        return None
    if named is None:
        return "the subject token has no may_act.sub, and its holder permits no such actor"
    return f"the subject token's may_act.sub is {named!r}, the authenticated actor is {actor!r}"


def _chain_refusal(act: JsonValue, subject: JsonObject) -> Refusal | None:
    nested = act.get("act") if isinstance(act, Mapping) else None
    before = subject.get("act")
    # As JSON, where true is not 1 and 1 is not 1.0. Without a chain there is nothing to write.
    if not (nested is None and before is None) and _CANONICAL(nested) != _CANONICAL(before):
        return "the act inside act is not the subject token's act: a chain only grows at its head"
    if len(actors_of(act)) > MAX_DEPTH:
        return f"the act chain is deeper than {MAX_DEPTH}"
    return None if len(dumps(act)) <= MAX_SIZE else f"the act claim is larger than {MAX_SIZE} bytes"


def _holders(subject: JsonObject) -> tuple[JsonValue, ...]:
    """Whom the token was issued to: an access token says so in `client_id`, an ID token in `aud`."""
    if "client_id" in subject:
        return (subject["client_id"],)
    audience = subject.get("aud")
    return tuple(audience) if isinstance(audience, list | tuple) else (audience,)
