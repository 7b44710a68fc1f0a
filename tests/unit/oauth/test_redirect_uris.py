import pytest

from deputize.oauth.redirect_uris import MAX_LENGTH, is_registered, registration_refusal

LOCAL = "http://localhost:3000/callback"


@pytest.mark.parametrize(
    ("registered", "requested"),
    [
        (LOCAL, LOCAL),
        (LOCAL, "http://localhost:51234/callback"),
        (LOCAL, "http://localhost/callback"),
        ("http://localhost/callback", "http://localhost:1/callback"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:65535/cb"),
        ("http://[::1]:80/cb?a=b", "http://[::1]:9/cb?a=b"),
        ("http://localhost", "http://localhost:7"),
        ("https://app.example/cb", "https://app.example/cb"),
        ("com.example.app:/cb", "com.example.app:/cb"),
    ],
)
def test_registered(registered, requested):
    assert is_registered(["https://x.example/", registered], requested)


@pytest.mark.parametrize(
    ("registered", "requested"),
    [
        (LOCAL, "http://localhost:3000/callback/"),
        (LOCAL, "http://localhost:3000/Callback"),
        (LOCAL, "http://localhost:3000/callback?x=1"),
        (LOCAL, "http://localhost:3000/callback#x"),
        (LOCAL, "http://127.0.0.1:3000/callback"),
        (LOCAL, "https://localhost:3000/callback"),
        (LOCAL, "http://LOCALHOST:3000/callback"),
        (LOCAL, "http://localhost:0/callback"),
        (LOCAL, "http://localhost:080/callback"),
        (LOCAL, "http://localhost:65536/callback"),
        (LOCAL, "http://localhost:123456/callback"),
        (LOCAL, "http://localhost:/callback"),
        (LOCAL, "http://localhost:3000:80/callback"),
        (LOCAL, "http://localhost.evil.example:3000/callback"),
        (LOCAL, "http://evil.example:3000/callback"),
        (LOCAL, "http://user@localhost:3000/callback"),
        (LOCAL, "http://localhost:3000@evil.example/callback"),
        (LOCAL, "http://localhost:3000\\@evil.example/callback"),
        (LOCAL, "http://localhost:３０００/callback"),
        (LOCAL, "http://localhost:3000/callback\n"),
        (LOCAL, " http://localhost:3000/callback"),
        (LOCAL, "http://localhost:3000/call%62ack"),
        (LOCAL, "http://localhost:3000/x/../callback"),
        ("https://app.example/cb", "https://app.example:8443/cb"),
        ("https://app.example/cb", "https://app.example/cb/../evil"),
        ("https://localhost/cb", "https://localhost:5/cb"),
        ("http://localhost/cb", "http://localhost:5/cb" + "x" * MAX_LENGTH),
    ],
)
def test_not_registered(registered, requested):
    assert not is_registered([registered], requested)


def test_nothing_is_registered_for_nobody():
    assert not is_registered([], LOCAL)


@pytest.mark.parametrize(
    "uri", [LOCAL, "http://127.0.0.1/", "http://[::1]/cb", "https://app.example/cb?x=1", "com.example.app:/cb", "com.example.app://cb"]
)
def test_may_be_registered(uri):
    assert registration_refusal(uri) is None


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("http://app.example/cb", "only a loopback host"),
        ("https://*.example/cb", "wildcards"),
        ("https://app.example/cb#x", "fragment"),
        ("https://u:p@app.example/cb", "user information"),
        ("https:///cb", "names no host"),
        ("javascript:alert(1)", "scheme"),
        ("data:text/html,x", "scheme"),
        ("myapp:/cb", "scheme"),
        ("/cb", "scheme"),
        ("https://app.example:port/cb", "not a URI"),
        ("https://[::1/cb", "not a URI"),
        ("https://app.example\\cb", "plain URI"),
        ("https://app.example/c b", "plain URI"),
        ("https://äpp.example/", "plain URI"),
        ("", "plain URI"),
        ("https://app.example/" + "x" * MAX_LENGTH, "plain URI"),
    ],
)
def test_may_not_be_registered(uri, reason):
    assert reason in registration_refusal(uri)
