"""Issuing access tokens: every grant ends here.

The claims are what the server says and what the resource's mappings say (reference sections 2, 9). The token
is signed only if what its claims say about actors may be said.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from deputize.expressions import EvaluationError, Missing
from deputize.expressions.mapping import MappingExpression
from deputize.jose import ACCESS_TOKEN_TYPE, sign
from deputize.kernel.strict_json import JsonError, dumps
from deputize.kernel.values import JsonObject, JsonValue
from deputize.oauth.delegation import (
    act_refusal,
    default_act,
    default_act_refusal,
    impersonation_refusal,
    may_act_refusal,
    named_actor,
)
from deputize.oauth.errors import ExchangeRefused, InvalidDPoPProof, InvalidGrant
from deputize.oauth.lineage import MACHINE_CLAIM, PERMITTED_CLAIM, USER_CLAIM, VIA_CLAIM, Lineage
from deputize.oauth.records.directory import Agent, Environment, Resource
from deputize.oauth.records.store import Authentication, User
from deputize.oauth.resources import format_scope

MAX_ATTRIBUTES: Final = 16 * 1024
"""Bytes of all mapped claims together, as JSON."""
CLIENT_AUTH_CLAIM: Final = "token_endpoint_auth_method"
"""How the client authenticated for the token; absent where it is held to no method, so by a secret.

No registered claim says so; name and values are those that clients are registered with (RFC 7591 section 2).
"""
_RESERVED: Final = frozenset(
    [
        "acr",
        "amr",
        "aud",
        "auth_time",
        "client_id",
        "cnf",
        "env",
        "exp",
        "iat",
        "iss",
        "jti",
        "nbf",
        "org",
        "scope",
        "sid",
        CLIENT_AUTH_CLAIM,
    ]
)


@dataclass(slots=True)
class Issue:
    """A token about to be issued: everything its claims are made of.

    Like what else is made for each request it is not frozen, which would take a quarter of a microsecond a
    field.
    """

    environment: Environment
    client: Agent
    resource: Resource
    scopes: tuple[str, ...]
    grant_type: str
    now: float
    expires_at: int
    lineage: Lineage
    authentication: Authentication | None = None
    """`None` when no user is behind the token."""
    user: User | None = None
    subject: JsonObject | None = None
    """Verified claims of the subject token."""
    ancestors: tuple[tuple[str, str], ...] = ()
    """Audience and scope of the subject token and of those it came from, the first one first."""
    permitted: tuple[int, ...] = ()
    """Where in the subject token's lineage agents got it by the settings of the one before."""
    actor: JsonObject | None = None
    """Verified claims of the actor token."""
    requested_scope: str | None = None
    bound_to: str | None = None
    """The thumbprint of the key that whoever uses the token has to prove; `None`: whoever bears it may."""

    @property
    def is_exchange_about_a_user(self) -> bool:
        """Whether the token would speak for a user because another one did: then it says who acts."""
        return self.subject is not None and self.authentication is not None

    @property
    def gets_default_act(self) -> bool:
        """Whether `act` names the client because the resource neither maps `act` nor allows impersonation."""
        return (
            self.is_exchange_about_a_user
            and not self.resource.settings.impersonation_allowed
            and mapping_of(self.resource, "act") is None
        )

    @property
    def is_permitted_by_holder(self) -> bool:
        """Whether the client may act by the settings of the agent that holds the subject token, an access
        token that does not say so itself.
        """
        subject, client_id = self.subject, self.client.id
        if subject is None or named_actor(subject) == client_id:
            return False
        holder_id = subject.get("client_id")
        holder = self.environment.agents.get(holder_id) if isinstance(holder_id, str) else None
        return holder is not None and holder.id != client_id and client_id in holder.settings.permitted_actors


@dataclass(slots=True)
class TokenClaims:
    """The claims of a token, and for the log what a mapping left out and why."""

    claims: JsonObject
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class AccessToken:
    """A signed access token, its claims, and for the log what a mapping left out and why."""

    token: str
    claims: JsonObject
    lifetime: int
    """Seconds from now."""
    notes: tuple[str, ...]


def issue_access_token(issue: Issue) -> AccessToken:
    """The token, if what its claims say about actors may be said.

    Raises as `check_claims` does, and `InvalidDPoPProof` where the client gets no token that anybody may use
    who bears it. The one place where access tokens are signed, so that no grant can pass these rules by.
    """
    if issue.client.settings.dpop_bound_access_tokens and issue.bound_to is None:
        raise InvalidDPoPProof(f"{issue.client.name!r} has to prove a key, and the request holds no proof")
    assembled = check_claims(issue)
    algorithm = issue.resource.settings.access_token_signed_response_alg
    token = sign(assembled.claims, issue.environment.keys, ACCESS_TOKEN_TYPE, algorithm)
    return AccessToken(token, assembled.claims, issue.expires_at - int(issue.now), assembled.notes)


def check_claims(issue: Issue) -> TokenClaims:
    """The claims of the token, if what they say about actors may be said.

    Raises `ExchangeRefused`, or `InvalidGrant` in grants without a subject token, with the private reason.
    """
    assembled = assemble(issue)
    refusal = delegation_refusal(issue, assembled.claims)
    if refusal:
        raise InvalidGrant(refusal) if issue.subject is None else ExchangeRefused(refusal)
    return assembled


def delegation_refusal(issue: Issue, claims: JsonObject) -> str | None:
    """The private reason why a token with these claims must not be issued, or `None`."""
    act, may_act = claims.get("act"), claims.get("may_act")
    resource, subject, client_id = issue.resource, issue.subject, issue.client.id
    permitted = (client_id,) if issue.is_permitted_by_holder and act is not None else ()
    if act is None and resource.delegation_required:
        return f"{resource.name!r} requires delegation: {explain(issue, 'act')}"
    if act is None and issue.is_exchange_about_a_user and not resource.settings.impersonation_allowed:
        return f"{resource.name!r} does not allow impersonation: {explain(issue, 'act')}"
    if subject is not None and issue.gets_default_act:
        refusal = default_act_refusal(act, subject, client_id, permitted)
    else:
        refusal = act_refusal(act, subject, None if issue.actor is None else client_id, permitted)
    refusal = refusal or may_act_refusal(may_act, subject, client_id, permitted)
    if refusal is None and not resource.settings.impersonation_allowed:
        refusal = impersonation_refusal(act, subject, client_id)
    return refusal


def assemble(issue: Issue) -> TokenClaims:
    """The claims of the token.

    Raises `InvalidGrant` when a required one has no value, or when mappings yield too much.
    """
    claims: dict[str, JsonValue] = {
        "aud": [issue.resource.audience],
        "client_id": issue.client.id,
        "env": issue.environment.id,
        "exp": issue.expires_at,
        "iat": int(issue.now),
        "iss": issue.environment.issuer,
        "jti": issue.lineage.jti,
        "org": issue.environment.organization_id,
        "scope": format_scope(issue.scopes),
    }
    if issue.client.settings.client_auth is not None:  # by which alone it can have authenticated
        claims[CLIENT_AUTH_CLAIM] = issue.client.settings.client_auth
    if issue.bound_to is not None:
        claims["cnf"] = {"jkt": issue.bound_to}
    who = issue.authentication
    if who is None:
        claims[MACHINE_CLAIM] = claims["jti"]
    else:
        claims |= sign_on_claims(who, issue.resource)
    mapped, notes = _evaluate_mappings(issue)
    if mapped and _size(mapped) > MAX_ATTRIBUTES:
        raise InvalidGrant(f"the mapped claims are larger than {MAX_ATTRIBUTES} bytes")
    claims.update(mapped)
    if issue.gets_default_act:
        claims["act"] = default_act(issue.client.id, issue.subject or {})
    if issue.is_permitted_by_holder:
        claims[PERMITTED_CLAIM] = [*issue.permitted, len(issue.lineage.segments) - 1]
    elif issue.permitted:
        claims[PERMITTED_CLAIM] = list(issue.permitted)
    if issue.ancestors:
        claims[VIA_CLAIM] = [[audience, scope] for audience, scope in issue.ancestors]
    return TokenClaims(dict(sorted(claims.items())), notes)


def sign_on_claims(who: Authentication, resource: Resource) -> JsonObject:
    """What a token for `resource` says of the user's sign-on."""
    claims: dict[str, JsonValue] = {
        "acr": who.acr,
        "auth_time": who.auth_time,
        "sid": who.session_id,
        "sub": who.user_id,
    }
    if who.amr:
        claims["amr"] = list(who.amr)
    mapping = mapping_of(resource, "sub")
    # Where `sub` is the user's id already, a second claim would say nothing new.
    if mapping is not None and (mapping.is_literal or mapping.source.strip() != "user.id"):
        claims[USER_CLAIM] = who.user_id
    return claims


def is_reserved(name: str) -> bool:
    """Whether the server alone says what this claim is, so that no mapping may."""
    return name in _RESERVED or name.startswith("p1.")


def mapping_of(resource: Resource, name: str) -> MappingExpression | None:
    """The mapping that computes the claim `name`."""
    for attribute in resource.attributes:
        if attribute.name == name:
            return attribute.mapping
    return None


def explain(issue: Issue, name: str) -> str:
    """Why the claim `name` would be absent: the parts of its mapping that were false or missing."""
    mapping = mapping_of(issue.resource, name)
    if mapping is None:
        return f"{issue.resource.name!r} has no mapping for {name}"
    return _explain_mapping(name, mapping, mapping_bindings(issue))


def mapping_bindings(issue: Issue) -> Mapping[str, JsonValue]:
    """What mappings can read (reference section 3, root objects)."""
    request: dict[str, JsonValue] = {"grantType": issue.grant_type}
    if issue.subject is not None:
        request["subjectToken"] = issue.subject
    if issue.actor is not None:
        request["actorToken"] = issue.actor
    if issue.requested_scope is not None:
        request["scope"] = issue.requested_scope
    client_auth = issue.client.settings.client_auth
    return request_bindings(issue.environment, issue.client.id, client_auth, issue.user, request)


def request_bindings(
    environment: Environment, client_id: str, client_auth: str | None, user: User | None, request: JsonObject
) -> Mapping[str, JsonValue]:
    """What mappings can read of a client's request; `request` is `requestData` as they see it."""
    method = (client_auth or "").upper()
    app_config: JsonObject = {
        "clientId": client_id,
        "envId": environment.id,
        "orgId": environment.organization_id,
        # The original names only the methods with a JWT here; with a secret it says null.
        "tokenEndpointAuthMethod": method if method.endswith("_JWT") else None,
    }
    return {"context": {"requestData": request, "appConfig": app_config}, "user": user_binding(user)}


def user_binding(user: User | None) -> JsonObject:
    """A user as mappings see one; without a user every member is missing.

    Own members win over custom attributes.
    """
    if user is None:
        return {}
    binding: dict[str, JsonValue] = dict(user.attributes or {})
    binding["id"], binding["username"] = user.id, user.username
    if user.email is not None:
        binding["email"] = user.email
    name: dict[str, JsonValue] = {}
    if user.given_name:
        name["given"] = user.given_name
    if user.family_name:
        name["family"] = user.family_name
    if name:
        formatted = [part for part in (user.given_name, user.family_name) if part]
        binding["name"] = {**name, "formatted": " ".join(formatted)}
    if user.preferred_language is not None:
        binding["preferredLanguage"] = user.preferred_language
    binding["enabled"], binding["environment"] = user.enabled, {"id": user.environment_id}
    return binding


def _size(mapped: JsonObject) -> int:
    """Bytes of the claims as JSON. Raises `InvalidGrant` where a text of them is none."""
    try:
        return len(dumps(mapped))
    except JsonError as error:
        raise InvalidGrant("a mapped claim holds a text that is not Unicode") from error


def _evaluate_mappings(issue: Issue) -> tuple[dict[str, JsonValue], tuple[str, ...]]:
    """The mapped claims, and what was left out and why. Raises `InvalidGrant` where a required one is
    missing.
    """
    claims: dict[str, JsonValue] = {}
    notes: list[str] = []
    if not issue.resource.attributes:
        return claims, ()
    bindings = mapping_bindings(issue)
    for attribute in issue.resource.attributes:
        name, mapping = attribute.name, attribute.mapping
        if is_reserved(name):
            notes.append(f"the mapping for {name} is ignored: the claim is reserved")
            continue
        try:
            value = mapping.evaluate(bindings)
        except EvaluationError as error:
            notes.append(f"the mapping for {name} failed: {error.reason}")
            value = None
        if value is not None and not isinstance(value, Missing):
            claims[name] = value
        elif attribute.required:
            reason = f"{name} is configured as required for the Access token but does not have a value"
            raise InvalidGrant(f"{reason}: {_explain_mapping(name, mapping, bindings)}", reason)
        elif name == "act":
            notes.append(_explain_mapping(name, mapping, bindings))
    return claims, tuple(notes)


def _explain_mapping(name: str, mapping: MappingExpression, bindings: Mapping[str, JsonValue]) -> str:
    reasons = "; ".join(mapping.explain(bindings)) or "its value is null"
    return f"the mapping for {name} yields nothing: {reasons}"
