from dataclasses import replace

import pytest

from deputize.oauth.errors import InvalidRequest, UnauthorizedClient, UnsupportedGrantType
from deputize.oauth.grants import GRANTS
from deputize.oauth.grants.grant_type import grant_word
from support.agent_delegation import AGENT, ENVIRONMENT, World, with_agent


@pytest.mark.parametrize(
    "grant_type",
    [
        "password",
        "implicit",
        "Client_credentials",
        "token_exchange",
        "urn:ietf:params:oauth:grant-type:device_code",
    ],
)
async def test_unknown_grants(grant_type):
    with pytest.raises(UnsupportedGrantType):
        await World().ask({"grant_type": grant_type})


async def test_no_grant():
    with pytest.raises(InvalidRequest, match="grant_type is missing"):
        await World().ask({})


@pytest.mark.parametrize("grant", GRANTS.members)
async def test_a_grant_the_agent_was_not_given(grant):
    world = World(with_agent(ENVIRONMENT, replace(AGENT, grant_types=AGENT.grant_types - {grant.grant_type})))
    with pytest.raises(UnauthorizedClient):
        await world.ask({"grant_type": grant.grant_type, "code": "x", "refresh_token": "x"})
    assert world.store.calls == 0


def test_files_have_a_word_for_each_grant_of_its_own():
    assert len({grant.word for grant in GRANTS.own}) == len(GRANTS.own)


@pytest.mark.parametrize(
    ("grant_type", "word"),
    [
        ("client_credentials", "client_credentials"),
        ("urn:ietf:params:oauth:grant-type:token-exchange", "token_exchange"),
        ("URN:example:Minute-Pass", "minute_pass"),
        ("https://example.com/grants/minute-pass", "https://example.com/grants/minute-pass"),
    ],
)
def test_the_word_for_a_grant(grant_type, word):
    assert grant_word(grant_type) == word
