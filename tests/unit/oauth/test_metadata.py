from deputize.oauth.assertions import ID_JAG, ID_JAG_PROFILE
from deputize.oauth.client_auth import CLIENT_AUTH_METHODS, federated_jwt
from deputize.oauth.grants import GRANTS, jwt_bearer
from deputize.oauth.metadata import metadata
from deputize.oauth.records.settings import IdentityAssertion, TrustedIssuer, TrustedUsers, Workload
from support.agent_delegation import AGENT, ENVIRONMENT, ISSUER, with_agent
from support.records import replace

DOCUMENT = metadata(ENVIRONMENT)


def test_the_issuer_is_the_configured_text():
    assert DOCUMENT["issuer"] == ISSUER


def test_every_endpoint_extends_the_issuer():
    endpoints = {name: value for name, value in DOCUMENT.items() if name.endswith(("_endpoint", "_uri"))}
    assert endpoints.keys() == {
        "authorization_endpoint",
        "pushed_authorization_request_endpoint",
        "token_endpoint",
        "userinfo_endpoint",
        "jwks_uri",
        "introspection_endpoint",
        "revocation_endpoint",
        "end_session_endpoint",
    }
    assert all(value.startswith(f"{ISSUER}/") for value in endpoints.values())


def test_says_what_mcp_clients_insist_on():
    assert DOCUMENT["code_challenge_methods_supported"] == ["S256"]
    assert DOCUMENT["authorization_response_iss_parameter_supported"] is True
    assert DOCUMENT["response_types_supported"] == ["code"]


def test_lists_the_grants_methods_and_scopes_there_are():
    grants = [grant.grant_type for grant in GRANTS.own if grant is not jwt_bearer.GRANT]
    assert DOCUMENT["grant_types_supported"] == grants
    assert "urn:ietf:params:oauth:grant-type:token-exchange" in DOCUMENT["grant_types_supported"]
    methods = [method.name for method in CLIENT_AUTH_METHODS.own if method is not federated_jwt.METHOD]
    assert DOCUMENT["token_endpoint_auth_methods_supported"] == methods
    assert "client_secret_basic" in methods
    assert DOCUMENT["scopes_supported"] == ["openid", "profile", "email", "offline_access", "agent", "test"]
    assert DOCUMENT["id_token_signing_alg_values_supported"] == ["ES256", "RS256"]


def trusting(**changes):
    """Return the metadata where an issuer is trusted, with these changes of it or of the agent."""
    trust = {name: changes.pop(name) for name in ("users",) if name in changes}
    issuer = TrustedIssuer(issuer="https://idp.example.com", algorithms=["ES256"], **trust)
    environment = with_agent(ENVIRONMENT, replace(AGENT, **changes))
    return metadata(replace(environment, trusted_issuers=(issuer,)))


def test_says_what_trust_allows_where_there_is_any_and_nowhere_else():
    profile, types = (
        "authorization_grant_profiles_supported",
        "identity_chaining_requested_token_types_supported",
    )
    for silent in (DOCUMENT, trusting()):
        assert not {profile, types} & silent.keys()
    taking = trusting(users=TrustedUsers(policy="p", subject="id"))
    assert (taking[profile], types in taking) == ([ID_JAG_PROFILE], False)
    assert jwt_bearer.GRANT_TYPE in taking["grant_types_supported"]
    assert (
        taking["token_endpoint_auth_methods_supported"] == DOCUMENT["token_endpoint_auth_methods_supported"]
    )
    assertion = IdentityAssertion(audience="https://as.example.com", client_id="a", resources={"x": ["y"]})
    giving = trusting(identity_assertions=(assertion,))
    assert (giving[types], profile in giving) == ([ID_JAG], False)
    assert giving["grant_types_supported"] == DOCUMENT["grant_types_supported"]
    federated = trusting(workloads=(Workload(issuer="https://idp.example.com", subject="s"),))
    assert federated_jwt.NAME in federated["token_endpoint_auth_methods_supported"]


def test_has_what_openid_discovery_requires():
    required = {"issuer", "authorization_endpoint", "token_endpoint", "jwks_uri", "response_types_supported"}
    assert required | {"subject_types_supported", "id_token_signing_alg_values_supported"} <= DOCUMENT.keys()
