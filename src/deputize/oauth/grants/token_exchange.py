"""Token exchange: a subject token and an actor token for one that says who acts for whom (RFC 8693)."""

from dataclasses import dataclass, replace
from typing import Final

from deputize.jose import ACCESS_TOKEN_TYPE, ID_TOKEN_TYPE, TokenInvalid
from deputize.kernel.values import JsonObject
from deputize.oauth.access_tokens import issue_access_token
from deputize.oauth.claims import Issue
from deputize.oauth.delegation import actor_token_refusal, exchanged_expiry, scope_refusal
from deputize.oauth.errors import InvalidGrant, InvalidRequest, InvalidScope
from deputize.oauth.grants.grant_type import GrantType, expires_at, response_of
from deputize.oauth.lineage import MAX_SEGMENTS, Lineage
from deputize.oauth.parameters import required
from deputize.oauth.records.store import Standing
from deputize.oauth.resources import TOKEN_EXCHANGE, Target, choose_target
from deputize.oauth.standing import Basis, ancestors_of, basis_of, read_standing, standing_refusal
from deputize.oauth.token_request import GrantPorts, TokenRequest, TokenResponse

GRANT_TYPE: Final = TOKEN_EXCHANGE
ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"
ID_TOKEN: Final = "urn:ietf:params:oauth:token-type:id_token"
_HEADER_TYPES: Final = {ACCESS_TOKEN: ACCESS_TOKEN_TYPE, ID_TOKEN: ID_TOKEN_TYPE}


@dataclass(frozen=True, slots=True)
class Presented:
    """The verified claims of the tokens a client presents, and what the subject token rests on."""

    subject: JsonObject
    basis: Basis
    actor: JsonObject | None


async def handle(request: TokenRequest, ports: GrantPorts) -> TokenResponse:
    """A token for the target resource, about the subject; with `act` if the resource's mapping and the rules of delegation say so.

    Without an actor token this is impersonation, which only resources that do not require delegation allow.
    """
    presented = _presented(request, ports)
    target = choose_target(request.environment, request.client, request.parameters, carries_act=True)
    _check_scope(target, presented)
    standing = await _read_standing(request, ports, presented)
    lineage = presented.basis.lineage.append(ports.new_segment(request.client.term))
    access = issue_access_token(_issue(request, target, presented, standing, lineage))
    return replace(response_of(access), issued_token_type=ACCESS_TOKEN, subject_claims=presented.subject)


def _presented(request: TokenRequest, ports: GrantPorts) -> Presented:
    if request.parameters.get("requested_token_type", ACCESS_TOKEN) != ACCESS_TOKEN:
        raise InvalidRequest("Only access tokens can be requested")
    subject = _verified(request, ports, "subject_token")
    actor = _actor(request, ports)
    basis = basis_of(subject)
    if basis is None:
        raise InvalidGrant("the subject token does not tell what it rests on")
    if len(basis.lineage.segments) == MAX_SEGMENTS:
        raise InvalidGrant(f"the subject token came from {MAX_SEGMENTS - 1} exchanges already")
    return Presented(subject, basis, actor)


def _actor(request: TokenRequest, ports: GrantPorts) -> JsonObject | None:
    """The actor token's claims; `None` when nobody acts. A type without a token is a mistake (RFC 8693 section 2.1)."""
    if "actor_token" not in request.parameters:
        if "actor_token_type" in request.parameters:
            raise InvalidRequest("The parameter actor_token is missing")
        return None
    actor = _verified(request, ports, "actor_token")
    refusal = actor_token_refusal(actor, request.client.id)
    if refusal:
        raise InvalidGrant(refusal)
    return actor


def _verified(request: TokenRequest, ports: GrantPorts, name: str) -> JsonObject:
    """The claims of the token in parameter `name`: this environment's signature, issuer and expiry."""
    token, kind = required(request.parameters, name), required(request.parameters, f"{name}_type")
    if kind not in _HEADER_TYPES:
        raise InvalidRequest(f"The {name}_type is not supported")
    environment = request.environment
    try:
        return ports.verifier.verify(token, environment.keys, environment.issuer, request.now, _HEADER_TYPES[kind])
    except TokenInvalid as invalid:
        # RFC 8693 section 2.2.2 says invalid_request here; clients renew their tokens only on invalid_grant, as for other grants.
        raise InvalidGrant(f"the {name} is invalid: {invalid.reason}") from invalid


def _check_scope(target: Target, presented: Presented) -> None:
    refusal = scope_refusal(target.scopes, target.resource.audience, presented.subject)
    if refusal:
        raise InvalidScope(refusal)


async def _read_standing(request: TokenRequest, ports: GrantPorts, presented: Presented) -> Standing:
    """What the subject token rests on, after both tokens were found alive."""
    actor_jti = (presented.actor or {}).get("jti")
    jtis = (actor_jti,) if isinstance(actor_jti, str) else ()
    standing = await read_standing(ports.standings, request.environment, presented.basis, *jtis)
    refusal = standing_refusal(request.environment, presented.basis, standing, request.now)
    if refusal:
        raise InvalidGrant(refusal)
    return standing


def _issue(request: TokenRequest, target: Target, presented: Presented, standing: Standing, lineage: Lineage) -> Issue:
    resource = target.resource
    expiry = exchanged_expiry(expires_at(resource, request.now), presented.subject, may_outlive_subject=resource.may_outlive_subject)
    return Issue(
        environment=request.environment,
        client=request.client,
        resource=resource,
        scopes=target.scopes,
        grant_type=GRANT_TYPE,
        now=request.now,
        expires_at=expiry,
        lineage=lineage,
        ancestors=ancestors_of(request.environment, presented.basis, standing.grant),
        authentication=presented.basis.authentication,
        user=standing.user,
        subject=presented.subject,
        actor=presented.actor,
        requested_scope=request.parameters.get("scope"),
    )


GRANT: Final = GrantType(GRANT_TYPE, handle)
