"""Assembling the claims of an access token.

What the server says, and what the resource's mappings say (reference sections 2, 9).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from deputize.expressions import EvaluationError, MappingExpression, Missing
from deputize.kernel.values import JsonObject, JsonValue
from deputize.oauth.delegation import default_act
from deputize.oauth.errors import InvalidGrant
from deputize.oauth.lineage import MACHINE_CLAIM, USER_CLAIM, VIA_CLAIM, Lineage
from deputize.oauth.records.directory import Agent, Attribute, Environment, Resource
from deputize.oauth.records.store import Authentication, User
from deputize.oauth.scopes import format_scope

MAX_ATTRIBUTES: Final = 16 * 1024
"""Characters of all mapped claims together, as JSON."""
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
    ]
)


@dataclass(frozen=True, slots=True)
class Issue:
    """A token about to be issued: everything its claims are made of."""

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
    actor: JsonObject | None = None
    """Verified claims of the actor token."""
    requested_scope: str | None = None

    @property
    def is_exchange_about_a_user(self) -> bool:
        """Whether the token would speak for a user because another one did: then it says who acts."""
        return self.subject is not None and self.authentication is not None

    @property
    def gets_default_act(self) -> bool:
        """Whether `act` names the client because the resource neither maps `act` nor allows impersonation."""
        return (
            self.is_exchange_about_a_user
            and not self.resource.impersonation_allowed
            and mapping_of(self.resource, "act") is None
        )


@dataclass(frozen=True, slots=True)
class TokenClaims:
    """The claims, and for the log what a mapping left out and why."""

    claims: JsonObject
    notes: tuple[str, ...] = ()


def is_reserved(name: str) -> bool:
    """Whether the server alone says what this claim is, so that no mapping may."""
    return name in _RESERVED or name.startswith("p1.")


def assemble(issue: Issue) -> TokenClaims:
    """The claims of the token.

    Raises `InvalidGrant` when a required one has no value, or when mappings yield too much.
    """
    bindings = mapping_bindings(issue)
    mapped, notes = _mapped(issue.resource, bindings)
    if len(json.dumps(mapped)) > MAX_ATTRIBUTES:
        raise InvalidGrant(f"the mapped claims are larger than {MAX_ATTRIBUTES} characters")
    claims = {**_server_claims(issue), **_user_claims(issue), **mapped}
    if issue.gets_default_act:
        claims["act"] = default_act(issue.client.id, issue.subject or {})
    if issue.ancestors:
        claims[VIA_CLAIM] = [[audience, scope] for audience, scope in issue.ancestors]
    return TokenClaims(dict(sorted(claims.items())), notes)


def explain(issue: Issue, name: str) -> str:
    """Why the claim `name` would be absent: the parts of its mapping that were false or missing."""
    mapping = mapping_of(issue.resource, name)
    if mapping is None:
        return f"{issue.resource.name!r} has no mapping for {name}"
    return _explanation(name, mapping, mapping_bindings(issue))


def mapping_of(resource: Resource, name: str) -> MappingExpression | None:
    """The mapping that computes the claim `name`."""
    return next((each.mapping for each in resource.attributes if each.name == name), None)


def mapping_bindings(issue: Issue) -> Mapping[str, JsonValue]:
    """What mappings can read (reference section 3, root objects)."""
    request: dict[str, JsonValue] = {"grantType": issue.grant_type}
    optional = (
        ("subjectToken", issue.subject),
        ("actorToken", issue.actor),
        ("scope", issue.requested_scope),
    )
    request.update({name: value for name, value in optional if value is not None})
    return {
        "context": {"requestData": request, "appConfig": _app_config(issue)},
        "user": user_binding(issue.user),
    }


def user_binding(user: User | None) -> JsonObject:
    """A user as mappings see one; without a user every member is missing.

    Own members win over custom attributes.
    """
    if user is None:
        return {}
    own: dict[str, JsonValue] = {
        "id": user.id,
        "username": user.username,
        "email": user.email,
        "name": _name(user),
        "preferredLanguage": user.preferred_language,
        "enabled": user.enabled,
        "environment": {"id": user.environment_id},
    }
    return {**(user.attributes or {}), **{name: value for name, value in own.items() if value is not None}}


def _name(user: User) -> JsonObject | None:
    parts = {"given": user.given_name, "family": user.family_name}
    present: dict[str, JsonValue] = {name: value for name, value in parts.items() if value}
    if not present:
        return None
    return {**present, "formatted": " ".join(str(value) for value in present.values())}


def _app_config(issue: Issue) -> JsonObject:
    method = (issue.client.client_auth or "").upper()
    return {
        "clientId": issue.client.id,
        "envId": issue.environment.id,
        "orgId": issue.environment.organization_id,
        # The original names only the methods with a JWT here; with a secret it says null.
        "tokenEndpointAuthMethod": method if method.endswith("_JWT") else None,
    }


def _mapped(
    resource: Resource, bindings: Mapping[str, JsonValue]
) -> tuple[dict[str, JsonValue], tuple[str, ...]]:
    claims: dict[str, JsonValue] = {}
    notes: list[str] = []
    for attribute in resource.attributes:
        if is_reserved(attribute.name):
            notes.append(f"the mapping for {attribute.name} is ignored: the claim is reserved")
        elif (value := _value(attribute, bindings, notes)) is not None:
            claims[attribute.name] = value
    return claims, tuple(notes)


def _value(attribute: Attribute, bindings: Mapping[str, JsonValue], notes: list[str]) -> JsonValue:
    """The claim's value, or `None` when it is to be left out."""
    try:
        value = attribute.mapping.evaluate(bindings)
    except EvaluationError as error:
        notes.append(f"the mapping for {attribute.name} failed: {error.reason}")
        value = None
    if value is not None and not isinstance(value, Missing):
        return value
    if attribute.required:
        reason = f"{attribute.name} is configured as required for the Access token but does not have a value"
        raise InvalidGrant(f"{reason}: {_explanation(attribute.name, attribute.mapping, bindings)}", reason)
    if attribute.name == "act":
        notes.append(_explanation("act", attribute.mapping, bindings))
    return None


def _explanation(name: str, mapping: MappingExpression, bindings: Mapping[str, JsonValue]) -> str:
    return f"the mapping for {name} yields nothing: " + (
        "; ".join(mapping.explain(bindings)) or "its value is null"
    )


def _server_claims(issue: Issue) -> dict[str, JsonValue]:
    return {
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


def _user_claims(issue: Issue) -> dict[str, JsonValue]:
    who = issue.authentication
    if who is None:
        return {MACHINE_CLAIM: issue.lineage.jti}
    claims: dict[str, JsonValue] = {
        "acr": who.acr,
        "auth_time": who.auth_time,
        "sid": who.session_id,
        "sub": who.user_id,
    }
    return claims if _has_default_sub(issue.resource) else {**claims, USER_CLAIM: who.user_id}


def _has_default_sub(resource: Resource) -> bool:
    """Whether `sub` is the user id already, so that a second claim with it would say nothing new."""
    mapping = mapping_of(resource, "sub")
    return mapping is None or (not mapping.is_literal and mapping.source.strip() == "user.id")
