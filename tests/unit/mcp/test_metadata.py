import json

import pytest

from deputize.kernel.uris import UriError
from deputize.mcp.metadata import ProtectedResource, well_known_path, well_known_url


@pytest.mark.parametrize(
    ("resource", "path"),
    [
        ("https://ig.example.com:8443/mcp", "/.well-known/oauth-protected-resource/mcp"),
        ("https://ig.example.com/a/b", "/.well-known/oauth-protected-resource/a/b"),
        ("https://ig.example.com", "/.well-known/oauth-protected-resource"),
        ("https://ig.example.com/", "/.well-known/oauth-protected-resource"),
    ],
)
def test_the_well_known_path_is_inserted(resource, path):
    assert well_known_path(resource) == path
    assert well_known_url(resource).endswith(path)


def test_the_url_stands_on_the_resources_origin():
    assert (
        well_known_url("https://IG.example.com:8443/mcp")
        == "https://ig.example.com:8443/.well-known/oauth-protected-resource/mcp"
    )
    with pytest.raises(UriError):
        well_known_url("/mcp")


def test_the_document():
    document = ProtectedResource(
        "https://a.example/mcp", ("https://as.example/as",), ("test",), "Weather"
    ).document()
    assert json.loads(document) == {
        "resource": "https://a.example/mcp",
        "authorization_servers": ["https://as.example/as"],
        "scopes_supported": ["test"],
        "bearer_methods_supported": ["header"],
        "resource_name": "Weather",
    }


def test_what_is_not_configured_is_left_out():
    assert json.loads(
        ProtectedResource("https://a.example/mcp", ("https://as.example/as",)).document()
    ).keys() == {
        "resource",
        "authorization_servers",
        "bearer_methods_supported",
    }
