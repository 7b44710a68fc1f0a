"""Whether what a token rests on is still in force: its agents, its grant with user, session and consents.

A signature and an expiry say that a token was right when it was issued, this says that it still is. A grant
names what it rests on by identity, so nothing is ended by cascade and nothing that ended comes back: an agent
enabled again, a new password or a new consent are others than those the token was issued under.
"""

import math
from collections.abc import Collection
from typing import Final

from deputize.oauth.consents import AgreementMissing, effective_agreements, expiry, is_in_force
from deputize.oauth.lineage import Basis
from deputize.oauth.records.directory import Agent, Environment, Resource
from deputize.oauth.records.store import Grant, TokenState
from deputize.oauth.resources import OPENID_SCOPES, format_scope, resource_of, resource_scopes

MAX_JUDGED: Final = 4
"""Of one state: mostly there are two, of a subject token and of an actor token."""


def token_refusal(environment: Environment, basis: Basis, state: TokenState, now: float) -> str | None:
    """The private reason why a token with this basis is dead, or `None` while it is alive.

    Beside the time it depends on the three other arguments alone, none of which ever changes. So who is alive
    by them is remembered with the state, until a consent lapses.
    """
    for its_environment, its_basis, until in state.judged:
        if its_basis is basis and its_environment is environment and now < until:
            return None
    refusal = _judge(environment, basis, state, now)
    if refusal is None:
        if len(state.judged) >= MAX_JUDGED:
            state.judged.clear()
        state.judged.append((environment, basis, lapses_at(environment, basis, state)))
    return refusal


def _judge(environment: Environment, basis: Basis, state: TokenState, now: float) -> str | None:
    """Judge a token as `token_refusal` does, anew."""
    terms = basis.lineage.terms
    holder = environment.live_terms.get(terms[-1])
    if holder is None or holder.id != basis.client_id:
        return f"the client {basis.client_id!r} is gone or disabled, or was so since the token was issued"
    if state.revoked and not state.revoked.isdisjoint(basis.lineage.ids):
        return "the token, or one it came from, was revoked"
    refusal = _scope_refusal(environment, basis, state.grant) or _permission_refusal(environment, basis)
    who = basis.authentication
    if refusal or who is None:
        return refusal
    grant = state.grant
    if grant is not None and (grant.authentication != who or grant.client_term != terms[0]):
        return "the grant is not the one its claims tell of"
    return grant_refusal(environment, state, now) or _part_refusal(environment, basis, state)


def grant_refusal(environment: Environment, state: TokenState, now: float) -> str | None:
    """The private reason why nothing may come of the grant any more, or `None` while it is in force."""
    grant = state.grant
    if grant is None or grant.environment_id != environment.id:
        return "the grant is gone"
    if grant.ended_at is not None:
        return "the grant was ended: its code was replayed, or its refresh token reused or revoked"
    client = environment.live_terms.get(grant.client_term)
    resource = resource_of(environment, grant.resource_id)
    if client is None or client.id != grant.client_id:
        return (
            f"the client {grant.client_id!r}, which signed the user on, is gone or disabled, or was so since"
        )
    if resource is None or resource.term != grant.resource_term:
        return "the resource that the user signed on for is gone, or was so since"
    return (
        _person_refusal(grant, state)
        or withdrawal_refusal(state, client)
        or _consent_refusal(environment, grant, state, now)
    )


def withdrawal_refusal(state: TokenState, agent: Agent) -> str | None:
    """The private reason why `agent` has no part in the grant any more, or `None`."""
    user, grant = state.user, state.grant
    if user is None or grant is None or user.withdrawals.get(agent.id, 0) <= grant.withdrawn:
        return None
    # A consent says who withdrew it; one from before this sign-on tells of another withdrawal.
    mine = {
        each.withdrawal
        for each in state.consents
        if each.client_id == agent.id and (each.withdrawn_at or 0) >= grant.created_at
    }
    how = mine.pop() if len(mine) == 1 else "was withdrawn"
    return f"what the user had agreed to for {agent.name!r} {how} after this sign-on"


def lapses_at(environment: Environment, basis: Basis, state: TokenState) -> float:
    """When the first consent lapses that a live token rests on, in seconds since the epoch."""
    grant = state.grant if basis.authentication else None
    policy = environment.policies.get(grant.authentication.acr) if grant else None
    if grant is None or policy is None:
        return math.inf
    given = {consent.id: consent for consent in state.consents}
    ends: list[float | None] = []
    for agreement in effective_agreements(policy, environment.agreements):
        consent = given[grant.consents[agreement.id]]
        ends += [consent.expires_at, expiry(agreement, consent.accepted_at)]
    return min((end for end in ends if end is not None), default=math.inf)


def coverage_refusal(
    environment: Environment, state: TokenState, client: Agent, resource: Resource, scopes: Collection[str]
) -> str | None:
    """The private reason why `client` may not obtain these scopes by exchange: the user did not agree to it.

    Each agreement that the grant's policy prompts for has to cover them; without one, what the administrator
    granted is covered. Where an identity assertion stands for the sign-on, that has to name them as well.
    What was withdrawn from the client since the sign-on is never covered again.
    """
    if refusal := withdrawal_refusal(state, client):
        return refusal
    grant = state.grant
    if grant is not None and grant.asserted:
        refusal = _assertion_refusal(grant, client, resource, scopes)
        if refusal:
            return refusal
    policy = environment.policies.get(grant.authentication.acr) if grant else None
    if grant is None or policy is None:
        return None
    given = {consent.id: consent for consent in state.consents}
    for agreement in effective_agreements(policy, environment.agreements):
        consent = given[grant.consents[agreement.id]]
        covered = consent.covers.get(client.id, {}).get(resource.id, ())
        if missing := [name for name in scopes if name not in covered]:
            given_to = (
                f"the consent {consent.id} to {agreement.name!r}, which the user gave {grant.client_id}"
            )
            return f"{given_to}, does not cover that {client.name!r} obtains {missing} of {resource.name!r}"
    return None


def _assertion_refusal(
    grant: Grant, client: Agent, resource: Resource, scopes: Collection[str]
) -> str | None:
    """Why `client` may not obtain these scopes on the strength of the assertion that the grant is of."""
    is_delegated = grant.delegated_resource_id is not None
    named = grant.delegated_resource_id if is_delegated else grant.resource_id
    names = grant.delegated_scopes if is_delegated else grant.scopes
    if client.id == grant.client_id and resource.id == named and set(scopes).issubset(names):
        return None
    return (
        f"the identity assertion that stands for the sign-on does not name that {client.name!r} obtains "
        f"{list(scopes)} of {resource.name!r}"
    )


def lost_scopes(agent: Agent, resource: Resource | None, scope: str) -> tuple[str, ...]:
    """Those of a token's scopes that are no longer its resource's, or no longer granted to `agent`.

    OpenID scopes are always granted.
    """
    names = (name for name in scope.split(" ") if name and name not in OPENID_SCOPES)
    if resource is None:
        return tuple(names)
    offered, granted = resource.scopes, agent.scopes.get(resource.id, frozenset[str]())
    return tuple(name for name in names if name not in offered or name not in granted)


def ancestors_of(
    environment: Environment, subject: Basis, grant: Grant | None
) -> tuple[tuple[str, str], ...]:
    """What a token exchanged for `subject` says in its `VIA_CLAIM`: as little as possible, mostly nothing."""
    if grant is None or len(subject.lineage.segments) > 1:
        return subject.obtained
    (audience, scope), (its_audience, its_scope) = _origin(environment, grant), subject.obtained[0]
    same = audience == its_audience and set(scope.split(" ")) == set(its_scope.split(" "))
    return () if same else subject.obtained


def _origin(environment: Environment, grant: Grant) -> tuple[str, str]:
    """Audience and scope of the token that the grant's code gives; no audience if its resource is gone."""
    resource = resource_of(environment, grant.resource_id)
    scopes = grant.scopes if grant.resource_id is None else resource_scopes(grant.scopes)
    return resource.audience if resource else "", format_scope(scopes)


def obtained_by(environment: Environment, basis: Basis, grant: Grant | None) -> tuple[tuple[str, str], ...]:
    """Audience and scope of each token from the sign-on to the one with this basis."""
    if grant is not None and len(basis.obtained) < len(basis.lineage.segments):
        return (_origin(environment, grant), *basis.obtained)
    return basis.obtained


def _scope_refusal(environment: Environment, basis: Basis, grant: Grant | None) -> str | None:
    """Why one of the agents on the token's way could not obtain its part today."""
    obtained, lineage = obtained_by(environment, basis, grant), basis.lineage
    first = len(lineage.segments) - len(obtained)
    terms, resource_terms = lineage.terms[first:], lineage.resource_terms[first:]
    for place, (term, resource_term, (audience, scope)) in enumerate(
        zip(terms, resource_terms, obtained, strict=True), first
    ):
        agent, resource = environment.live_terms.get(term), environment.resource_of_audience(audience)
        if agent is None:
            return f"{_hop(basis, place)}an agent that it passed through is gone or disabled, or was so since"
        if resource is not None and resource.term != resource_term:
            return (
                f"{_hop(basis, place)}the resource {resource.name!r} is not the one that had the audience "
                f"{audience!r} then"
            )
        if lost := lost_scopes(agent, resource, scope):
            return f"{_hop(basis, place)}{list(lost)} of {audience!r} are no longer granted to {agent.name!r}"
    return None


def _permission_refusal(environment: Environment, basis: Basis) -> str | None:
    """Why an agent on the token's way may no longer act by the settings of the one before it."""
    terms = basis.lineage.terms
    for place in basis.permitted:
        holder, agent = environment.live_terms.get(terms[place - 1]), environment.live_terms.get(terms[place])
        if holder is None or agent is None or agent.id not in holder.settings.permitted_actors:
            names = [each.name if each else "an agent that is gone" for each in (holder, agent)]
            return f"{_hop(basis, place)}{names[0]!r} no longer permits {names[1]!r} to act"
    return None


def _part_refusal(environment: Environment, basis: Basis, state: TokenState) -> str | None:
    """Why an agent on the token's way no longer has a part in what the user signed on for."""
    if state.user is None or not state.user.withdrawals:
        return None
    for place, term in enumerate(basis.lineage.terms):
        agent = environment.live_terms[term]
        if refusal := withdrawal_refusal(state, agent):
            return f"{_hop(basis, place)}{refusal}"
    return None


def _hop(basis: Basis, place: int) -> str:
    """Which token of a chain a refusal is about, counted from the sign-on's; nothing where there is one."""
    count = len(basis.lineage.segments)
    return f"hop {place + 1} of {count}: " if count > 1 else ""


def _person_refusal(grant: Grant, state: TokenState) -> str | None:
    """Why the grant's user or session has ended, or `None`."""
    user, session, who = state.user, state.session, grant.authentication
    if user is None or user.id != who.user_id or not user.enabled:
        return "the user is gone or disabled"
    if user.term != grant.user_term:
        return "the user was disabled, created anew or given another password since"
    if session is None or session.id != who.session_id or session.user_id != user.id:
        return "the session is gone"
    if session.ended_at is not None:
        return "the session was ended"
    return None


def _consent_refusal(environment: Environment, grant: Grant, state: TokenState, now: float) -> str | None:
    """Why the consents that the grant rests on no longer suffice, or `None`."""
    policy = environment.policies.get(grant.authentication.acr)
    if policy is None or policy.term != grant.policy_term:
        return f"the authentication policy {grant.authentication.acr!r} is gone, or was so since"
    try:
        agreements = effective_agreements(policy, environment.agreements)
    except AgreementMissing as error:
        return str(error)
    mine = (each for each in state.consents if each.client_id == grant.client_id)
    given = {
        consent.agreement_id: consent
        for consent in mine
        if grant.consents.get(consent.agreement_id) == consent.id
    }
    # Also to agreements that nobody is asked for any more: who withdraws means it, whatever the policy says
    # by then.
    for agreement_id in grant.consents:
        if agreement_id not in given or given[agreement_id].withdrawn_at is not None:
            return (
                f"the consent to the agreement {agreement_id} that the grant rests on was withdrawn, "
                f"is gone or was replaced"
            )
    for agreement in agreements:
        if agreement.id not in given:
            return f"the grant rests on no consent to {agreement.name!r}"
        if not is_in_force(given[agreement.id], agreement, now):
            return f"the consent to {agreement.name!r} expired, or is due again"
    return None
