"""URLs that a client names: one spelling each."""

import pytest

from deputize.kernel.uris import UriError
from deputize.oauth.document_urls import parse_document_url


@pytest.mark.parametrize(
    "url",
    [
        "https://app.example/client.json",
        "https://app.example/",
        "https://app.example:8443/a/b?c=d",
        "https://xn--bcher-kva.example/client",
        "https://192.0.2.1/client.json",
        "https://[2001:db8::1]/client.json",
        "https://localhost/client.json",
    ],
)
def test_a_plain_https_url_is_read_as_it_stands(url):
    parts = parse_document_url(url)
    assert f"{parts.origin}{parts.target}" == url


@pytest.mark.parametrize(
    "url",
    [
        "http://app.example/client.json",
        "HTTPS://app.example/client.json",
        "https:/app.example/client.json",
        "https:app.example/client.json",
        "https:///client.json",
        "https://app.example",
        "https://app.example?x=/y",
        "https://App.example/client.json",
        "https://app.example./client.json",
        "https://.app.example/client.json",
        "https://app..example/client.json",
        "https://-app.example/client.json",
        "https://a_b.example/client.json",
        "https://bücher.example/client.json",
        "https://user@app.example/client.json",
        "https://user:secret@app.example/client.json",
        "https://app.example/client.json#fragment",
        "https://app.example/client.json#",
        "https://app.example/a/../client.json",
        "https://app.example/./client.json",
        "https://app.example/a/%2e%2e/client.json",
        "https://app.example/a//b",
        "https://app.example/a%2fb",
        "https://app.example/a\\b",
        "https://app.example\\@evil.example/x",
        "https://app.example/%",
        "https://app.example/ x",
        "https://app.example/x\n",
        "https://app.example:443/client.json",
        "https://app.example:0443/client.json",
        "https://app.example:0/client.json",
        "https://app.example:65536/client.json",
        "https://app.example:/client.json",
        "https://127.1/x",
        "https://0177.0.0.1/x",
        "https://0x7f.0.0.1/x",
        "https://0x7f000001/x",
        "https://2130706433/x",
        "https://017700000001/x",
        "https://127.0.0.1./x",
        "https://127.0.0.01/x",
        "https://[::0001]/x",
        "https://[0:0:0:0:0:0:0:1]/x",
        "https://[::ffff:127.0.0.1]/x",
        "https://[::ffff:7f00:1]/x",
        "https://[fe80::1%25eth0]/x",
        "https://[::1/x",
        "https://①②⑦.0.0.1/x",
        "https://app.example/" + "x" * 1024,
        "file:///etc/passwd",
        "",
    ],
)
def test_what_programs_read_differently_is_refused_without_an_echo(url):
    with pytest.raises(UriError) as refused:
        parse_document_url(url)
    assert not url or url not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "is_address"),
    [("https://1.2.3.4/x", True), ("https://[::1]/x", True), ("https://a1.example/x", False)],
)
def test_an_address_is_told_from_a_name(url, is_address):
    assert parse_document_url(url).is_address is is_address
