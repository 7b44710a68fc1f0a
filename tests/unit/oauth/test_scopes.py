import pytest

from deputize.oauth.errors import InvalidScope
from deputize.oauth.scopes import MAX_SCOPES, format_scope, openid_scopes, parse_scope, resource_scopes


@pytest.mark.parametrize(
    ("scope", "names"),
    [
        (None, ()),
        ("", ()),
        ("a", ("a",)),
        ("b a", ("b", "a")),
        ("a  a b a", ("a", "b")),
        (" ", ()),
        ("banking:read_balance", ("banking:read_balance",)),
    ],
)
def test_parses_a_set_in_order(scope, names):
    assert parse_scope(scope) == names


@pytest.mark.parametrize(
    "scope",
    ['a "b"', "a\tb", "a\\b", "ä", "a\nb", "x" * 129, " ".join(f"s{n}" for n in range(MAX_SCOPES + 1))],
)
def test_refuses_what_is_no_scope(scope):
    with pytest.raises(InvalidScope):
        parse_scope(scope)


def test_openid_scopes_are_told_from_a_resource_s():
    names = parse_scope("test openid email banking offline_access")
    assert openid_scopes(names) == ("openid", "email", "offline_access")
    assert resource_scopes(names) == ("test", "banking")
    assert format_scope(names) == "test openid email banking offline_access"
