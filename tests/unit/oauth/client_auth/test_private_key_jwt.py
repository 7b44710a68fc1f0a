import asyncio
import hmac
import json
from base64 import urlsafe_b64encode

import pytest

from deputize.authority.client_documents import FetchedDocuments
from deputize.authority.fetching.documents import RETRY_SECONDS
from deputize.jose import VERIFIABLE_ALGORITHMS
from deputize.oauth.assertions import MAX_ASSERTION
from deputize.oauth.client_auth import authenticate_agent, authenticate_caller, private_key_jwt
from deputize.oauth.errors import InvalidClient, InvalidRequest, TemporarilyUnavailable
from support.agent_delegation import AGENT, AGENT_ID, AGENT_SECRET, ENVIRONMENT, ISSUER, NOW, with_agent
from support.client_proofs import JWKS, KEY, assertion, assertion_claims, assertion_form, auth_ports
from support.document_hosts import DocumentHost, json_answer
from support.issuers import ALGORITHMS, ECKey, public_jwk, signed
from support.memory_store import MemoryStore
from support.records import replace

KEYED = replace(AGENT, client_auth="private_key_jwt", jwks=JWKS, secret_digests=())


class SetClock:
    time = NOW

    def now(self):
        return self.time


class Place:
    """An environment with an agent that has keys, and what was used up there."""

    def __init__(self, agent=KEYED):
        self.environment, self.store = with_agent(ENVIRONMENT, agent), MemoryStore()
        self.documents = None

    async def take(self, text, authenticate=authenticate_agent, now=NOW, header=None, **more):
        ports = auth_ports(self.store, self.documents)
        form = assertion_form(text, **more)
        return await authenticate(self.environment, header, form, ports, now)

    async def refuse(self, text, **more):
        """Return why the log says that it was refused, and check that nothing was used up."""
        with pytest.raises(InvalidClient) as caught:
            await self.take(text, **more)
        assert caught.value.description == "Client authentication failed"
        assert not self.store.used
        return caught.value.detail


async def test_an_assertion_proves_the_client_everywhere():
    place = Place()
    for authenticate in (authenticate_agent, authenticate_caller):
        authenticated = await place.take(assertion(), authenticate)
        assert (authenticated.client, authenticated.method) == (KEYED, "private_key_jwt")
    assert (await place.take(assertion(), client_id=AGENT_ID)).client is KEYED


@pytest.mark.parametrize("alg", VERIFIABLE_ALGORITHMS)
async def test_the_algorithms_are_those_that_are_named(alg):
    place = Place(replace(KEYED, jwks={"keys": [public_jwk(ALGORITHMS[alg], "c1")]}))
    text = assertion(ALGORITHMS[alg], alg)
    if alg in private_key_jwt.ALGORITHMS:
        assert (await place.take(text)).client.id == AGENT_ID
    else:
        assert "does not verify" in await place.refuse(text)


@pytest.mark.parametrize("aud", [ISSUER, f"{ISSUER}/token", [ISSUER], [f"{ISSUER}/token"]])
async def test_its_one_audience_is_the_issuer_or_the_token_endpoint(aud):
    assert (await Place().take(assertion(aud=aud))).client is KEYED


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"aud": None}, "audience"),
        ({"aud": []}, "audience"),
        ({"aud": [ISSUER, f"{ISSUER}/token"]}, "audience"),
        ({"aud": [ISSUER, "https://other.example.com"]}, "audience"),
        ({"aud": f"{ISSUER}/"}, "audience"),
        ({"aud": f"{ISSUER}/introspect"}, "audience"),
        ({"aud": [[ISSUER]]}, "audience"),
        ({"aud": {ISSUER: 1}}, "audience"),
        ({"iss": "somebody else"}, "by federated_jwt"),  # which nobody here is registered for
        ({"iss": None}, "by federated_jwt"),
        ({"exp": None}, "exp"),
        ({"exp": NOW}, "exp"),
        ({"exp": NOW + 3661}, "exp"),
        ({"exp": str(NOW + 60)}, "exp"),
        ({"exp": True}, "exp"),
        ({"nbf": NOW + 61}, "nbf"),
        ({"iat": NOW + 61}, "nbf or iat"),
        ({"iat": "now"}, "nbf or iat"),
        ({"jti": None}, "jti"),
        ({"jti": ""}, "jti"),
        ({"jti": 7}, "jti"),
        ({"jti": "x" * 257}, "jti"),
    ],
)
async def test_a_claim_that_is_not_as_it_has_to_be_is_refused(changes, reason):
    assert reason in await Place().refuse(assertion(**changes))


@pytest.mark.parametrize(
    "changes", [{"exp": NOW + 3600}, {"nbf": NOW + 60, "iat": NOW + 60}, {"iat": None}, {"jti": "x" * 256}]
)
async def test_bounds_are_inside(changes):
    assert (await Place().take(assertion(**changes))).client is KEYED


@pytest.mark.parametrize("typ", [None, "JWT", "client-authentication+jwt"])
async def test_types_of_assertions(typ):
    assert (await Place().take(assertion(typ=typ))).client is KEYED


@pytest.mark.parametrize("typ", ["at+jwt", "dpop+jwt", "secevent+jwt", "logout+jwt"])
async def test_tokens_that_are_for_something_else_are_no_assertions(typ):
    assert "another kind" in await Place().refuse(assertion(typ=typ))


async def test_only_a_registered_key_signs():
    stranger, place = ECKey.generate_key("P-256"), Place()
    for kid in ("c1", "c2", None):
        assert "does not verify" in await place.refuse(assertion(stranger, kid=kid))
    assert "does not verify" in await place.refuse(assertion(kid="c2")), "the key has another name"
    header = {"kid": "c1", "jwk": public_jwk(stranger)}
    assert "does not verify" in await place.refuse(signed(stranger, assertion_claims(), **header))


@pytest.mark.parametrize("stored", [None, {}, {"keys": None}, {"keys": []}, {"keys": [{"kty": "oct"}]}])
async def test_keys_that_were_stored_and_cannot_be_used_prove_nobody(stored):
    await Place(replace(KEYED, jwks=stored)).refuse(assertion())


def encoded(members):
    return urlsafe_b64encode(json.dumps(members).encode()).rstrip(b"=").decode()


def without_key(alg, secret=b""):
    """An assertion that nobody's key signed: by a secret that all may know, or by nothing."""
    signing_input = f"{encoded({'alg': alg, 'typ': 'JWT', 'kid': 'c1'})}.{encoded(assertion_claims())}"
    mac = hmac.digest(secret, signing_input.encode(), "sha256") if secret else b""
    return f"{signing_input}.{urlsafe_b64encode(mac).rstrip(b'=').decode()}"


@pytest.mark.parametrize(
    "text",
    [
        without_key("none"),
        without_key("None"),
        without_key("ES256"),
        without_key("HS256", AGENT_SECRET.encode()),
        without_key("HS256", json.dumps(JWKS["keys"][0]).encode()),
        without_key("HS256", KEY.as_pem(private=False)),
        without_key("ES256", KEY.as_pem(private=False)),
        assertion().rpartition(".")[0] + ".",
    ],
    ids=["none", "None", "no signature", "secret", "JWK", "PEM", "PEM as ES256", "signature cut off"],
)
async def test_a_secret_or_nothing_signs_nothing(text):
    assert "does not verify" in await Place().refuse(text)


@pytest.mark.parametrize("text", ["x", "a.b.c", "..", "a.b.c.d.e", "x" * (MAX_ASSERTION + 1)])
async def test_what_is_no_jwt_is_refused(text):
    await Place().refuse(text)


async def test_an_agent_of_another_method_is_not_proven_by_keys():
    for registered in (None, "client_secret_basic", "none"):
        agent = replace(AGENT, client_auth=registered, jwks=JWKS)
        assert "has to authenticate by" in await Place(agent).refuse(assertion())
    assert "disabled" in await Place(replace(KEYED, enabled=False)).refuse(assertion())
    assert "no such client" in await Place().refuse(assertion(iss="x", sub="x"))


async def test_an_agent_with_keys_is_proven_by_nothing_else():
    agent, ports = replace(KEYED, secret_digests=AGENT.secret_digests), auth_ports()
    environment = with_agent(ENVIRONMENT, agent)
    for form in ({"client_id": AGENT_ID, "client_secret": AGENT_SECRET}, {"client_id": AGENT_ID}):
        with pytest.raises(InvalidClient, match="has to authenticate by private_key_jwt"):
            await authenticate_agent(environment, None, form, ports, NOW)


async def test_an_assertion_beside_a_secret_or_another_id_is_refused():
    with pytest.raises(InvalidRequest, match="more than one way"):
        await Place().take(assertion(), client_id=AGENT_ID, client_secret=AGENT_SECRET)
    with pytest.raises(InvalidRequest, match="client_id"):
        await Place().take(assertion(), client_id="x")


async def test_an_assertion_counts_once():
    place, text = Place(), assertion()
    await place.take(text)
    for authenticate in (authenticate_agent, authenticate_caller):
        with pytest.raises(InvalidClient, match="presented before"):
            await place.take(text, authenticate)
    again = assertion_claims(jti=None)
    for exp in (NOW + 60, NOW + 90):
        claims = {**again, "jti": "same", "exp": exp}
        taken = place.take(signed(KEY, claims, kid="c1"))
        if exp == NOW + 60:
            await taken
        else:
            with pytest.raises(InvalidClient, match="presented before"):
                await taken


async def test_one_of_many_at_once_counts():
    place, text = Place(), assertion()
    answers = await asyncio.gather(*(place.take(text) for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(each, InvalidClient) for each in answers) == 4


async def test_an_id_is_another_one_of_another_client():
    other = replace(KEYED, id="0b2f8d3a-1111-4c4e-9d55-3f6b8d6f7a10", term="b-term-1")
    place = Place()
    place.environment = with_agent(place.environment, other)
    assert (await place.take(assertion(jti="same"))).client is KEYED
    assert (await place.take(assertion(jti="same", iss=other.id, sub=other.id))).client is other


def published(*kids, keys=ALGORITHMS):
    """The answer with a key set that has one key under each of these names."""
    return json_answer(json.dumps({"keys": [public_jwk(keys["ES256"], kid) for kid in kids]}).encode())


async def test_keys_that_the_agent_publishes_are_fetched_once():
    async with DocumentHost(published("c1")) as host:
        place = Place(replace(KEYED, jwks=None, jwks_uri=f"{host.origin}/keys"))
        place.documents = FetchedDocuments(host.fetcher(), SetClock())
        for _ in range(3):
            assert (await place.take(assertion())).method == "private_key_jwt"
        assert len(host.requests) == 1


async def test_an_unknown_key_has_them_fetched_again_once_in_a_while():
    clock = SetClock()
    async with DocumentHost(published("c1")) as host:
        place = Place(replace(KEYED, jwks=None, jwks_uri=f"{host.origin}/keys"))
        place.documents = FetchedDocuments(host.fetcher(), clock)
        await place.take(assertion())
        place.store.used.clear()
        host.answer = published("c2")
        for _ in range(5):
            assert "does not verify" in await place.refuse(assertion(kid="c2"))
        clock.time += RETRY_SECONDS
        assert (await place.take(assertion(kid="c2"))).client.id == AGENT_ID
        place.store.used.clear()
        for _ in range(5):
            assert "does not verify" in await place.refuse(assertion(kid="storm"))
        assert len(host.requests) == 2


async def test_keys_that_cannot_be_fetched_prove_nobody():
    async with DocumentHost(json_answer(b"", "503 Away")) as host:
        place = Place(replace(KEYED, jwks=None, jwks_uri=f"{host.origin}/keys"))
        place.documents = FetchedDocuments(host.fetcher(), SetClock())
        with pytest.raises(TemporarilyUnavailable):
            await place.take(assertion())
        assert not place.store.used


async def test_nothing_is_fetched_for_an_agent_of_another_method():
    async with DocumentHost(published("c1")) as host:
        agent = replace(KEYED, client_auth="none", jwks=None, jwks_uri=f"{host.origin}/keys")
        place = Place(agent)
        place.documents = FetchedDocuments(host.fetcher(), SetClock())
        assert "has to authenticate by none" in await place.refuse(assertion())
        assert host.connections == 0
