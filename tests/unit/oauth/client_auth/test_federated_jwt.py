"""Workloads that authenticate by what their platform says of them."""

import asyncio
import itertools

import pytest

from deputize.oauth.client_auth import authenticate_agent, authenticate_caller
from deputize.oauth.errors import InvalidClient, InvalidRequest
from deputize.oauth.records.settings import TrustedIssuer, Workload
from support.agent_delegation import (
    AGENT,
    AGENT_ID,
    AGENT_SECRET,
    ENVIRONMENT,
    ISSUER,
    NOW,
    OTHER_ID,
    with_agent,
)
from support.client_proofs import assertion, assertion_form, auth_ports
from support.issuers import ALGORITHMS, jwk_set, signed
from support.memory_store import MemoryStore
from support.records import replace

CLUSTER = "https://kubernetes.example.com"
CI = "https://ci.example.com"
SUBJECT = "spiffe://example.com/agents/mail"
KEY, OTHER_KEY = ALGORITHMS["ES256"], ALGORITHMS["RS256"]
TRUSTED = (
    TrustedIssuer(issuer=CLUSTER, algorithms=["ES256"], jwks=jwk_set(k1=KEY)),
    TrustedIssuer(issuer=CI, algorithms=["RS256"], jwks=jwk_set(k2=OTHER_KEY)),
)
WORKLOAD = Workload(issuer=CLUSTER, subject=SUBJECT)
FEDERATED = replace(AGENT, client_auth="federated_jwt", workloads=(WORKLOAD,), secret_digests=())
OTHER = replace(
    FEDERATED, id=OTHER_ID, workloads=(Workload(issuer=CI, subject="repo:a/b:ref:main"),), term="b-term-1"
)
_NUMBERS = itertools.count()


def token(key=KEY, alg="ES256", kid="k1", typ="JWT", **changes):
    claims = {
        "iss": CLUSTER,
        "sub": SUBJECT,
        "aud": [ISSUER],
        "exp": NOW + 600,
        "iat": NOW,
        "jti": f"svid-{next(_NUMBERS)}",
        **changes,
    }
    claims = {name: value for name, value in claims.items() if value is not None}
    return signed(key, claims, alg, kid=kid, typ=typ)


class Place:
    """An environment that trusts two platforms, one agent of each, and what was used up there."""

    def __init__(self, *agents, trusted=TRUSTED):
        environment = ENVIRONMENT
        for agent in agents or (FEDERATED, OTHER):
            environment = with_agent(environment, agent)
        self.environment, self.store = replace(environment, trusted_issuers=trusted), MemoryStore()

    async def take(self, text, authenticate=authenticate_agent, header=None, **more):
        form = assertion_form(text, **more)
        return await authenticate(self.environment, header, form, auth_ports(self.store), NOW)

    async def refuse(self, text, **more):
        """Return why the log says that it was refused, and check that nothing was used up."""
        with pytest.raises(InvalidClient) as caught:
            await self.take(text, **more)
        assert caught.value.description == "Client authentication failed"
        assert not self.store.used
        return caught.value.detail


async def test_a_workload_is_the_agent_that_names_it():
    place = Place()
    for authenticate in (authenticate_agent, authenticate_caller):
        found = await place.take(token(), authenticate)
        assert (found.client, found.method) == (FEDERATED, "federated_jwt")
    assert (await place.take(token(), client_id=AGENT_ID)).client is FEDERATED
    build = token(OTHER_KEY, "RS256", "k2", iss=CI, sub="repo:a/b:ref:main")
    assert (await place.take(build)).client is OTHER


@pytest.mark.parametrize(
    "text",
    [
        lambda: token(sub="spiffe://example.com/agents/mail/"),
        lambda: token(sub="spiffe://example.com/agents/Mail"),
        lambda: token(sub="spiffe://example.com/agents"),
        lambda: token(sub="repo:a/b:ref:main"),
        lambda: token(sub=None),
        lambda: token(sub=[SUBJECT]),
        lambda: token(sub={"a": 1}),
        lambda: token(sub=AGENT_ID),
        lambda: token(iss=CI),
        lambda: token(OTHER_KEY, "RS256", "k2", iss=CI),
        lambda: token(iss="https://evil.example.com"),
        lambda: token(iss=f"{CLUSTER}/"),
        lambda: token(iss=ISSUER),
        lambda: token(iss=None),
        lambda: token(iss=SUBJECT),
        lambda: token(iss=[CLUSTER]),
        lambda: token(iss=[[CLUSTER]]),
        lambda: token(iss={"a": 1}),
        lambda: token(iss=7),
        lambda: token(OTHER_KEY, "RS256", "k2"),
        lambda: token(kid="unknown"),
        lambda: token(ALGORITHMS["ES384"], "ES384"),
        lambda: token()[:-8] + "AAAAAAAA",
        lambda: token(aud=ISSUER + "/token"),
        lambda: token(aud="https://kubernetes.default.svc"),
        lambda: token(aud=[ISSUER, "https://other.example.com"]),
        lambda: token(aud=None),
        lambda: token(exp=NOW),
        lambda: token(exp=NOW + 3661),
        lambda: token(exp=None),
        lambda: token(nbf=NOW + 61),
        lambda: token(iat=NOW + 61),
        lambda: token(jti=None),
        lambda: token(typ="oauth-id-jag+jwt"),
        lambda: token(typ="at+jwt"),
        lambda: token(typ="dpop+jwt"),
        lambda: "x.y.z",
    ],
)
async def test_anything_else_is_nobody(text):
    await Place().refuse(text())


async def test_it_counts_once_however_often_it_is_presented_at_once():
    place, text = Place(), token()
    answers = await asyncio.gather(*(place.take(text) for _ in range(8)), return_exceptions=True)
    assert sum(isinstance(each, InvalidClient) for each in answers) == 7


async def test_a_platform_that_renews_seldom_may_be_trusted_for_more_than_once():
    reusable = TRUSTED[0].model_copy(update={"reusable": True})
    place, text = Place(trusted=(reusable,)), token(jti=None)
    for _ in range(2):
        assert (await place.take(text)).client is FEDERATED
    await place.refuse(token(exp=NOW))


async def test_another_agent_cannot_be_named_beside_it():
    await Place().refuse(token(), client_id=OTHER_ID)


async def test_what_two_agents_name_is_neither():
    await Place(FEDERATED, replace(OTHER, workloads=(WORKLOAD,))).refuse(token())


@pytest.mark.parametrize(
    "changes",
    [{"enabled": False}, {"client_auth": "private_key_jwt"}, {"client_auth": None}, {"workloads": ()}],
)
async def test_an_agent_that_is_not_registered_for_it_is_not_proven_by_it(changes):
    await Place(replace(FEDERATED, **changes)).refuse(token())


async def test_a_federated_agent_has_no_other_way():
    place = Place()
    await place.refuse(assertion())
    with pytest.raises(InvalidClient):
        await authenticate_agent(
            place.environment, None, {"client_id": AGENT_ID}, auth_ports(place.store), NOW
        )
    with pytest.raises(InvalidRequest):
        await place.take(token(), client_id=AGENT_ID, client_secret=AGENT_SECRET)


async def test_what_was_trusted_once_is_so_no_more():
    await Place(trusted=TRUSTED[1:]).refuse(token())
