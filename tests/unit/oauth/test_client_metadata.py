"""What a client says of itself, read strictly."""

import json

import pytest

from deputize.oauth.client_metadata import MAX_BYTES, read_document, read_metadata
from deputize.oauth.errors import InvalidClientMetadata, InvalidRedirectUri

URL = "https://app.example/client.json"
KEY = {"kty": "EC", "crv": "P-256", "x": "x", "y": "y", "kid": "1"}
DOCUMENT = {"client_id": URL, "client_name": "App", "redirect_uris": ["http://localhost/callback"]}


def read(**members):
    return read_document(URL, json.dumps({**DOCUMENT, **members}).encode())


def test_a_document_becomes_typed_members():
    metadata = read(
        jwks={"keys": [KEY]}, token_endpoint_auth_method="private_key_jwt", scope="a b", tos_uri=1
    )
    assert metadata.client_name == "App"
    assert metadata.redirect_uris == ("http://localhost/callback",)
    assert metadata.jwks == {"keys": [KEY]}
    assert metadata.scope == "a b"
    assert metadata.grant_types == ("authorization_code",)


@pytest.mark.parametrize(
    ("members", "method"),
    [
        ({}, "none"),
        ({"token_endpoint_auth_method": "none"}, "none"),
        ({"token_endpoint_auth_method": None}, "none"),
        ({"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": f"{URL}.keys"}, "private_key_jwt"),
        # As ChatGPT's document says it: a preference, and what it could do as well.
        (
            {
                "token_endpoint_auth_method": "private_key_jwt",
                "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
                "jwks_uri": f"{URL}.keys",
            },
            "private_key_jwt",
        ),
        (
            {
                "token_endpoint_auth_method": "tls_client_auth",
                "token_endpoint_auth_methods_supported": ["tls_client_auth", "none"],
            },
            "none",
        ),
    ],
)
def test_a_documents_client_authenticates_without_a_shared_secret(members, method):
    assert read(**members).token_endpoint_auth_method == method


@pytest.mark.parametrize(
    "members",
    [
        {"client_id": f"{URL}/"},
        {"client_id": URL.upper()},
        {"client_id": None},
        {"client_secret": "x"},
        {"client_secret_expires_at": 0},
        {"token_endpoint_auth_method": "client_secret_basic"},
        {"token_endpoint_auth_method": "client_secret_post"},
        {"token_endpoint_auth_method": "client_secret_jwt"},
        {"token_endpoint_auth_method": "private_key_jwt"},
        {"token_endpoint_auth_methods_supported": ["client_secret_basic"]},
        {"jwks": {"keys": [KEY]}, "jwks_uri": f"{URL}.keys"},
        {"jwks": {"keys": [{"kty": "oct", "k": "x"}]}},
        {"jwks": {"keys": [{**KEY, "d": "x"}]}},
        {"jwks": {"keys": []}},
        {"jwks": {"keys": [KEY] * 17}},
        {"jwks": [KEY]},
        {"jwks_uri": "http://app.example/keys"},
        {"jwks_uri": "https://127.1/keys"},
        {"logo_uri": "data:image/png;base64,AAAA"},
        {"backchannel_logout_uri": "https://user@app.example/logout"},
        {"client_uri": "javascript:alert(1)"},
        {"client_name": "two\nlines"},
        {"client_name": ["App"]},
        {"client_name": "x" * 257},
        {"contacts": ["x"] * 17},
        {"dpop_bound_access_tokens": "true"},
        {"application_type": "desktop"},
        {"grant_types": "authorization_code"},
        {"grant_types": ["x"] * 17},
    ],
)
def test_what_a_document_may_not_say_is_refused(members):
    with pytest.raises(InvalidClientMetadata):
        read(**members)


@pytest.mark.parametrize(
    "members",
    [
        {"redirect_uris": []},
        {"redirect_uris": None, "grant_types": ["client_credentials"]},
        {"redirect_uris": "https://app.example/cb"},
        {"redirect_uris": ["http://app.example/cb"]},
        {"redirect_uris": ["https://app.example/*"]},
        {"redirect_uris": ["javascript:alert(1)"]},
        {"redirect_uris": [f"https://app.example/{each}" for each in range(33)]},
        {"redirect_uris": ["http://127.0.0.1/cb"], "application_type": "web"},
        {"redirect_uris": ["https://localhost/cb"], "application_type": "web"},
    ],
)
def test_redirect_uris_are_refused_by_their_own_code(members):
    with pytest.raises(InvalidClientMetadata) as refused:
        read(**members)
    assert isinstance(refused.value, InvalidRedirectUri) or members.get("redirect_uris") == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"not json",
        b"\xff",
        b'{"client_id":"%b","client_id":"%b","redirect_uris":["https://a.example/"]}'
        % (URL.encode(), URL.encode()),
        json.dumps({**DOCUMENT, "client_name": "\ud800"}).encode(),
        json.dumps({**DOCUMENT, "x": "x" * MAX_BYTES}).encode(),
        json.dumps({**DOCUMENT, "x": [[[[[[[[[]]]]]]]]]}).encode(),
    ],
)
def test_only_a_small_strict_json_object_is_a_document(content):
    with pytest.raises(InvalidClientMetadata):
        read_document(URL, content)


def test_a_refusal_names_the_member_and_repeats_no_value():
    with pytest.raises(InvalidClientMetadata, match="client_name") as refused:
        read_metadata({"client_name": "<script>\n", "redirect_uris": ["https://app.example/cb"]})
    assert "script" not in str(refused.value)
    assert "\\" not in refused.value.description
    assert '"' not in refused.value.description
