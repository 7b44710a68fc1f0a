"""Who may act for whom: the rules that hold whatever a mapping says (RFC 8693 sections 4.1, 4.4; design.

Delegation).

The administrator's mapping decides what `act` says, these decide whether it may be issued. Each returns the
private reason for a refusal, or `None` when there is nothing against it.
"""

import json
from collections.abc import Mapping
from typing import Final, TypeAlias

from deputize.kernel.uris import is_same_resource
from deputize.kernel.values import JsonObject, JsonValue
from deputize.oauth.lineage import Basis

MAX_ACTORS: Final = 16
"""Actors of a chain that anybody reads; other issuers' chains may be longer than those issued here."""
MAX_DEPTH: Final = 5
"""Actors of a chain that is issued here."""
MAX_SIZE: Final = 4096
"""Characters of the whole `act` claim as JSON."""

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


def actor_token_refusal(actor: JsonObject, basis: Basis, client_id: str) -> Refusal | None:
    """An actor token is a token of the requesting client's own.

    Nobody presents another agent's, a user's or an exchanged one.
    """
    if basis.client_id != client_id:
        return f"the actor token belongs to the client {basis.client_id!r}, not to {client_id!r}"
    if basis.authentication is not None or len(basis.lineage.segments) != 1 or "act" in actor:
        return "the actor token is not the client's own: a user is behind it, or it was exchanged"
    return None


def default_act(client_id: str, subject: JsonObject) -> JsonObject:
    """The `act` of a token exchanged for `subject` where its resource maps none.

    The authenticated client, and who acted before.
    """
    before = subject.get("act")
    return {"sub": client_id} if before is None else {"act": before, "sub": client_id}


def act_refusal(act: JsonValue, subject: JsonObject | None, actor: str | None) -> Refusal | None:
    """Whether a mapped `act` may be issued.

    By the authenticated `actor` (a client id), permitted by the subject token, chain unaltered.

    `act` is `None` when the token would carry none; `subject` is `None` in grants without a subject token.
    """
    if act is None:
        return _dropped_chain(subject)
    return (
        _actor_refusal(act, actor)
        or _permission_refusal(subject or {}, actor)
        or _chain_refusal(act, subject or {})
    )


def default_act_refusal(act: JsonValue, subject: JsonObject, client_id: str) -> Refusal | None:
    """Whether the default `act` may be issued.

    To the client that holds the subject token, or that it names in `may_act`.
    """
    permitted = None if client_id in _holders(subject) else _permission_refusal(subject, client_id)
    return (
        f"the subject token belongs to another client, and {permitted}" if permitted else None
    ) or _chain_refusal(act, subject)


def may_act_refusal(may_act: JsonValue, subject: JsonObject | None, client_id: str) -> Refusal | None:
    """Whether `may_act` may be issued.

    An exchange hands on a permission that the client has, and never makes one.

    Otherwise an agent could exchange another agent's subject token, without an actor, for one that names
    itself.
    """
    if may_act is None or subject is None:
        return None
    refusal = _permission_refusal(subject, client_id)
    return f"the issued token would carry may_act, but {refusal}" if refusal else None


def impersonation_refusal(act: JsonValue, subject: JsonObject | None, client_id: str) -> Refusal | None:
    """Without `act` the issued token is the subject's own.

    Only the client that holds the subject token, or is permitted by it, may ask.
    """
    if act is not None or subject is None or client_id in _holders(subject):
        return None
    refusal = _permission_refusal(subject, client_id)
    return f"the subject token belongs to another client, nobody acts, and {refusal}" if refusal else None


def scope_refusal(scopes: tuple[str, ...], audience: str, subject: JsonObject) -> Refusal | None:
    """An exchange for the audience the subject token already has may only narrow its scope."""
    if not any(
        isinstance(each, str) and is_same_resource(audience, each) for each in _texts(subject.get("aud"))
    ):
        return None
    scope = subject.get("scope")
    wider = set(scopes) - set(scope.split(" ") if isinstance(scope, str) else ())
    return f"{sorted(wider)} are not in the subject token's scope" if wider else None


def exchanged_expiry(expires_at: int, subject: JsonObject, *, may_outlive_subject: bool) -> int:
    """When an exchanged token expires.

    With the subject token at the latest, unless the resource says that it may outlive it.
    """
    subject_expiry = subject.get("exp")
    if may_outlive_subject or not isinstance(subject_expiry, int | float):
        return expires_at
    return min(expires_at, int(subject_expiry))


def _dropped_chain(subject: JsonObject | None) -> Refusal | None:
    """Leaving out who acted before would turn a delegated token into an impersonating one."""
    if subject is None or subject.get("act") is None:
        return None
    return "the subject token carries act, the issued token would not"


def _actor_refusal(act: JsonValue, actor: str | None) -> Refusal | None:
    if not isinstance(act, Mapping) or not isinstance(act.get("sub"), str):
        return "the mapping yields an act that is not an object with a sub"
    if actor is None:
        return "the mapping yields act, but nobody proved to be the actor: there is no actor token"
    return (
        None
        if act["sub"] == actor
        else f"the mapping yields act.sub {act['sub']!r}, the authenticated actor is {actor!r}"
    )


def _permission_refusal(subject: JsonObject, actor: str | None) -> Refusal | None:
    may_act = subject.get("may_act")
    permitted = may_act.get("sub") if isinstance(may_act, Mapping) else None
    if permitted is None:
        return "the subject token has no may_act.sub"
    return (
        None
        if permitted == actor
        else f"the subject token's may_act.sub is {permitted!r}, the authenticated actor is {actor!r}"
    )


def _chain_refusal(act: JsonValue, subject: JsonObject) -> Refusal | None:
    nested = act.get("act") if isinstance(act, Mapping) else None
    if _canonical(nested) != _canonical(subject.get("act")):
        return "the act inside act is not the subject token's act: a chain only grows at its head"
    if len(actors_of(act)) > MAX_DEPTH:
        return f"the act chain is deeper than {MAX_DEPTH}"
    return None if len(_canonical(act)) <= MAX_SIZE else f"the act claim is larger than {MAX_SIZE} characters"


def _holders(subject: JsonObject) -> tuple[JsonValue, ...]:
    """Whom the token was issued to: an access token says so in `client_id`, an ID token in `aud`."""
    return (subject["client_id"],) if "client_id" in subject else _texts(subject.get("aud"))


def _canonical(value: JsonValue) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _texts(value: JsonValue) -> tuple[JsonValue, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)
