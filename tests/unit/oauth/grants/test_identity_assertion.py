"""Identity assertions that the authority issues by token exchange, and to whom it does not."""

import json
from base64 import urlsafe_b64decode

import pytest

from deputize.jose import ACCESS_TOKEN_TYPE, ID_TOKEN_TYPE, TokenInvalid, verify
from deputize.oauth.assertions import ID_JAG, ID_JAG_TYPE
from deputize.oauth.dpop import Proof
from deputize.oauth.errors import (
    ExchangeRefused,
    InvalidDPoPProof,
    InvalidGrant,
    InvalidRequest,
    InvalidScope,
    InvalidTarget,
)
from deputize.oauth.grants.token_exchange import ACCESS_TOKEN, GRANT_TYPE, ID_TOKEN, REFRESH_TOKEN
from deputize.oauth.records.settings import IdentityAssertion
from support.agent_delegation import (
    AGENT,
    AGENT_ID,
    ENVIRONMENT,
    ISSUER,
    NOW,
    OTHER_ID,
    USER_ID,
    World,
    with_agent,
)
from support.records import replace

CHAT, API = "https://chat.example.com", "https://chat.example.com/mcp"
ALLOWED = IdentityAssertion(
    audience=CHAT, client_id="wiki-at-chat", resources={API: ["read", "write"], f"{CHAT}/admin": ["all"]}
)
ENTERPRISE = with_agent(ENVIRONMENT, replace(AGENT, identity_assertions=(ALLOWED,)))


async def tokens(world, client_id=AGENT_ID):
    return await world.sign_on(client_id=client_id, scopes=("openid", "agent"))


async def ask(world, subject, kind=ID_TOKEN, client_id=AGENT_ID, **changes):
    form = {
        "grant_type": GRANT_TYPE,
        "requested_token_type": ID_JAG,
        "subject_token": subject,
        "subject_token_type": kind,
        "audience": CHAT,
        "resource": API,
        "scope": "read",
        **changes,
    }
    return await world.ask({name: value for name, value in form.items() if value is not None}, client_id)


async def test_an_id_token_or_a_refresh_token_is_exchanged_for_an_assertion():
    world = World(ENTERPRISE)
    signed_on = await tokens(world)
    for subject, kind in ((signed_on.id_token, ID_TOKEN), (signed_on.refresh_token, REFRESH_TOKEN)):
        answer = await ask(world, subject, kind)
        assert (answer.token_type, answer.issued_token_type, answer.refresh_token) == ("N_A", ID_JAG, None)
        assert (answer.scope, answer.expires_in) == ("read", 300)
        header = json.loads(urlsafe_b64decode(answer.access_token.split(".")[0] + "=="))
        assert (header["typ"], header["alg"]) == (ID_JAG_TYPE, "RS256")
        claims = verify(answer.access_token, ENTERPRISE.keys, ISSUER, NOW, ID_JAG_TYPE)
        expected = {
            "aud": CHAT,
            "client_id": "wiki-at-chat",
            "sub": USER_ID,
            "resource": API,
            "scope": "read",
        }
        assert claims.items() >= expected.items()
        assert (claims["iat"], claims["exp"]) == (NOW, NOW + 300)
        for kind_here in (ACCESS_TOKEN_TYPE, ID_TOKEN_TYPE):  # it is worth nothing here
            with pytest.raises(TokenInvalid):
                verify(answer.access_token, ENTERPRISE.keys, ISSUER, NOW, kind_here)
    assert await world.refresh(signed_on.refresh_token), "which was not used up"


async def test_it_is_bound_to_a_key_that_is_proven_and_to_none_only_where_none_has_to_be():
    world = World(ENTERPRISE)
    subject = (await tokens(world)).id_token
    assert "cnf" not in (await ask(world, subject)).claims
    world.environment = with_agent(
        ENTERPRISE, replace(ENTERPRISE.agents[AGENT_ID], dpop_bound_access_tokens=True)
    )
    with pytest.raises(InvalidDPoPProof):
        await ask(world, subject)
    world.proof = Proof("the-thumbprint", "jti", NOW + 60, None)
    assert (await ask(world, subject)).claims["cnf"] == {"jkt": "the-thumbprint"}


async def test_each_has_its_own_jti():
    world = World(ENTERPRISE)
    subject = (await tokens(world)).id_token
    assert len({(await ask(world, subject)).claims["jti"] for _ in range(3)}) == 3


@pytest.mark.parametrize(
    ("scope", "got"), [(None, "read write"), ("write read", "write read"), ("read all", "read")]
)
async def test_scopes_are_those_that_are_asked_for_and_named(scope, got):
    world = World(ENTERPRISE)
    assert (await ask(world, (await tokens(world)).id_token, scope=scope)).scope == got


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"audience": None}, InvalidRequest),
        ({"audience": "https://evil.example.com"}, InvalidTarget),
        ({"audience": f"{CHAT}/"}, InvalidTarget),
        ({"audience": ISSUER}, InvalidTarget),
        ({"resource": "https://evil.example.com"}, InvalidTarget),
        ({"resource": None}, InvalidTarget),
        ({"scope": "all"}, InvalidScope),
        ({"scope": "openid"}, InvalidScope),
        ({"actor_token": "x", "actor_token_type": ACCESS_TOKEN}, InvalidRequest),
        ({"kind": ACCESS_TOKEN}, InvalidRequest),
        ({"kind": REFRESH_TOKEN}, InvalidGrant),
        ({"kind": "urn:ietf:params:oauth:token-type:saml2"}, InvalidRequest),
        ({"client_id": OTHER_ID}, ExchangeRefused),
        ({"requested_token_type": "urn:ietf:params:oauth:token-type:jwt"}, InvalidRequest),
    ],
)
async def test_for_anything_else_there_is_none(changes, error):
    world = World(with_agent(ENTERPRISE, replace(ENTERPRISE.agents[AGENT_ID], id=OTHER_ID, term="b-term-1")))
    with pytest.raises(error):
        await ask(world, (await tokens(world)).id_token, **changes)


async def test_an_access_token_is_no_id_token_and_an_assertion_neither():
    world = World(ENTERPRISE)
    signed_on = await tokens(world)
    answer = await ask(world, signed_on.id_token)
    for subject in (signed_on.access_token, answer.access_token):
        with pytest.raises(ExchangeRefused):
            await ask(world, subject)


async def test_an_agent_of_which_nothing_is_said_gets_none():
    world = World()
    with pytest.raises(InvalidTarget):
        await ask(world, (await tokens(world)).id_token)


async def test_what_ended_yields_none():
    world = World(ENTERPRISE)
    signed_on = await tokens(world)
    (grant,) = world.store.grants
    await world.store.end_grant(grant, NOW)
    with pytest.raises(ExchangeRefused):
        await ask(world, signed_on.id_token)
    with pytest.raises(InvalidGrant):
        await ask(world, signed_on.refresh_token, REFRESH_TOKEN)
