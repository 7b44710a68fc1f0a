"""Identity assertions of a trusted issuer as grants: what they yield, and everything that yields nothing."""

import asyncio
import hmac
import json
from base64 import urlsafe_b64encode

import pytest

from deputize.authority.client_documents import FetchedDocuments
from deputize.jose import TokenInvalid
from deputize.oauth.assertions import ID_JAG_TYPE
from deputize.oauth.errors import (
    InvalidGrant,
    InvalidRequest,
    InvalidScope,
    InvalidTarget,
    TemporarilyUnavailable,
    UnauthorizedClient,
)
from deputize.oauth.grants.jwt_bearer import GRANT_TYPE
from deputize.oauth.introspection import find_live_token
from deputize.oauth.records.directory import Scope
from support.agent_delegation import (
    AGENT,
    AGENT_ID,
    AGENT_RESOURCE,
    CONSENT,
    ENVIRONMENT,
    ISSUER,
    NOW,
    OTHER_ID,
    POLICY_NAME,
    TEST_AUDIENCE,
    USER,
    USER_ID,
    attribute,
)
from support.document_hosts import DocumentHost, json_answer
from support.identity_assertions import (
    CLIENT,
    IDP,
    KEY,
    OTHER_IDP,
    OTHER_KEY,
    TRUST,
    claims_of,
    id_jag,
    redeem,
    trusting,
    world,
)
from support.issuers import ALGORITHMS, jwk_set, public_jwk, signed
from support.records import replace


async def refuse(world, text, error=InvalidGrant, **extra):
    """Return why the log says that it was refused; nothing was used up, and nothing left behind."""
    before = len(world.store.used), len(world.store.grants)
    with pytest.raises(error) as caught:
        await redeem(world, text, **extra)
    assert (len(world.store.used), len(world.store.grants)) == before
    return caught.value.detail


async def live(world, token):
    return await find_live_token(world.environment, token, world.store, world.ports.verifier, world.now)


async def test_a_trusted_issuers_assertion_stands_for_a_sign_on():
    there = world()
    answer = await redeem(there, id_jag())
    assert (answer.claims["aud"], answer.scope, answer.claims["client_id"]) == (["agent"], "agent", AGENT_ID)
    assert (answer.claims["sub"], answer.claims["p1.userId"]) == ("demouser", USER_ID)
    assert (answer.claims["acr"], answer.claims["auth_time"]) == ("Enterprise", int(NOW) - 50)
    assert (answer.refresh_token, answer.id_token) == (None, None)
    assert (await live(there, answer.access_token)).claims == answer.claims
    session_id = answer.claims["sid"]
    there.store.sessions[session_id] = replace(there.store.sessions[session_id], ended_at=NOW)
    assert isinstance(await live(there, answer.access_token), TokenInvalid)


async def test_for_a_resource_that_requires_delegation_the_token_says_who_acts():
    there = world()
    answer = await redeem(there, id_jag(resource=TEST_AUDIENCE, scope="test"))
    assert (answer.claims["act"], answer.claims["aud"]) == ({"sub": AGENT_ID}, [TEST_AUDIENCE])
    assert answer.claims["sub"] == "demouser"
    assert (await live(there, answer.access_token)).claims == answer.claims


def encoded(members):
    return urlsafe_b64encode(json.dumps(members).encode()).rstrip(b"=").decode()


def by_none():
    return f"{encoded({'alg': 'none', 'typ': ID_JAG_TYPE})}.{encoded(claims_of())}."


def by_the_public_key_as_a_secret():
    text = f"{encoded({'alg': 'HS256', 'typ': ID_JAG_TYPE, 'kid': 'k1'})}.{encoded(claims_of())}"
    mac = hmac.digest(KEY.as_pem(private=False), text.encode(), "sha256")
    return f"{text}.{urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def with_its_own_key():
    header = {"jwk": public_jwk(ALGORITHMS["ES384"])}
    return signed(ALGORITHMS["ES384"], claims_of(), "ES384", header, typ=ID_JAG_TYPE)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (by_none, "algorithm"),
        (by_the_public_key_as_a_secret, "algorithm"),
        (with_its_own_key, "algorithm"),
        (lambda: id_jag(iss=OTHER_IDP), "algorithm"),
        (lambda: id_jag(OTHER_KEY, "RS256", "k2"), "algorithm"),
        (lambda: id_jag(OTHER_KEY, "PS256", "k2", iss=OTHER_IDP), "algorithm"),
        (lambda: id_jag(kid="k9"), "does not verify"),
        (lambda: id_jag()[:-8] + "AAAAAAAA", "does not verify"),
        (lambda: id_jag(typ="JWT"), "type"),
        (lambda: id_jag(typ=None), "type"),
        (lambda: id_jag(typ="at+jwt"), "type"),
        (lambda: id_jag(typ="dpop+jwt"), "type"),
        (lambda: id_jag(typ="logout+jwt"), "type"),
        (lambda: id_jag(typ="client-authentication+jwt"), "type"),
        (lambda: id_jag(iss="https://evil.example.com"), "no issuer that is trusted"),
        (lambda: id_jag(iss="https://ci.example.com"), "no issuer that is trusted"),
        (lambda: id_jag(iss=f"{IDP}/"), "no issuer that is trusted"),
        (lambda: id_jag(iss=ISSUER), "no issuer that is trusted"),
        (lambda: id_jag(iss=None), "no issuer that is trusted"),
        (lambda: id_jag(iss=[IDP]), "no issuer that is trusted"),
        (lambda: id_jag(aud=None), "audience"),
        (lambda: id_jag(aud=f"{ISSUER}/token"), "audience"),
        (lambda: id_jag(aud=f"{ISSUER}/"), "audience"),
        (lambda: id_jag(aud=[ISSUER, "https://other.example.com"]), "audience"),
        (lambda: id_jag(aud=TEST_AUDIENCE), "audience"),
        (lambda: id_jag(client_id=OTHER_ID), "client_id"),
        (lambda: id_jag(client_id=None), "client_id"),
        (lambda: id_jag(client_id=[AGENT_ID]), "client_id"),
        (lambda: id_jag(exp=None), "exp"),
        (lambda: id_jag(exp=NOW), "exp"),
        (lambda: id_jag(exp=NOW + 3661), "exp"),
        (lambda: id_jag(exp="soon"), "exp"),
        (lambda: id_jag(nbf=NOW + 61), "nbf"),
        (lambda: id_jag(iat=NOW + 61), "iat"),
        (lambda: id_jag(iat=NOW - 3601), "iat"),
        (lambda: id_jag(iat=None), "iat"),
        (lambda: id_jag(iat=True), "iat"),
        (lambda: id_jag(jti=None), "jti"),
        (lambda: id_jag(jti=7), "jti"),
        (lambda: id_jag(jti="x" * 257), "jti"),
        (lambda: id_jag(resource=None), "resource"),
        (lambda: id_jag(resource=["agent"]), "resource"),
        (lambda: id_jag(resource="https://elsewhere.example.com/mcp"), "no resource here"),
        (lambda: id_jag(scope=None), "scope"),
        (lambda: id_jag(act={"sub": "another agent"}), "act"),
        (lambda: id_jag(tenant="t1"), "tenant"),
        (lambda: id_jag(aud_tenant="t1"), "aud_tenant"),
        (lambda: id_jag(authorization_details=[{"type": "x"}]), "authorization_details"),
        (lambda: id_jag(sub=None), "sub"),
        (lambda: id_jag(sub=""), "sub"),
        (lambda: id_jag(sub=7), "sub"),
        (lambda: id_jag(sub="U0\x0019"), "sub"),
        (lambda: id_jag(sub="u019"), "0 users"),
        (lambda: id_jag(sub="demouser"), "0 users"),
        (lambda: id_jag(sub=USER_ID), "0 users"),
        (lambda: id_jag(sub="demo@example.com"), "0 users"),
        (lambda: id_jag(cnf={"jkt": "0" * 43}), "bound to a key"),
        (lambda: id_jag(cnf={"jkt": 7}), "cnf"),
        (lambda: id_jag(cnf={"x5t#S256": "0" * 43}), "cnf"),
        (lambda: id_jag(cnf="x"), "cnf"),
        (lambda: "nonsense", "compact"),
        (lambda: "x" * (16 * 1024 + 1), "too long"),
    ],
)
async def test_what_is_not_as_it_has_to_be_yields_nothing(make, reason):
    assert reason in await refuse(world(), make())


async def test_the_environment_never_trusts_itself():
    itself = TRUST.model_copy(update={"issuer": ISSUER})
    assert "no issuer that is trusted" in await refuse(world(trusted=(itself,)), id_jag(iss=ISSUER))


async def test_other_tokens_are_no_identity_assertions():
    there = world()
    tokens = await there.sign_on(scopes=("openid", "agent"))
    for token in (tokens.access_token, tokens.id_token):
        assert "type" in await refuse(there, token)


async def test_it_counts_once_however_often_it_is_presented_at_once():
    there, text = world(), id_jag()
    answers = await asyncio.gather(*(redeem(there, text) for _ in range(8)), return_exceptions=True)
    refused = [each for each in answers if isinstance(each, InvalidGrant)]
    assert len(refused) == 7
    assert all("presented before" in each.detail for each in refused)
    assert len(there.store.grants) == 1


async def test_the_jti_of_another_issuer_is_another():
    there = world()
    await redeem(there, id_jag(jti="same"))
    assert await redeem(there, id_jag(OTHER_KEY, "RS256", "k2", iss=OTHER_IDP, jti="same"))


@pytest.mark.parametrize(
    ("asserted", "asked", "got"),
    [
        ("agent more", None, "agent"),  # more was not granted to the agent
        ("agent extra", "extra", "extra"),
        ("agent extra", "extra more", "extra"),
        ("agent", "agent extra", "agent"),
        ("openid agent offline_access", None, "agent"),
    ],
)
async def test_scopes_are_what_all_of_them_allow(asserted, asked, got):
    scopes = {**AGENT_RESOURCE.scopes, "extra": Scope(), "more": Scope()}
    agent = replace(CLIENT, scopes={**CLIENT.scopes, AGENT_RESOURCE.id: frozenset({"agent", "extra"})})
    resources = {**ENVIRONMENT.resources, AGENT_RESOURCE.id: replace(AGENT_RESOURCE, scopes=scopes)}
    there = world(agent=agent, resources=resources)
    extra = {} if asked is None else {"scope": asked}
    assert (await redeem(there, id_jag(scope=asserted), **extra)).scope == got


@pytest.mark.parametrize(
    ("asserted", "asked"), [("agent", "test"), ("openid", None), ("", None), ("x", None)]
)
async def test_without_a_common_scope_there_is_nothing(asserted, asked):
    extra = {} if asked is None else {"scope": asked}
    await refuse(world(), id_jag(scope=asserted), InvalidScope, **extra)


async def test_the_request_cannot_name_another_resource():
    await refuse(world(), id_jag(), InvalidTarget, resource=TEST_AUDIENCE)


@pytest.mark.parametrize("trusted", [(TRUST,), trusting(policy=POLICY_NAME, decides_for_users=False)])
async def test_no_exchange_obtains_more_than_the_assertion_names(trusted):
    there = world(trusted=trusted)
    subject, actor = (await redeem(there, id_jag())).access_token, await there.actor_token()
    with pytest.raises(InvalidScope) as caught:
        await there.exchange(subject, actor)
    assert "does not name" in caught.value.detail
    assert (await there.exchange(subject, actor, scope="agent")).scope == "agent"


async def test_no_other_agent_obtains_anything_by_it():
    resource = replace(
        AGENT_RESOURCE,
        attributes=(*AGENT_RESOURCE.attributes[:1], attribute("may_act", f'({{"sub": "{OTHER_ID}"}})')),
    )
    there = world(resources={**ENVIRONMENT.resources, resource.id: resource})
    subject, actor = (await redeem(there, id_jag())).access_token, await there.actor_token(OTHER_ID)
    with pytest.raises(InvalidScope) as caught:
        await there.exchange(subject, actor, OTHER_ID, scope="agent")
    assert "does not name" in caught.value.detail


async def test_an_agent_needs_the_grant_and_the_assertion():
    there = world(agent=AGENT)
    await refuse(there, id_jag(), UnauthorizedClient)
    with pytest.raises(InvalidRequest):
        await world().ask({"grant_type": GRANT_TYPE})


@pytest.mark.parametrize(
    ("subject", "sub"), [("id", USER_ID), ("username", "demouser"), ("employee", "U019")]
)
async def test_the_trust_says_what_of_a_user_the_subject_is(subject, sub):
    there = world(trusted=trusting(subject=subject))
    assert (await redeem(there, id_jag(sub=sub))).claims["p1.userId"] == USER_ID


async def test_a_subject_that_several_users_have_is_nobody():
    there = world()
    there.store.users["other"] = replace(USER, id="other", username="x", attributes={"employee": "U019"})
    assert "2 users" in await refuse(there, id_jag())


async def test_a_disabled_user_gets_nothing():
    there = world()
    there.store.users[USER_ID] = replace(there.store.users[USER_ID], enabled=False)
    assert "disabled" in await refuse(there, id_jag())


async def test_where_the_trust_does_not_decide_the_users_own_consent_does():
    asking = trusting(policy=POLICY_NAME, decides_for_users=False)
    there = world(trusted=asking)
    answer = await redeem(there, id_jag(resource=TEST_AUDIENCE, scope="test"))
    assert (answer.claims["acr"], answer.claims["act"]) == (POLICY_NAME, {"sub": AGENT_ID})
    there.store.consents[CONSENT.id] = replace(CONSENT, withdrawn_at=NOW)
    assert isinstance(await live(there, answer.access_token), TokenInvalid)


@pytest.mark.parametrize(
    "changes",
    [
        {"withdrawn_at": NOW},
        {"expires_at": NOW},
        {"version": 0},
        {"covers": {}},
        {"client_id": OTHER_ID},
        {"user_id": "other"},
    ],
)
async def test_a_consent_that_does_not_cover_it_suffices_as_little_as_none(changes):
    there = world(trusted=trusting(policy=POLICY_NAME, decides_for_users=False))
    there.store.consents[CONSENT.id] = replace(CONSENT, **changes)
    assert "due" in await refuse(there, id_jag())


@pytest.mark.parametrize("policy", ["Enterprise", "gone"])
async def test_nobody_decides_unless_the_administrator_says_so(policy):
    there = world(trusted=trusting(policy=policy, decides_for_users=False))
    assert policy in await refuse(there, id_jag())


async def test_keys_are_fetched_where_the_issuer_publishes_them():
    async with DocumentHost(json_answer(json.dumps(jwk_set(k1=KEY)).encode())) as host:
        trust = TRUST.model_copy(update={"jwks": None, "jwks_uri": f"{host.origin}/jwks"})
        there = world(trusted=(trust,))
        there.ports.documents = FetchedDocuments(host.fetcher(), Clock())
        assert await redeem(there, id_jag())
        for _ in range(5):  # unknown keys: fetched again at most once in 30 seconds
            with pytest.raises(InvalidGrant):
                await redeem(there, id_jag(ALGORITHMS["ES256"], kid="unknown"))
        assert len(host.requests) == 1
        host.answer = json_answer(b"{}", "503 Service Unavailable")
        there.ports.documents = FetchedDocuments(host.fetcher(), Clock())
        assert "503" in await refuse(there, id_jag(), TemporarilyUnavailable)


class Clock:
    def now(self):
        return NOW
