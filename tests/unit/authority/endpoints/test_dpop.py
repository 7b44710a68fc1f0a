"""Proofs of possession over HTTP: token endpoint, pushed requests, userinfo (RFC 9449)."""

import json

import pytest
from sqlalchemy import select

from deputize.authority.storage.tables import ONE_TIME_IDS
from deputize.oauth.dpop import NONCE_PERIOD, PROOF_ALGORITHMS, PROOF_LIFETIME
from deputize.oauth.records.settings import EnvironmentSettings
from support.agent_delegation import AGENT_ID, ENVIRONMENT, POLICY_NAME, REDIRECT_URI, VERIFIER
from support.authority import NOW, authorization_parameters, basic
from support.proofs import Prover

ALGS = f'algs="{" ".join(PROOF_ALGORITHMS)}"'
PROVER, THIEF = Prover(), Prover()
CREDENTIALS = {"grant_type": "client_credentials", "scope": "agent"}


class Agent:
    """An agent that proves its key, to the authority of a test."""

    def __init__(self, authority, http):
        self.authority, self.http, self.prover = authority, http, PROVER

    def prove(self, endpoint="token", method="POST", token=None, **changes):
        uri = f"{self.authority.issuer}/{endpoint}"
        return self.prover.prove(method, uri, self.authority.clock.now(), token, **changes)

    async def ask(self, form, *proofs, endpoint="token", headers=None):
        fields = [*(basic() if headers is None else headers).items(), *(("DPoP", each) for each in proofs)]
        return await self.http.post(f"{self.authority.path}/as/{endpoint}", data=form, headers=fields)

    async def refused(self, form, *proofs, **options):
        response = await self.ask(form, *proofs, **options)
        assert response.status_code == 400
        assert "nonce" not in response.json()["error_description"] or response.headers["dpop-nonce"]
        return response.json()["error"]

    async def userinfo(self, token, *proofs, scheme="DPoP", method="GET"):
        fields = [("Authorization", f"{scheme} {token}"), *(("DPoP", each) for each in proofs)]
        return await self.http.request(method, f"{self.authority.path}/as/userinfo", headers=fields)

    def claims(self, response):
        token = response.json()["access_token"]
        environment = self.authority.directory.environment
        return self.authority.services.verifier.verify(token, environment.keys, environment.issuer, NOW)


@pytest.fixture
async def agent(authority):
    async with authority.client() as http:
        yield Agent(authority, http)


async def code_of(browser, url):
    await browser.get(url)
    await browser.sign_on()
    await browser.accept()
    return browser.answer["code"]


def redeeming(code):
    return {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": REDIRECT_URI,
        "code_verifier": VERIFIER,
    }


async def test_a_token_request_with_a_proof_gets_a_bound_token(authority, agent):
    response = await agent.ask(CREDENTIALS, agent.prove())
    assert (response.status_code, response.json()["token_type"]) == (200, "DPoP")
    assert agent.claims(response)["cnf"] == {"jkt": PROVER.thumbprint}
    assert response.headers["dpop-nonce"]
    free = await agent.ask(CREDENTIALS)
    assert (free.json()["token_type"], free.headers.get("dpop-nonce")) == ("Bearer", None)
    assert "cnf" not in agent.claims(free)
    records = await authority.records("TOKEN-ISSUED")
    assert [each.get("boundTo") for each in records] == [PROVER.thumbprint, None]


@pytest.mark.parametrize(
    "make",
    [
        lambda agent: [agent.prove()] * 2,
        lambda agent: [agent.prove(), agent.prove()],
        lambda agent: [""],
        lambda agent: ["x"],
        lambda agent: [f"{agent.prove()}, {agent.prove()}"],
        lambda agent: [agent.prove("userinfo")],
        lambda agent: [agent.prove("token/x")],
        lambda agent: [agent.prove(htu="http://evil.test/token")],
        lambda agent: [agent.prove(method="GET")],
        lambda agent: [agent.prove(iat=NOW - PROOF_LIFETIME)],
        lambda agent: [agent.prove(iat=NOW + 61)],
        lambda agent: [agent.prove(jti="x" * 257)],
        lambda agent: [agent.prove(header={"alg": "none"})],
        lambda agent: [agent.prove(header={"alg": "HS256", "jwk": {"kty": "oct", "k": "AAAA"}})],
        lambda agent: [agent.prove(header={"jwk": PROVER.key.as_dict(private=True)})],
        lambda agent: [agent.prove(header={"jwk": THIEF.public_jwk})],
        lambda agent: [agent.prove(header={"typ": "JWT"})],
        lambda agent: [agent.prove(padding="x" * 5000)],
    ],
    ids=range(18),
)
async def test_a_proof_that_is_not_one_of_the_request_is_refused(agent, make):
    assert await agent.refused(CREDENTIALS, *make(agent)) == "invalid_dpop_proof"


async def test_the_host_that_the_request_names_is_not_what_a_proof_is_for(agent):
    proof = agent.prove(htu="http://evil.test/as/token")
    headers = {**basic(), "Host": "evil.test"}
    assert await agent.refused(CREDENTIALS, proof, headers=headers) == "invalid_dpop_proof"


async def test_a_proof_counts_once_also_after_a_restart(authority, agent):
    proof = agent.prove()
    assert (await agent.ask(CREDENTIALS, proof)).status_code == 200
    for _ in range(2):
        assert await agent.refused(CREDENTIALS, proof) == "invalid_dpop_proof"
    rows = await authority.store.database.rows(select(ONE_TIME_IDS), {})
    assert len(rows) == 1, "and it is written down, for every process"


async def test_who_is_not_authenticated_makes_the_store_remember_nothing(authority, agent):
    response = await agent.ask(CREDENTIALS, agent.prove(), headers=basic(secret="wrong"))
    assert response.json()["error"] == "invalid_client"
    assert await agent.refused(redeeming("no code"), agent.prove()) == "invalid_grant"
    assert await authority.store.database.rows(select(ONE_TIME_IDS), {}) == []


async def test_one_head_with_another_proof_each_time_is_read_each_time(authority, agent):
    """Heads that differ in the proof alone share what was read of them once."""
    for prover in (PROVER, THIEF, PROVER):
        agent.prover = prover
        assert agent.claims(await agent.ask(CREDENTIALS, agent.prove()))["cnf"] == {"jkt": prover.thumbprint}


async def test_a_nonce_that_is_given_is_taken_for_a_while_by_every_process(authority, agent):
    nonce = (await agent.ask(CREDENTIALS, agent.prove())).headers["dpop-nonce"]
    for _ in range(2):
        assert (await agent.ask(CREDENTIALS, agent.prove(nonce=nonce))).status_code == 200
    for wrong in ("x", "", nonce[::-1]):
        assert await agent.refused(CREDENTIALS, agent.prove(nonce=wrong)) == "use_dpop_nonce"
    authority.clock.instant += 2 * NONCE_PERIOD
    response = await agent.ask(CREDENTIALS, agent.prove(nonce=nonce))
    assert (response.status_code, response.json()["error"]) == (400, "use_dpop_nonce")
    fresh = response.headers["dpop-nonce"]
    assert (await agent.ask(CREDENTIALS, agent.prove(nonce=fresh))).status_code == 200


async def test_an_environment_may_demand_nonces(authority, agent):
    authority.directory.replace(
        settings=EnvironmentSettings(default_policy=POLICY_NAME, require_dpop_nonce=True)
    )
    response = await agent.ask(CREDENTIALS, agent.prove())
    assert (response.status_code, response.json()["error"]) == (400, "use_dpop_nonce")
    nonce = response.headers["dpop-nonce"]
    assert (await agent.ask(CREDENTIALS, agent.prove(nonce=nonce))).status_code == 200


async def test_a_key_named_at_the_authorization_endpoint_is_to_be_proven_with_the_code(
    authority, browser, agent
):
    code = await code_of(browser, authority.authorize_url(dpop_jkt=PROVER.thumbprint))
    assert await agent.refused(redeeming(code)) == "invalid_grant"
    agent.prover = THIEF
    assert await agent.refused(redeeming(code), agent.prove()) == "invalid_grant"
    agent.prover = PROVER
    response = await agent.ask(redeeming(code), agent.prove())
    assert (response.status_code, response.json()["token_type"]) == (200, "DPoP")


async def test_what_is_no_thumbprint_is_refused_at_the_authorization_endpoint(authority, agent):
    response = await agent.http.get(authority.authorize_url(dpop_jkt="x"))
    assert "error=invalid_request" in response.headers["location"]


async def test_a_pushed_request_names_the_key_by_its_proof(authority, browser, agent):
    form = authorization_parameters()
    response = await agent.ask(form, agent.prove("par"), endpoint="par")
    assert (response.status_code, bool(response.headers["dpop-nonce"])) == (201, True)
    query = f"client_id={AGENT_ID}&request_uri={response.json()['request_uri']}"
    code = await code_of(browser, f"{authority.path}/as/authorize?{query}")
    assert await agent.refused(redeeming(code)) == "invalid_grant"
    assert (await agent.ask(redeeming(code), agent.prove())).status_code == 200


async def test_a_pushed_request_names_one_key(agent):
    form = authorization_parameters(dpop_jkt=THIEF.thumbprint)
    assert await agent.refused(form, agent.prove("par"), endpoint="par") == "invalid_dpop_proof"
    same = authorization_parameters(dpop_jkt=PROVER.thumbprint)
    proof = agent.prove("par")
    assert (await agent.ask(same, proof, endpoint="par")).status_code == 201
    assert await agent.refused(same, proof, endpoint="par") == "invalid_dpop_proof"
    assert await agent.refused(same, agent.prove("token"), endpoint="par") == "invalid_dpop_proof"


async def test_pushing_for_a_public_client_makes_the_store_remember_nothing(authority, browser, agent):
    settings = ENVIRONMENT.agents[AGENT_ID].settings.model_copy(update={"client_auth": "none"})
    authority.directory.replace_agent(settings=settings)
    form = authorization_parameters()
    proof = agent.prove("par")
    for _ in range(2):
        assert (await agent.ask(form, proof, endpoint="par", headers={})).status_code == 201
    assert await authority.store.database.rows(select(ONE_TIME_IDS), {}) == []


async def test_a_public_clients_stolen_refresh_token_is_worth_nothing(authority, browser, agent):
    settings = ENVIRONMENT.agents[AGENT_ID].settings.model_copy(update={"client_auth": "none"})
    authority.directory.replace_agent(settings=settings)
    code = await code_of(browser, authority.authorize_url())
    owner = {"client_id": AGENT_ID}
    first = await agent.ask({**redeeming(code), **owner}, agent.prove(), headers={})
    stolen = {"grant_type": "refresh_token", "refresh_token": first.json()["refresh_token"], **owner}
    assert await agent.refused(stolen, headers={}) == "invalid_grant"
    agent.prover = THIEF
    assert await agent.refused(stolen, agent.prove(), headers={}) == "invalid_grant"
    agent.prover = PROVER
    refreshed = await agent.ask(stolen, agent.prove(), headers={})
    assert (refreshed.status_code, refreshed.json()["token_type"]) == (200, "DPoP")


@pytest.fixture
async def token(authority, browser, agent):
    code = await code_of(browser, authority.authorize_url(scope="openid email"))
    return (await agent.ask(redeeming(code), agent.prove())).json()["access_token"]


def challenges(response):
    assert response.status_code == 401
    return response.headers.get_list("www-authenticate")


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_userinfo_takes_a_bound_token_with_a_proof(agent, token, method):
    response = await agent.userinfo(token, agent.prove("userinfo", method, token), method=method)
    assert (response.status_code, response.json()["email"]) == (200, "demo@example.com")
    assert response.headers["dpop-nonce"]


async def test_userinfo_takes_no_stolen_bound_token(agent, token):
    for proofs in ((), (agent.prove("userinfo", "GET", token),)):
        response = await agent.userinfo(token, *proofs, scheme="Bearer")
        assert challenges(response) == ['Bearer error="invalid_token"', f"DPoP {ALGS}"]


async def test_userinfo_takes_no_proof_of_something_else(agent, token):
    used = agent.prove("userinfo", "GET", token)
    assert (await agent.userinfo(token, used)).status_code == 200
    theirs = Agent(agent.authority, agent.http)
    theirs.prover = THIEF
    for proofs in (
        (),
        (used,),
        (agent.prove("userinfo", "GET", token),) * 2,
        (agent.prove("userinfo", "GET"),),
        (agent.prove("userinfo", "GET", "another token"),),
        (agent.prove("userinfo", "POST", token),),
        (agent.prove("token", "GET", token),),
        (theirs.prove("userinfo", "GET", token),),
    ):
        response = await agent.userinfo(token, *proofs)
        assert challenges(response) == [f'DPoP error="invalid_dpop_proof", {ALGS}']
    response = await agent.userinfo(token, agent.prove("userinfo", "GET", token, nonce="x"))
    assert challenges(response) == [f'DPoP error="use_dpop_nonce", {ALGS}']
    assert response.headers["dpop-nonce"]


async def test_userinfo_takes_no_unbound_token_by_this_scheme(authority, browser, agent):
    code = await code_of(browser, authority.authorize_url(scope="openid email"))
    token = (await agent.ask(redeeming(code))).json()["access_token"]
    response = await agent.userinfo(token, agent.prove("userinfo", "GET", token))
    assert challenges(response) == ["Bearer", f'DPoP error="invalid_token", {ALGS}']
    assert (await agent.userinfo(token, scheme="Bearer")).status_code == 200


async def test_userinfo_offers_both_schemes(agent, authority):
    response = await agent.http.get(f"{authority.path}/as/userinfo")
    assert challenges(response) == ["Bearer", f"DPoP {ALGS}"]


async def test_the_metadata_names_the_algorithms_that_proofs_are_verified_by(authority, agent):
    path = f"{authority.path}/as/.well-known/openid-configuration"
    document = json.loads((await agent.http.get(path)).content)
    named = document["dpop_signing_alg_values_supported"]
    assert named == list(PROOF_ALGORITHMS)
    for algorithm in named:
        agent.prover = Prover(algorithm)
        assert (await agent.ask(CREDENTIALS, agent.prove())).status_code == 200


def test_environments_demand_no_nonce_by_default():
    assert not ENVIRONMENT.settings.require_dpop_nonce
