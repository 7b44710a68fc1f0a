"""The authority's metadata, for OpenID Connect Discovery and RFC 8414 alike: they differ only in the path."""

from typing import Final

from deputize.kernel.values import JsonObject, JsonValue
from deputize.oauth.assertions import ID_JAG, ID_JAG_PROFILE
from deputize.oauth.authorization_request import PROMPTS
from deputize.oauth.client_auth import CLIENT_AUTH_METHODS, federated_jwt, private_key_jwt
from deputize.oauth.client_auth.authentication import PUBLIC
from deputize.oauth.dpop import PROOF_ALGORITHMS
from deputize.oauth.grants import GRANTS, jwt_bearer
from deputize.oauth.grants.authorization_code import CHALLENGE_METHOD
from deputize.oauth.records.directory import Environment
from deputize.oauth.resources import OPENID_SCOPES

_CLAIMS: Final = (
    *("acr", "amr", "aud", "auth_time", "env", "exp", "iat", "iss", "nonce", "org", "sid", "sub"),
    *("email", "family_name", "given_name", "locale", "name", "preferred_username"),
)
"""Claims of ID tokens, the user's own last."""


def metadata(environment: Environment) -> JsonObject:
    """What clients need to know.

    Every URL is the configured issuer, extended; the issuer itself is an opaque text. The names of scopes are
    no secret: agents are granted them one by one.
    """
    issuer = environment.issuer
    takes_assertions = any(each.users for each in environment.settings.trusted_issuers)
    takes_workloads = any(agent.settings.workloads for agent in environment.agents.values())
    methods = [
        method.name
        for method in CLIENT_AUTH_METHODS.members
        if takes_workloads or method is not federated_jwt.METHOD
    ]
    proving = [name for name in methods if name != PUBLIC]
    algorithms = list(private_key_jwt.ALGORITHMS)
    scopes = sorted({name for resource in environment.resources.values() for name in resource.scopes})
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "pushed_authorization_request_endpoint": f"{issuer}/par",
        "token_endpoint": f"{issuer}/token",
        "userinfo_endpoint": f"{issuer}/userinfo",
        "jwks_uri": f"{issuer}/jwks",
        "introspection_endpoint": f"{issuer}/introspect",
        "revocation_endpoint": f"{issuer}/revoke",
        "end_session_endpoint": f"{issuer}/signoff",
        "acr_values_supported": sorted(environment.policies),
        "authorization_response_iss_parameter_supported": True,
        "backchannel_logout_session_supported": True,
        "backchannel_logout_supported": True,
        "claims_parameter_supported": False,
        "claims_supported": list(_CLAIMS),
        "code_challenge_methods_supported": [CHALLENGE_METHOD],
        "dpop_signing_alg_values_supported": list(PROOF_ALGORITHMS),
        "grant_types_supported": [
            grant.grant_type for grant in GRANTS.members if takes_assertions or grant is not jwt_bearer.GRANT
        ],
        "id_token_signing_alg_values_supported": list(environment.keys.algorithms),
        "introspection_endpoint_auth_methods_supported": proving,
        "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
        "prompt_values_supported": list(PROMPTS),
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "require_pushed_authorization_requests": False,  # it is required of single agents
        "response_modes_supported": ["query"],
        "response_types_supported": ["code"],
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
        "scopes_supported": [*OPENID_SCOPES, *scopes],
        "subject_types_supported": ["public"],
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        **_what_is_set_up(environment, takes_assertions=takes_assertions),
    }


def _what_is_set_up(environment: Environment, *, takes_assertions: bool) -> JsonObject:
    """The members that are there only where an administrator has set up what they tell of."""
    registration = environment.registration
    members: dict[str, JsonValue] = {}
    if takes_assertions:
        members["authorization_grant_profiles_supported"] = [ID_JAG_PROFILE]
    if any(agent.settings.identity_assertions for agent in environment.agents.values()):
        members["identity_chaining_requested_token_types_supported"] = [ID_JAG]
    if registration is not None and registration.settings.hosts:
        members["client_id_metadata_document_supported"] = True
    if registration is not None and registration.settings.dynamic:
        members["registration_endpoint"] = f"{environment.issuer}/register"
    return members
