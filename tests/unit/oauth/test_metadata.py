from deputize.oauth.client_auth import CLIENT_AUTH_METHODS
from deputize.oauth.grants import GRANTS
from deputize.oauth.metadata import metadata
from support.agent_delegation import ENVIRONMENT, ISSUER

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
    assert DOCUMENT["grant_types_supported"] == [grant.grant_type for grant in GRANTS.own]
    assert "urn:ietf:params:oauth:grant-type:token-exchange" in DOCUMENT["grant_types_supported"]
    methods = [method.name for method in CLIENT_AUTH_METHODS.own]
    assert DOCUMENT["token_endpoint_auth_methods_supported"] == methods
    assert "client_secret_basic" in methods
    assert DOCUMENT["scopes_supported"] == ["openid", "profile", "email", "offline_access", "agent", "test"]
    assert DOCUMENT["id_token_signing_alg_values_supported"] == ["ES256", "RS256"]


def test_has_what_openid_discovery_requires():
    required = {"issuer", "authorization_endpoint", "token_endpoint", "jwks_uri", "response_types_supported"}
    assert required | {"subject_types_supported", "id_token_signing_alg_values_supported"} <= DOCUMENT.keys()
