"""Token exchange: a subject token and an actor token for one that says who acts for whom (RFC 8693)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from deputize.jose import ACCESS_TOKEN_TYPE, ID_TOKEN_TYPE, TokenInvalid
from deputize.kernel.values import JsonObject
from deputize.oauth.access_tokens import issue_access_token
from deputize.oauth.claims import Issue
from deputize.oauth.delegation import actor_token_refusal, exchanged_expiry, scope_refusal
from deputize.oauth.errors import ExchangeRefused, InvalidRequest, InvalidScope
from deputize.oauth.grants.grant_type import GrantType, expires_at, response_of
from deputize.oauth.lineage import MAX_SEGMENTS, Basis, Lineage, basis_of
from deputize.oauth.parameters import required
from deputize.oauth.records.store import TokenState
from deputize.oauth.resources import TOKEN_EXCHANGE, TokenTarget, choose_target
from deputize.oauth.token_request import GrantPorts, TokenRequest, TokenResponse
from deputize.oauth.token_state import ancestors_of, coverage_refusal, read_state, token_refusal

GRANT_TYPE: Final = TOKEN_EXCHANGE
ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"
ID_TOKEN: Final = "urn:ietf:params:oauth:token-type:id_token"
_HEADER_TYPES: Final = {ACCESS_TOKEN: ACCESS_TOKEN_TYPE, ID_TOKEN: ID_TOKEN_TYPE}


@dataclass(frozen=True, slots=True)
class Presented:
    """The verified claims of a token that a client presents, and what it rests on."""

    claims: JsonObject
    basis: Basis


async def handle(request: TokenRequest, ports: GrantPorts) -> TokenResponse:
    """A token for the target resource, about the subject, that says who acts unless the resource allows
    impersonation by name.
    """
    if request.parameters.get("requested_token_type", ACCESS_TOKEN) != ACCESS_TOKEN:
        raise InvalidRequest("Only access tokens can be requested")
    subject = _presented(request, ports, "subject_token", _HEADER_TYPES)
    if len(subject.basis.lineage.segments) == MAX_SEGMENTS:
        raise ExchangeRefused(f"the subject token came from {MAX_SEGMENTS - 1} exchanges already")
    actor = _actor(request, ports)
    target = choose_target(request.environment, request.client, request.parameters, carries_act=True)
    refusal = scope_refusal(target.scopes, target.resource.audience, subject.claims)
    if refusal:
        raise InvalidScope(refusal)
    state = await _read_state(request, ports, subject, actor)
    lineage = subject.basis.lineage.append(ports.new_segment(request.client.term, target.resource.term))
    access = issue_access_token(_issue(request, target, subject, actor, state, lineage))
    # Only now: that somebody may not act at all tells the operator more than that the user did not agree to
    # it.
    refusal = coverage_refusal(request.environment, state, request.client, target.resource, target.scopes)
    if refusal:
        raise InvalidScope(refusal)
    actor_claims = actor.claims if actor else None
    return replace(
        response_of(access),
        issued_token_type=ACCESS_TOKEN,
        subject_claims=subject.claims,
        actor_claims=actor_claims,
    )


def _actor(request: TokenRequest, ports: GrantPorts) -> Presented | None:
    """The actor token; `None` when none is presented.

    A type without a token is a mistake (RFC 8693 section 2.1).
    """
    if "actor_token" not in request.parameters:
        if "actor_token_type" in request.parameters:
            raise InvalidRequest("The parameter actor_token is missing")
        return None
    actor = _presented(request, ports, "actor_token", {ACCESS_TOKEN: ACCESS_TOKEN_TYPE})
    refusal = actor_token_refusal(actor.claims, actor.basis, request.client.id)
    if refusal:
        raise ExchangeRefused(refusal)
    return actor


def _presented(
    request: TokenRequest, ports: GrantPorts, name: str, header_types: Mapping[str, str]
) -> Presented:
    """The token in parameter `name`.

    Of one of these types, this environment's signature and issuer, in time.
    """
    token, kind = required(request.parameters, name), required(request.parameters, f"{name}_type")
    if kind not in header_types:
        raise InvalidRequest(f"The {name}_type is not supported")
    environment = request.environment
    try:
        claims = ports.verifier.verify(
            token, environment.keys, environment.issuer, request.now, header_types[kind]
        )
    except TokenInvalid as invalid:
        raise ExchangeRefused(f"the {name} is invalid: {invalid.reason}") from invalid
    basis = basis_of(claims)
    if basis is None:
        raise ExchangeRefused(f"the {name} does not tell what it rests on")
    return Presented(claims, basis)


async def _read_state(
    request: TokenRequest, ports: GrantPorts, subject: Presented, actor: Presented | None
) -> TokenState:
    """What the subject token rests on, after both tokens were found alive."""
    jtis = actor.basis.lineage.jtis if actor else ()
    state = await read_state(ports.token_states, request.environment, subject.basis, *jtis)
    refusal = token_refusal(request.environment, subject.basis, state, request.now)
    if refusal:
        raise ExchangeRefused(f"the subject_token is dead: {refusal}")
    refusal = token_refusal(request.environment, actor.basis, state, request.now) if actor else None
    if refusal:
        raise ExchangeRefused(f"the actor_token is dead: {refusal}")
    return state


def _issue(
    request: TokenRequest,
    target: TokenTarget,
    subject: Presented,
    actor: Presented | None,
    state: TokenState,
    lineage: Lineage,
) -> Issue:
    resource = target.resource
    expiry = exchanged_expiry(
        expires_at(resource, request.now), subject.claims, may_outlive_subject=resource.may_outlive_subject
    )
    return Issue(
        environment=request.environment,
        client=request.client,
        resource=resource,
        scopes=target.scopes,
        grant_type=GRANT_TYPE,
        now=request.now,
        expires_at=expiry,
        lineage=lineage,
        ancestors=ancestors_of(request.environment, subject.basis, state.grant),
        authentication=subject.basis.authentication,
        user=state.user,
        subject=subject.claims,
        actor=actor.claims if actor else None,
        requested_scope=request.parameters.get("scope"),
    )


GRANT: Final = GrantType(GRANT_TYPE, handle)
