from base64 import b64encode

import pytest

from deputize.oauth.client_auth.client_secret_basic import MAX_HEADER, find_credentials
from deputize.oauth.errors import InvalidClient


def basic(text, scheme="Basic"):
    return f"{scheme} {b64encode(text.encode()).decode()}"


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
def test_reads_id_and_secret(scheme):
    found = find_credentials(basic("id:se:cret", scheme), {})
    assert (found.client_id, found.secret, found.method) == ("id", "se:cret", "client_secret_basic")


def test_both_are_form_encoded():
    found = find_credentials(basic("https%3A%2F%2Fa:p%25+x"), {})
    assert (found.client_id, found.secret) == ("https://a", "p% x")


@pytest.mark.parametrize("header", [None, "", "Bearer x", "Basi x"])
def test_other_headers_are_none_of_its_business(header):
    assert find_credentials(header, {"client_id": "a", "client_secret": "b"}) is None


@pytest.mark.parametrize(
    "header",
    [
        "Basic",
        "Basic !!!",
        basic("no colon"),
        "Basic /w==",
        basic("a:%ff"),
        "Basic " + "A" * (MAX_HEADER + 4),
    ],
)
def test_malformed_credentials_fail(header):
    with pytest.raises(InvalidClient):
        find_credentials(header, {})


def test_the_secret_is_not_shown():
    assert "secret-x" not in repr(find_credentials(basic("id:secret-x"), {}))
