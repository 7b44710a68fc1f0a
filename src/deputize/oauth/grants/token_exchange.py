"""Token exchange: a subject token and an actor token for one that says who acts for whom (RFC 8693)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from deputize.jose import ACCESS_TOKEN_TYPE, ID_TOKEN_TYPE, TokenInvalid
from deputize.kernel.values import JsonObject
from deputize.oauth.access_tokens import Issue, issue_access_token
from deputize.oauth.delegation import actor_token_refusal, exchanged_expiry, scope_refusal
from deputize.oauth.errors import ExchangeRefused, InvalidRequest, InvalidScope
from deputize.oauth.grants.grant_type import GrantPorts, GrantType, TokenRequest, TokenResponse, expires_at
from deputize.oauth.lineage import MAX_SEGMENTS, Basis, basis_of
from deputize.oauth.parameters import required
from deputize.oauth.records.store import TokenState
from deputize.oauth.resources import TOKEN_EXCHANGE, choose_target
from deputize.oauth.token_state import ancestors_of, coverage_refusal, token_refusal

GRANT_TYPE: Final = TOKEN_EXCHANGE
ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"
ID_TOKEN: Final = "urn:ietf:params:oauth:token-type:id_token"
_SUBJECT_TYPES: Final = {ACCESS_TOKEN: ACCESS_TOKEN_TYPE, ID_TOKEN: ID_TOKEN_TYPE}
"""Token type identifier to the header `typ` of such tokens."""
_ACTOR_TYPES: Final = {ACCESS_TOKEN: ACCESS_TOKEN_TYPE}


@dataclass(slots=True)
class PresentedToken:
    """The verified claims of a token that a client presents, and what it rests on."""

    claims: JsonObject
    basis: Basis


async def handle(request: TokenRequest, ports: GrantPorts) -> TokenResponse:
    """A token for the target resource about the subject.

    It says who acts, unless the resource allows impersonation by name.
    """
    if request.parameters.get("requested_token_type", ACCESS_TOKEN) != ACCESS_TOKEN:
        raise InvalidRequest("Only access tokens can be requested")
    subject = _verify(request, ports, "subject_token", _SUBJECT_TYPES)
    if len(subject.basis.lineage.segments) == MAX_SEGMENTS:
        raise ExchangeRefused(f"the subject token came from {MAX_SEGMENTS - 1} exchanges already")
    actor = _verify_actor(request, ports)
    environment, client = request.environment, request.client
    target = choose_target(environment, client, request.parameters, carries_act=True)
    resource = target.resource
    refusal = scope_refusal(target.scopes, resource.audience, subject.claims)
    if refusal:
        raise InvalidScope(refusal)
    state = await _read_state(request, ports, subject, actor)
    issue = Issue(
        environment=environment,
        client=client,
        resource=resource,
        scopes=target.scopes,
        grant_type=GRANT_TYPE,
        now=request.now,
        expires_at=exchanged_expiry(
            expires_at(resource, request.now),
            subject.claims,
            may_outlive_subject=resource.settings.may_outlive_subject,
        ),
        lineage=subject.basis.lineage.append(ports.new_segment(client.term, resource.term)),
        ancestors=ancestors_of(environment, subject.basis, state.grant),
        authentication=subject.basis.authentication,
        user=state.user,
        subject=subject.claims,
        actor=actor.claims if actor else None,
        requested_scope=request.parameters.get("scope"),
    )
    access = issue_access_token(issue)
    # Judged last: that somebody may not act at all tells the operator more than that the user did not agree.
    refusal = coverage_refusal(environment, state, client, resource, target.scopes)
    if refusal:
        raise InvalidScope(refusal)
    return TokenResponse(
        access_token=access.token,
        expires_in=access.lifetime,
        scope=str(access.claims["scope"]),
        claims=access.claims,
        issued_token_type=ACCESS_TOKEN,
        subject_claims=issue.subject,
        actor_claims=issue.actor,
        notes=access.notes,
    )


def _verify_actor(request: TokenRequest, ports: GrantPorts) -> PresentedToken | None:
    """The actor token, which has to be the client's own; `None` when none is presented.

    A type without a token is a mistake (RFC 8693 section 2.1).
    """
    if "actor_token" not in request.parameters:
        if "actor_token_type" in request.parameters:
            raise InvalidRequest("The parameter actor_token is missing")
        return None
    actor = _verify(request, ports, "actor_token", _ACTOR_TYPES)
    refusal = actor_token_refusal(actor.claims, actor.basis, request.client.id)
    if refusal:
        raise ExchangeRefused(refusal)
    return actor


def _verify(
    request: TokenRequest, ports: GrantPorts, name: str, header_types: Mapping[str, str]
) -> PresentedToken:
    """The token in parameter `name`: of one of these types, signed by this environment, in time."""
    token, kind = required(request.parameters, name), required(request.parameters, f"{name}_type")
    if kind not in header_types:
        raise InvalidRequest(f"The {name}_type is not supported")
    environment = request.environment
    try:
        claims, basis = ports.verifier.verify_and_read(
            basis_of, token, environment.keys, environment.issuer, request.now, header_types[kind]
        )
    except TokenInvalid as invalid:
        raise ExchangeRefused(f"the {name} is invalid: {invalid.reason}") from invalid
    if basis is None:
        raise ExchangeRefused(f"the {name} does not tell what it rests on")
    return PresentedToken(claims, basis)


async def _read_state(
    request: TokenRequest, ports: GrantPorts, subject: PresentedToken, actor: PresentedToken | None
) -> TokenState:
    """The state of both tokens, in one read. Raises `ExchangeRefused` if either is no longer in force."""
    lineage = subject.basis.lineage
    jtis = (*lineage.jtis, *actor.basis.lineage.jtis) if actor else lineage.jtis
    state = await ports.token_states.read_token_state(request.environment.id, lineage.grant_id, jtis)
    refusal = token_refusal(request.environment, subject.basis, state, request.now)
    if refusal:
        raise ExchangeRefused(f"the subject_token is dead: {refusal}")
    refusal = token_refusal(request.environment, actor.basis, state, request.now) if actor else None
    if refusal:
        raise ExchangeRefused(f"the actor_token is dead: {refusal}")
    return state


GRANT: Final = GrantType(GRANT_TYPE, handle)
