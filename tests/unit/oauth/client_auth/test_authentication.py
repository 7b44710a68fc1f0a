from base64 import b64encode

import pytest

from deputize.kernel.digests import digest
from deputize.oauth.client_auth import read_credentials
from deputize.oauth.client_auth.authentication import (
    Credentials,
    authenticate_agent,
    authenticate_caller,
)
from deputize.oauth.errors import InvalidClient, InvalidRequest
from support.agent_delegation import (
    AGENT,
    AGENT_ID,
    AGENT_SECRET,
    ENVIRONMENT,
    TEST,
    TEST_ID,
    TEST_SECRET,
    with_agent,
)
from support.records import replace

HEADER = f"Basic {b64encode(b'a:x').decode()}"


def presented(client_id, secret):
    return Credentials(client_id, secret, "client_secret_post")


def read(authorization=None, **parameters):
    return read_credentials(authorization, parameters)


def test_either_way_is_fine():
    assert read(HEADER).method == "client_secret_basic"
    assert read(client_id="a", client_secret="x").method == "client_secret_post"
    assert read(HEADER, client_id="a").client_id == "a"


def test_both_ways_at_once_are_not():
    with pytest.raises(InvalidRequest, match="more than one way"):
        read(HEADER, client_id="a", client_secret="x")


def test_a_client_id_beside_the_header_must_agree():
    with pytest.raises(InvalidRequest):
        read(HEADER, client_id="b")


@pytest.mark.parametrize("parameters", [{}, {"client_id": "a"}])
def test_nothing_presented(parameters):
    with pytest.raises(InvalidClient, match="no client credentials"):
        read(None, **parameters)


def test_an_agent_proves_who_it_is():
    assert authenticate_agent(ENVIRONMENT, presented(AGENT_ID, AGENT_SECRET)) is AGENT


def test_every_valid_secret_works_while_one_is_being_rotated():
    rotated = replace(AGENT, secret_digests=(digest("new"), digest("old")))
    environment = with_agent(ENVIRONMENT, rotated)
    for secret in ("new", "old"):
        assert authenticate_agent(environment, presented(AGENT_ID, secret)) is rotated
    with pytest.raises(InvalidClient):
        authenticate_agent(environment, presented(AGENT_ID, AGENT_SECRET))


@pytest.mark.parametrize(
    "secret", ["", "x", AGENT_SECRET + "x", AGENT_SECRET[:-1], digest(AGENT_SECRET), TEST_SECRET]
)
def test_a_wrong_secret_fails_in_the_same_words_as_an_unknown_client(secret):
    texts = []
    for client_id in (AGENT_ID, "unknown", ""):
        with pytest.raises(InvalidClient) as caught:
            authenticate_agent(ENVIRONMENT, presented(client_id, secret))
        assert secret == "" or secret not in caught.value.detail
        texts.append((caught.value.description, caught.value.status, caught.value.code))
    assert set(texts) == {("Client authentication failed", 401, "invalid_client")}


def test_a_client_without_any_secret_cannot_authenticate():
    with pytest.raises(InvalidClient):
        authenticate_agent(
            with_agent(ENVIRONMENT, replace(AGENT, secret_digests=())), presented(AGENT_ID, "")
        )


def test_a_disabled_agent_fails_even_with_its_secret():
    with pytest.raises(InvalidClient, match="disabled"):
        authenticate_agent(
            with_agent(ENVIRONMENT, replace(AGENT, enabled=False)), presented(AGENT_ID, AGENT_SECRET)
        )


def test_a_resource_is_a_caller_but_never_a_client():
    assert authenticate_caller(ENVIRONMENT, presented(TEST_ID, TEST_SECRET)) is TEST
    assert authenticate_caller(ENVIRONMENT, presented(AGENT_ID, AGENT_SECRET)) is AGENT
    with pytest.raises(InvalidClient):
        authenticate_agent(ENVIRONMENT, presented(TEST_ID, TEST_SECRET))
    with pytest.raises(InvalidClient):
        authenticate_caller(ENVIRONMENT, presented(TEST_ID, AGENT_SECRET))


@pytest.mark.parametrize("registered", ["client_secret_basic", "client_secret_post"])
@pytest.mark.parametrize("used", ["client_secret_basic", "client_secret_post"])
def test_the_method_an_agent_is_registered_for_binds(registered, used):
    environment = with_agent(ENVIRONMENT, replace(AGENT, client_auth=registered))
    credentials = Credentials(AGENT_ID, AGENT_SECRET, used)
    for authenticate in (authenticate_agent, authenticate_caller):
        if registered == used:
            assert authenticate(environment, credentials).id == AGENT_ID
            continue
        with pytest.raises(InvalidClient, match=f"has to authenticate by {registered}") as caught:
            authenticate(environment, credentials)
        assert caught.value.description == "Client authentication failed"
    assert authenticate_agent(ENVIRONMENT, credentials) is AGENT  # registered for none: either is taken
