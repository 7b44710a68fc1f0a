"""The JWT bearer grant: a trusted issuer's identity assertion for an access token (RFC 7523 section 2.1).

draft-ietf-oauth-identity-assertion-authz-grant (ID-JAG), on which MCP's enterprise-managed authorization
rests. The assertion stands for a sign-on that took place elsewhere. What comes of it is what would come of
one here: a grant and a session that can be ended, the same mappings, and the same rules about who acts.
"""

from collections.abc import Collection
from typing import Final

from deputize.jose import TokenInvalid
from deputize.kernel.digests import digest
from deputize.kernel.ids import new_id, new_token
from deputize.kernel.values import JsonObject
from deputize.oauth.assertions import (
    ID_JAG_TYPE,
    MAX_LIFETIME,
    Asserted,
    claims_refusal,
    number_of,
    use_up,
    users_of_subject,
    verify_issued,
)
from deputize.oauth.consents import AgreementMissing, effective_agreements, why_due
from deputize.oauth.dpop import bound_key
from deputize.oauth.errors import InvalidGrant, InvalidScope
from deputize.oauth.grants.grant_type import (
    GrantPorts,
    GrantType,
    TokenRequest,
    TokenResponse,
    check_key,
    check_same_target,
    expires_at,
    response_of,
)
from deputize.oauth.grants.sign_on import issue_for, sign_on_of
from deputize.oauth.parameters import required
from deputize.oauth.records.directory import Policy
from deputize.oauth.records.settings import TrustedUsers
from deputize.oauth.records.store import Authentication, Consent, Grant, Session, TokenState, User
from deputize.oauth.resources import TokenTarget, choose_target, format_scope, parse_scope, resource_scopes

GRANT_TYPE: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_PURPOSE: Final = "id-jag"
_NARROWING: Final = frozenset({"act", "aud_tenant", "authorization_details", "tenant"})
"""Claims that say who else is behind an assertion, of whose users it is, or what exactly is allowed."""
_NOT_AGREED: Final = "The user has not agreed to this yet: they have to sign on here once"


async def handle(request: TokenRequest, ports: GrantPorts) -> TokenResponse:
    """An access token for the assertion's resource, about our user that its subject is; no refresh token."""
    environment = request.environment
    issuers = [each for each in environment.settings.trusted_issuers if each.users]
    presented = required(request.parameters, "assertion")
    try:
        asserted = await verify_issued(presented, {ID_JAG_TYPE}, issuers, environment, ports.documents)
    except TokenInvalid as invalid:
        raise InvalidGrant(f"the assertion is invalid: {invalid.reason}") from invalid
    issuer, claims = asserted
    refusal = claims_refusal(claims, (environment.issuer,), request.now) or _refusal(claims, request)
    if refusal or issuer.users is None:
        raise InvalidGrant(f"the assertion of {issuer.issuer!r} is refused: {refusal}")
    check_key(request, _bound_key(claims), "the assertion")
    target = _choose_target(request, claims)
    user = await _find_user(request, ports, asserted, issuer.users)
    policy = environment.policies.get(issuer.users.policy)
    if policy is None:
        raise InvalidGrant(
            f"{issuer.issuer!r} is trusted by the policy {issuer.users.policy!r}, which is gone"
        )
    all_consents = await ports.consents.consents_of(environment.id, user.id)
    consents = [each for each in all_consents if each.client_id == request.client.id]
    grounds = _find_grounds(request, issuer.users, policy, target, consents)
    instants = (number_of(claims, name, request.now) for name in ("auth_time", "iat"))
    auth_time = max(0, int(min(*instants, request.now)))
    state = _sign_on(request, user, policy, target, grounds, auth_time)
    sign_on = sign_on_of(request, state)
    access = issue_for(request, ports, sign_on, state, GRANT_TYPE)
    # Last, so that a refusal uses up nothing and leaves nothing behind.
    if not await use_up(claims, _PURPOSE, environment, ports.one_time_ids, request.now):
        raise InvalidGrant(f"the assertion of {issuer.issuer!r} was presented before")
    if state.session is not None:
        await ports.grants.add_grant(sign_on.grant, state.session)
    response = response_of(access)
    response.subject_claims = claims
    response.notes = (*response.notes, f"the user was asserted by {issuer.issuer}")
    return response


def _refusal(claims: JsonObject, request: TokenRequest) -> str | None:
    """The private reason why an assertion for here and now is not for this request, or `None`."""
    if claims.get("client_id") != request.client.id:
        return f"client_id is not {request.client.id!r}, which authenticated"
    if number_of(claims, "iat", 0.0) < request.now - MAX_LIFETIME:
        return f"iat is missing, or longer ago than {MAX_LIFETIME:.0f} seconds"
    unread = sorted(_NARROWING & claims.keys())
    if unread:
        return f"it says {', '.join(unread)}, which is not read here, and without which it would mean more"
    if not isinstance(claims.get("resource"), str) or not isinstance(claims.get("scope"), str):
        return "resource or scope is no text: it has to say for which resource, and for which scopes"
    return None


def _bound_key(claims: JsonObject) -> str | None:
    """The key that its issuer bound the assertion to. Raises `InvalidGrant` where that is nothing to prove
    here (RFC 7800 section 3.1).
    """
    try:
        key = bound_key(claims)
    except TokenInvalid as invalid:
        raise InvalidGrant(f"the assertion is invalid: {invalid.reason}") from invalid
    if key is None and claims.get("cnf") is not None:
        raise InvalidGrant("the assertion is bound by cnf to something else than a key that proofs show")
    return key


def _choose_target(request: TokenRequest, claims: JsonObject) -> TokenTarget:
    """The assertion's resource, and the scopes that it names, the request asks for and the agent was granted.

    Raises `InvalidGrant` where the resource is none of ours, `InvalidTarget` where the request names another
    or the agent has none of it, `InvalidScope` where no scope is left.
    """
    named, client = str(claims["resource"]), request.client
    resource = request.environment.resource_of_audience(named)
    if resource is None:
        raise InvalidGrant(f"the assertion is for {named[:256]!r}, which is no resource here")
    check_same_target(request, resource)
    asserted = resource_scopes(parse_scope(str(claims["scope"])))
    asked = parse_scope(request.parameters.get("scope")) or asserted
    granted = client.scopes.get(resource.id, frozenset[str]())
    scopes = [name for name in asserted if name in asked and name in granted and name in resource.scopes]
    if not scopes:
        raise InvalidScope(
            f"nothing is left of {asserted} of {resource.name!r} that {client.name!r} may have"
        )
    parameters = {"resource": resource.audience, "scope": format_scope(scopes)}
    return choose_target(request.environment, client, parameters, user_present=True)


async def _find_user(
    request: TokenRequest, ports: GrantPorts, asserted: Asserted, users: TrustedUsers
) -> User:
    """Our one user that the assertion's subject is. Raises `InvalidGrant`."""
    environment_id, subject = request.environment.id, asserted.claims.get("sub")
    if not isinstance(subject, str) or not 1 <= len(subject) <= 256 or not subject.isprintable():
        raise InvalidGrant(f"the assertion of {asserted.issuer.issuer!r} has no sub that can be a user's")
    found = await users_of_subject(ports.users, environment_id, users.subject, subject)
    if len(found) != 1:
        raise InvalidGrant(f"{len(found)} users have {subject!r} as their {users.subject}, not one")
    return found[0]


def _find_grounds(
    request: TokenRequest,
    users: TrustedUsers,
    policy: Policy,
    target: TokenTarget,
    consents: Collection[Consent],
) -> tuple[Consent, ...]:
    """The consents that let the client have `target`; none where the trust decides in the user's place.

    Raises `InvalidGrant` where the user has not agreed, and nobody may decide that for them.
    """
    try:
        agreements = effective_agreements(policy, request.environment.agreements)
    except AgreementMissing as missing:
        raise InvalidGrant(str(missing)) from missing
    if not agreements and not users.decides_for_users:
        raise InvalidGrant(
            f"the policy {policy.name!r} asks for no consent, and decides_for_users is not set"
        )
    reach = {request.client.id: {target.resource.id: target.scopes}}
    given = {each.agreement_id: each for each in consents}
    for agreement in agreements:
        why = why_due(given.get(agreement.id), agreement, reach, request.now)
        if why:
            raise InvalidGrant(f"the consent to {agreement.name!r} is due: {why}", _NOT_AGREED)
    return tuple(given[agreement.id] for agreement in agreements)


def _sign_on(
    request: TokenRequest,
    user: User,
    policy: Policy,
    target: TokenTarget,
    consents: tuple[Consent, ...],
    auth_time: int,
) -> TokenState:
    """What a sign-on by the assertion rests on, as it is stored once everything is judged.

    Its session is of no browser: its cookie is known to nobody. An administrator can end it like any other.
    """
    environment, client, signed_on_for = request.environment, request.client, target.signed_on_for
    session = Session(
        id=new_id(),
        environment_id=environment.id,
        user_id=user.id,
        cookie_digest=digest(new_token()),
        auth_time=auth_time,
        expires_at=request.now,
        user_term=user.term,
        created_at=request.now,
        last_used_at=request.now,
    )
    grant = Grant(
        id=new_id(),
        environment_id=environment.id,
        client_id=client.id,
        client_term=client.term,
        user_term=user.term,
        policy_term=policy.term,
        resource_term=signed_on_for.resource.term,
        authentication=Authentication(user.id, session.id, auth_time, policy.name),
        resource_id=signed_on_for.resource.id,
        scopes=signed_on_for.requested,
        consents={each.agreement_id: each.id for each in consents},
        created_at=request.now,
        expires_at=float(expires_at(target.resource, request.now)),
        delegated_resource_id=target.resource.id if target.subject else None,
        delegated_scopes=target.scopes if target.subject else (),
        asserted=True,
        withdrawn=user.withdrawn,
    )
    return TokenState(grant, user, session, consents, frozenset())


GRANT: Final = GrantType(GRANT_TYPE, handle)
