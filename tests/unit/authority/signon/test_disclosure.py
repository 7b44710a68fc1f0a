import pytest

from deputize.authority.signon.disclosure import ReturnsTo, returns_to


@pytest.mark.parametrize(
    ("redirect_uri", "expected"),
    [
        ("http://localhost:3000/callback", ReturnsTo("device", "localhost:3000")),
        ("http://127.0.0.1:51234/callback/x", ReturnsTo("device", "127.0.0.1:51234")),
        ("http://[::1]:3000/", ReturnsTo("device", "[::1]:3000")),
        ("https://agent.example/cb?x=1", ReturnsTo("site", "agent.example")),
        ("com.example.agent:/cb", ReturnsTo("device", "com.example.agent:")),
    ],
)
def test_where_the_user_returns_to(redirect_uri, expected):
    assert returns_to(redirect_uri) == expected
