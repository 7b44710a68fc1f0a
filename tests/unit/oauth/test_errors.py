import pytest

from deputize.oauth import errors
from deputize.oauth.errors import InvalidGrant, InvalidRequest, OAuthError

WIRE_ERRORS = [
    each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, OAuthError)
]


def test_private_detail_and_public_text_are_apart():
    error = InvalidGrant("the code was issued to another client")
    assert error.detail not in error.description
    assert "another client" in str(error)


def test_a_refusal_may_say_more_where_that_is_safe():
    assert InvalidGrant("detail", "safe text").description == "safe text"


def test_malformed_requests_are_told_what_is_wrong():
    assert InvalidRequest("The parameter code is missing").description == "The parameter code is missing"


@pytest.mark.parametrize("kind", WIRE_ERRORS)
def test_every_wire_error_has_code_status_and_public_text(kind):
    assert kind.code.replace("_", "").isalpha()
    assert kind.status in {400, 401, 403, 429, 500, 503}
    assert kind.public.isascii()
    assert '"' not in kind.public
    assert "\\" not in kind.public
