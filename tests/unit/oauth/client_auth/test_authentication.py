from base64 import b64encode

import pytest

from deputize.kernel.digests import digest
from deputize.oauth import client_auth
from deputize.oauth.client_auth import CLIENT_AUTH_METHODS
from deputize.oauth.client_auth.authentication import ClientAuthMethod, Credentials
from deputize.oauth.errors import InvalidClient, InvalidRequest
from support.agent_delegation import (
    AGENT,
    AGENT_ID,
    AGENT_SECRET,
    ENVIRONMENT,
    NOW,
    TEST,
    TEST_ID,
    TEST_SECRET,
    with_agent,
)
from support.client_proofs import auth_ports
from support.records import replace

HEADER = f"Basic {b64encode(b'a:x').decode()}"


def presented(client_id, secret, method="client_secret_post"):
    """The header and the form that present the two by the method."""
    if method == "client_secret_basic":
        return f"Basic {b64encode(f'{client_id}:{secret}'.encode()).decode()}", {}
    return None, {"client_id": client_id, "client_secret": secret}


def read(authorization=None, **parameters):
    return client_auth.read_credentials(authorization, parameters)[1]


async def authenticate_agent(environment, request):
    """Who is authenticated by a header and a form."""
    return (await client_auth.authenticate_agent(environment, *request, auth_ports(), NOW)).client


async def authenticate_caller(environment, request):
    """Who is authenticated as one that may introspect."""
    return (await client_auth.authenticate_caller(environment, *request, auth_ports(), NOW)).client


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


@pytest.mark.parametrize("parameters", [{}, {"client_secret": "a"}])
def test_nothing_presented(parameters):
    with pytest.raises(InvalidClient, match="no client credentials"):
        read(None, **parameters)


async def test_an_id_alone_is_not_enough_for_an_agent_with_a_secret():
    for registered in (None, "client_secret_basic", "client_secret_post"):
        environment = with_agent(ENVIRONMENT, replace(AGENT, client_auth=registered))
        with pytest.raises(InvalidClient, match="has to authenticate by"):
            await authenticate_agent(environment, (None, {"client_id": AGENT_ID}))


async def test_an_agent_proves_who_it_is():
    assert await authenticate_agent(ENVIRONMENT, presented(AGENT_ID, AGENT_SECRET)) is AGENT


async def test_every_valid_secret_works_while_one_is_being_rotated():
    rotated = replace(AGENT, secret_digests=(digest("new"), digest("old")))
    environment = with_agent(ENVIRONMENT, rotated)
    for secret in ("new", "old"):
        assert await authenticate_agent(environment, presented(AGENT_ID, secret)) is rotated
    with pytest.raises(InvalidClient):
        await authenticate_agent(environment, presented(AGENT_ID, AGENT_SECRET))


@pytest.mark.parametrize(
    "secret", ["", "x", AGENT_SECRET + "x", AGENT_SECRET[:-1], digest(AGENT_SECRET), TEST_SECRET]
)
async def test_a_wrong_secret_fails_in_the_same_words_as_an_unknown_client(secret):
    texts = []
    for client_id in (AGENT_ID, "unknown", ""):
        with pytest.raises(InvalidClient) as caught:
            await authenticate_agent(ENVIRONMENT, presented(client_id, secret))
        assert secret == "" or secret not in caught.value.detail
        texts.append((caught.value.description, caught.value.status, caught.value.code))
    assert set(texts) == {("Client authentication failed", 401, "invalid_client")}


async def test_a_client_without_any_secret_cannot_authenticate():
    with pytest.raises(InvalidClient):
        await authenticate_agent(
            with_agent(ENVIRONMENT, replace(AGENT, secret_digests=())), presented(AGENT_ID, "")
        )


async def test_a_disabled_agent_fails_even_with_its_secret():
    with pytest.raises(InvalidClient, match="disabled"):
        await authenticate_agent(
            with_agent(ENVIRONMENT, replace(AGENT, enabled=False)), presented(AGENT_ID, AGENT_SECRET)
        )


async def test_a_resource_is_a_caller_but_never_a_client():
    assert await authenticate_caller(ENVIRONMENT, presented(TEST_ID, TEST_SECRET)) is TEST
    assert await authenticate_caller(ENVIRONMENT, presented(AGENT_ID, AGENT_SECRET)) is AGENT
    with pytest.raises(InvalidClient):
        await authenticate_agent(ENVIRONMENT, presented(TEST_ID, TEST_SECRET))
    with pytest.raises(InvalidClient):
        await authenticate_caller(ENVIRONMENT, presented(TEST_ID, AGENT_SECRET))


@pytest.mark.parametrize("registered", ["client_secret_basic", "client_secret_post"])
@pytest.mark.parametrize("used", ["client_secret_basic", "client_secret_post"])
async def test_the_method_an_agent_is_registered_for_binds(registered, used):
    environment = with_agent(ENVIRONMENT, replace(AGENT, client_auth=registered))
    credentials = presented(AGENT_ID, AGENT_SECRET, used)
    for authenticate in (authenticate_agent, authenticate_caller):
        if registered == used:
            assert (await authenticate(environment, credentials)).id == AGENT_ID
            continue
        with pytest.raises(InvalidClient, match=f"has to authenticate by {registered}") as caught:
            await authenticate(environment, credentials)
        assert caught.value.description == "Client authentication failed"
    assert await authenticate_agent(ENVIRONMENT, credentials) is AGENT  # registered for none: either is taken


PUBLIC_AGENT = replace(AGENT, client_auth="none")


async def test_a_public_client_says_who_it_is_and_nothing_else():
    environment = with_agent(ENVIRONMENT, PUBLIC_AGENT)
    assert await authenticate_agent(environment, (None, {"client_id": AGENT_ID})) is PUBLIC_AGENT
    for method in ("client_secret_basic", "client_secret_post"):
        with pytest.raises(InvalidClient, match="has to authenticate by none"):
            await authenticate_agent(environment, presented(AGENT_ID, AGENT_SECRET, method))


@pytest.mark.parametrize("beside", ["client_secret", "client_assertion", "client_assertion_type"])
async def test_an_id_beside_a_proof_is_no_public_client(beside):
    environment = with_agent(ENVIRONMENT, PUBLIC_AGENT)
    with pytest.raises(InvalidClient):
        await authenticate_agent(environment, (None, {"client_id": AGENT_ID, beside: "x"}))
    with pytest.raises(InvalidClient):
        await authenticate_agent(environment, ("Bearer x", {"client_id": AGENT_ID}))


async def test_an_unknown_or_disabled_public_client_fails():
    disabled = with_agent(ENVIRONMENT, replace(PUBLIC_AGENT, enabled=False))
    for client_id in (AGENT_ID, "unknown"):
        with pytest.raises(InvalidClient) as caught:
            await authenticate_agent(disabled, (None, {"client_id": client_id}))
        assert caught.value.description == "Client authentication failed"


async def test_an_id_alone_may_not_introspect():
    environment = with_agent(ENVIRONMENT, PUBLIC_AGENT)
    for client_id in (AGENT_ID, TEST_ID, "unknown"):
        with pytest.raises(InvalidClient) as caught:
            await authenticate_caller(environment, (None, {"client_id": client_id}))
        assert "for callers that authenticate" in caught.value.description


async def test_a_proof_of_a_package_s_method_counts_beside_the_id(monkeypatch):
    agent = replace(AGENT, client_auth="key")

    async def authenticate(environment, credentials, _ports, now):
        assert (credentials.secret, now) == ("x", NOW)
        return environment.agents[credentials.client_id]

    def find_credentials(_authorization, form):
        return Credentials(form["client_id"], form["key"], "key") if "key" in form else None

    method = ClientAuthMethod("key", find_credentials, authenticate)
    monkeypatch.setitem(CLIENT_AUTH_METHODS.__dict__, "members", (*CLIENT_AUTH_METHODS.own, method))
    request = (None, {"client_id": AGENT_ID, "key": "x"})
    assert await authenticate_agent(with_agent(ENVIRONMENT, agent), request) is agent
    for other in (AGENT, PUBLIC_AGENT, replace(agent, enabled=False)):
        with pytest.raises(InvalidClient):
            await authenticate_agent(with_agent(ENVIRONMENT, other), request)
