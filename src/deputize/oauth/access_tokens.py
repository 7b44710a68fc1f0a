"""Issuing access tokens, and believing them again: every grant ends here, and introspection begins here."""

from dataclasses import dataclass

from deputize.jose import ACCESS_TOKEN_TYPE, TokenInvalid, Verifier, sign
from deputize.kernel.values import JsonObject
from deputize.oauth.claims import Issue, assemble, explain
from deputize.oauth.delegation import act_refusal, default_act_refusal, impersonation_refusal, may_act_refusal
from deputize.oauth.errors import ExchangeRefused, InvalidGrant
from deputize.oauth.lineage import basis_of
from deputize.oauth.ports import TokenStates
from deputize.oauth.records.directory import Environment
from deputize.oauth.records.store import TokenState
from deputize.oauth.token_state import read_state, token_refusal


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A signed access token, its claims, and for the log what a mapping left out and why."""

    token: str
    claims: JsonObject
    lifetime: int
    """Seconds from now."""
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LiveToken:
    """Verified claims whose basis is alive, and the state that was read for them."""

    claims: JsonObject
    state: TokenState


def issue_access_token(issue: Issue) -> AccessToken:
    """The token, if what its claims say about actors may be said.

    Raises `ExchangeRefused`, or `InvalidGrant` in grants without a subject token, with the private reason.

    The one place where access tokens are signed, so that no grant can pass the rules of delegation by.
    """
    assembled = assemble(issue)
    refusal = delegation_refusal(issue, assembled.claims)
    if refusal:
        raise InvalidGrant(refusal) if issue.subject is None else ExchangeRefused(refusal)
    token = sign(assembled.claims, issue.environment.keys, ACCESS_TOKEN_TYPE)
    return AccessToken(token, assembled.claims, issue.expires_at - int(issue.now), assembled.notes)


def delegation_refusal(issue: Issue, claims: JsonObject) -> str | None:
    """The private reason why a token with these claims must not be issued, or `None`."""
    act, resource = claims.get("act"), issue.resource
    if act is None and resource.delegation_required:
        return f"{resource.name!r} requires delegation: {explain(issue, 'act')}"
    if act is None and issue.is_exchange_about_a_user and not resource.impersonation_allowed:
        return f"{resource.name!r} does not allow impersonation: {explain(issue, 'act')}"
    if issue.gets_default_act:
        may_act = may_act_refusal(claims.get("may_act"), issue.subject, issue.client.id)
        return default_act_refusal(act, issue.subject or {}, issue.client.id) or may_act
    actor = issue.client.id if issue.actor is not None else None
    return (
        act_refusal(act, issue.subject, actor)
        or may_act_refusal(claims.get("may_act"), issue.subject, issue.client.id)
        or (
            None
            if issue.resource.impersonation_allowed
            else impersonation_refusal(act, issue.subject, issue.client.id)
        )
    )


async def find_live_token(
    environment: Environment, token: str, token_states: TokenStates, verifier: Verifier, now: float
) -> LiveToken | TokenInvalid:
    """An access token of this environment that is signed, in time, and whose basis is alive.

    Else the reason, for the log.

    What introspection, userinfo and revocation believe. Nothing is read before the signature holds.
    """
    try:
        claims = verifier.verify(token, environment.keys, environment.issuer, now)
    except TokenInvalid as invalid:
        return invalid
    basis = basis_of(claims)
    if basis is None:
        return TokenInvalid("its claims do not tell what it rests on")
    state = await read_state(token_states, environment, basis)
    refusal = token_refusal(environment, basis, state, now)
    return TokenInvalid(refusal) if refusal else LiveToken(claims, state)
