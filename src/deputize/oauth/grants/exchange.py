"""Exchanging a token about a user for one that says who acts (RFC 8693): the rules, whichever way leads here.

An agent presents a subject token and an actor token of its own at the token endpoint. Or its user signed on
for a resource that requires delegation: then the authority states the claims that both would have, and
exchanges them at once. No other function yields an exchanged token.
"""

from dataclasses import dataclass

from deputize.jose import TokenInvalid, presented
from deputize.kernel.values import JsonObject
from deputize.oauth.access_tokens import AccessToken, Issue, check_claims, issue_access_token
from deputize.oauth.delegation import actor_token_refusal, exchanged_expiry, scope_refusal
from deputize.oauth.dpop import bound_key
from deputize.oauth.errors import ExchangeRefused, InvalidScope
from deputize.oauth.grants.grant_type import GrantPorts, TokenRequest, expires_at
from deputize.oauth.lineage import MAX_SEGMENTS, Basis, Lineage, basis_of
from deputize.oauth.records.directory import Environment
from deputize.oauth.records.store import TokenState
from deputize.oauth.resources import TOKEN_EXCHANGE, TokenTarget
from deputize.oauth.token_state import ancestors_of, coverage_refusal, obtained_by, token_refusal


@dataclass(slots=True)
class StatedToken:
    """What a token of this environment says, verified or never signed, and what it rests on."""

    claims: JsonObject
    basis: Basis


@dataclass(slots=True)
class TokenExchange:
    """What is exchanged for what."""

    subject: StatedToken
    actor: StatedToken | None
    target: TokenTarget
    requested_scope: str | None
    """As mappings see it."""


def exchange(
    request: TokenRequest, ports: GrantPorts, wanted: TokenExchange, state: TokenState
) -> AccessToken:
    """The exchanged token; `state` is that of both tokens, in one read.

    It says who acts, unless the resource allows impersonation by name. Raises `ExchangeRefused`;
    `InvalidScope` for scopes that the subject token or the user's consent does not allow; `InvalidGrant`
    where a mapping yields too much or too little.
    """
    environment, client, resource = request.environment, request.client, wanted.target.resource
    subject, actor, scopes = wanted.subject, wanted.actor, wanted.target.scopes
    refusal = _tokens_refusal(request, wanted, state)
    if refusal:
        raise ExchangeRefused(refusal)
    refusal = scope_refusal(scopes, resource.audience, obtained_by(environment, subject.basis, state.grant))
    if refusal:
        raise InvalidScope(refusal)
    lineage = ports.extend(subject.basis.lineage, client.term, resource.term)
    issue = Issue(
        environment=environment,
        client=client,
        resource=resource,
        scopes=scopes,
        grant_type=TOKEN_EXCHANGE,
        now=request.now,
        expires_at=exchanged_expiry(
            expires_at(resource, request.now),
            subject.claims,
            # Only the first exchange, by the agent that signed the user on, may prolong: a chain shrinks.
            may_outlive_subject=resource.settings.may_outlive_subject
            and len(lineage.segments) == 2
            and subject.basis.client_id == client.id,
        ),
        lineage=lineage,
        ancestors=ancestors_of(environment, subject.basis, state.grant),
        permitted=subject.basis.permitted,
        authentication=subject.basis.authentication,
        user=state.user,
        subject=subject.claims,
        actor=actor.claims if actor else None,
        requested_scope=wanted.requested_scope,
        bound_to=request.key,
    )
    try:
        access = issue_access_token(issue)
    except ExchangeRefused as refused:
        raise ExchangeRefused(f"{_hop(environment, lineage)}{refused.detail}") from refused
    # Judged last: that somebody may not act at all tells the operator more than that the user did not agree.
    refusal = coverage_refusal(environment, state, client, resource, scopes)
    if refusal:
        raise InvalidScope(f"{_hop(environment, lineage)}{refusal}")
    return access


def state_token(issue: Issue) -> StatedToken:
    """What a token would say that nobody is to hold.

    It is held to every rule that an issued one is held to, and read as a presented one is read. Raises
    `InvalidGrant`, or `ExchangeRefused` where it could be issued and not presented.
    """
    try:
        claims = presented(check_claims(issue).claims)
    except TokenInvalid as invalid:
        raise ExchangeRefused(
            f"a token for {issue.resource.name!r} is invalid: {invalid.reason}"
        ) from invalid
    basis = basis_of(claims)
    if basis is None:
        raise ExchangeRefused(f"the token for {issue.resource.name!r} does not tell what it rests on")
    return StatedToken(claims, basis)


def _tokens_refusal(request: TokenRequest, wanted: TokenExchange, state: TokenState) -> str | None:
    """The private reason why these tokens cannot be exchanged for whatever, or `None`."""
    subject, actor, environment = wanted.subject, wanted.actor, request.environment
    if len(subject.basis.lineage.segments) == MAX_SEGMENTS:
        return f"the subject token came from {MAX_SEGMENTS - 1} exchanges already"
    terms, own = subject.basis.lineage.terms, request.client
    if own.term in terms and terms[-1] != own.term and not own.settings.loops_allowed:
        return (
            f"{_chain(environment, terms)}, and {own.name!r} may not come back into it "
            f"(loops_allowed on the agent)"
        )
    refusal = actor_token_refusal(actor.claims, actor.basis, request.client.id) if actor else None
    refusal = refusal or _key_refusal(request, subject) or (_key_refusal(request, actor) if actor else None)
    if refusal:
        return refusal
    refusal = token_refusal(environment, subject.basis, state, request.now)
    if refusal:
        return f"the subject_token is dead: {refusal}"
    refusal = token_refusal(environment, actor.basis, state, request.now) if actor else None
    return f"the actor_token is dead: {refusal}" if refusal else None


def _key_refusal(request: TokenRequest, token: StatedToken) -> str | None:
    """Why a token is worth nothing without the key it is bound to, or `None`.

    Who got it for itself has the key. Another client got it from its holder, as a resource does; that one
    authenticates, and `may_act` says whether it may act.
    """
    bound_to = bound_key(token.claims)
    if bound_to is None or token.basis.client_id != request.client.id or bound_to == request.key:
        return None
    return "a token of the client's own is bound to a key (cnf.jkt) that the request does not prove"


def _hop(environment: Environment, lineage: Lineage) -> str:
    """Which exchange of a chain a refusal is about; nothing for the first one."""
    count = len(lineage.segments)
    return f"hop {count}: {_chain(environment, lineage.terms)}: " if count > 2 else ""


def _chain(environment: Environment, terms: tuple[str, ...]) -> str:
    """The agents that a token passed through, from the one that signed the user on."""
    agents = (environment.live_terms.get(term) for term in terms)
    return (
        f"the chain is {' -> '.join(repr(agent.name) if agent else 'one that is gone' for agent in agents)}"
    )
