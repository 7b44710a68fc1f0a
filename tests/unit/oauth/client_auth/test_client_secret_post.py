import pytest

from deputize.oauth.client_auth.client_secret_post import find_credentials


def test_reads_id_and_secret():
    found = find_credentials(None, {"client_id": "id", "client_secret": "s"})
    assert (found.client_id, found.secret, found.method) == ("id", "s", "client_secret_post")


@pytest.mark.parametrize("parameters", [{}, {"client_id": "id"}, {"client_secret": "s"}])
def test_needs_both(parameters):
    assert find_credentials("Basic x", parameters) is None
