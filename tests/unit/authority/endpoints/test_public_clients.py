"""Clients that prove nothing, and clients that prove themselves by keys, at the endpoints."""

import pytest

from support.agent_delegation import AGENT_ID, AGENT_SECRET, NOW, TEST_ID, TEST_SECRET, VERIFIER
from support.authority import basic
from support.client_proofs import JWKS, assertion, assertion_form

PUBLIC = {"client_auth": "none", "grant_types": frozenset({"authorization_code", "refresh_token"})}
NATIVE = "http://127.0.0.1:51234/callback"
PROOF = {"client_id": AGENT_ID}


class PublicClient:
    """What a program on the user's machine does, without any secret."""

    def __init__(self, authority, client, browser) -> None:
        self.authority, self.client, self.browser = authority, client, browser
        self.members = {}

    async def post(self, endpoint, form, headers=None):
        return await self.client.post(f"{self.authority.path}/as/{endpoint}", data=form, headers=headers)

    async def sign_on(self):
        await self.browser.get(self.authority.authorize_url(redirect_uri=NATIVE))
        await self.browser.sign_on()
        await self.browser.accept()
        code = {"grant_type": "authorization_code", "code": self.browser.answer["code"]}
        self.members = (
            await self.post(
                "token", {**code, "redirect_uri": NATIVE, "code_verifier": VERIFIER, "client_id": AGENT_ID}
            )
        ).json()
        return self

    async def refresh(self, value, **more):
        form = {"grant_type": "refresh_token", "refresh_token": value, "client_id": AGENT_ID, **more}
        return await self.post("token", form)

    async def known(self):
        resource = basic(TEST_ID, TEST_SECRET)
        answer = await self.post("introspect", {"token": self.members["access_token"]}, resource)
        return answer.json()


@pytest.fixture
async def public(authority, browser):
    authority.directory.replace_agent(**PUBLIC, redirect_uris=("http://127.0.0.1/callback",))
    async with authority.client() as client:
        yield await PublicClient(authority, client, browser).sign_on()


async def test_a_public_client_gets_tokens_for_its_user_with_its_id_alone(public):
    assert public.members.keys() >= {"access_token", "refresh_token"}
    assert public.members["token_type"] == "Bearer"


async def test_a_code_without_its_verifier_is_worth_nothing(authority, browser):
    authority.directory.replace_agent(**PUBLIC, redirect_uris=("http://127.0.0.1/callback",))
    async with authority.client() as client:
        thief = PublicClient(authority, client, browser)
        await browser.get(authority.authorize_url(redirect_uri=NATIVE))
        await browser.sign_on()
        await browser.accept()
        form = {
            "grant_type": "authorization_code",
            "code": browser.answer["code"],
            "redirect_uri": NATIVE,
            "client_id": AGENT_ID,
        }
        for verifier in ({}, {"code_verifier": VERIFIER[::-1]}):
            assert "access_token" not in (await thief.post("token", {**form, **verifier})).json()


@pytest.mark.parametrize("changes", [{"code_challenge": None}, {"code_challenge_method": "plain"}])
async def test_nobody_signs_on_without_a_challenge(authority, browser, changes):
    authority.directory.replace_agent(**PUBLIC)
    await browser.get(authority.authorize_url(**changes))
    assert browser.answer["error"] == "invalid_request"


async def test_a_secret_does_not_help_a_public_client(authority, public):
    value = public.members["refresh_token"]
    assert (await public.refresh(value, client_secret=AGENT_SECRET)).json()["error"] == "invalid_client"
    form = {"grant_type": "refresh_token", "refresh_token": value}
    assert (await public.post("token", form, basic())).json()["error"] == "invalid_client"
    assert "access_token" in (await public.refresh(value)).json()


async def test_a_confidential_client_is_not_known_by_its_id(authority, public):
    authority.directory.replace_agent(client_auth=None)
    answer = await public.refresh(public.members["refresh_token"])
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize(
    "grant_type", ["client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"]
)
async def test_grants_that_only_a_proof_guards_are_refused(authority, public, grant_type):
    """Even where the agent was granted them."""
    grants = authority.directory.environment.agents[AGENT_ID].grant_types | {grant_type}
    authority.directory.replace_agent(grant_types=grants)
    form = {"grant_type": grant_type, "scope": "agent", **PROOF}
    token = {"subject_token": public.members["access_token"], "subject_token_type": "x"}
    answer = await public.post("token", {**form, **token})
    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")
    assert "for clients that authenticate" in answer.json()["error_description"]


async def test_a_public_client_gives_its_tokens_back(public):
    form = {"token": public.members["refresh_token"], **PROOF}
    assert (await public.post("revoke", form)).status_code == 200
    assert (await public.refresh(public.members["refresh_token"])).json()["error"] == "invalid_grant"


async def test_a_public_client_may_not_introspect(public):
    answer = await public.post("introspect", {"token": public.members["access_token"], **PROOF})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert "for callers that authenticate" in answer.json()["error_description"]


async def test_a_spent_refresh_token_ends_what_came_of_it(authority, public):
    first = public.members["refresh_token"]
    second = (await public.refresh(first)).json()["refresh_token"]
    authority.clock.instant += 10
    assert (await public.refresh(first)).json()["error"] == "invalid_grant"
    assert (await public.refresh(second)).json()["error"] == "invalid_grant"


async def test_an_answer_that_got_lost_is_given_again_for_ten_seconds(authority, public):
    first = public.members["refresh_token"]
    second = (await public.refresh(first)).json()["refresh_token"]
    authority.clock.instant += 9.5
    assert (await public.refresh(first)).json()["refresh_token"] == second


async def test_a_set_grace_counts_where_it_is_shorter(authority, public):
    authority.directory.replace_agent(refresh_token_grace=0)
    first = public.members["refresh_token"]
    assert "refresh_token" in (await public.refresh(first)).json()
    assert (await public.refresh(first)).json()["error"] == "invalid_grant"


@pytest.mark.parametrize("registered", ["none", "private_key_jwt"])
async def test_introspection_says_how_the_client_authenticated(authority, public, registered):
    authority.directory.replace_agent(client_auth=registered, jwks=JWKS)
    proof = PROOF if registered == "none" else assertion_form(assertion(aud=authority.issuer))
    form = {"grant_type": "refresh_token", "refresh_token": public.members["refresh_token"], **proof}
    token = (await public.post("token", form)).json()["access_token"]
    authority.directory.replace_agent(client_auth=None)
    answer = await public.post("introspect", {"token": token}, basic())
    assert answer.json()["token_endpoint_auth_method"] == registered


async def test_a_token_by_a_secret_has_no_member_that_others_do_not_have(authority):
    async with authority.client() as client:
        form = {"grant_type": "client_credentials", "scope": "agent"}
        token = (await client.post(f"{authority.path}/as/token", data=form, headers=basic())).json()
        form = {"token": token["access_token"]}
        known = (await client.post(f"{authority.path}/as/introspect", data=form, headers=basic())).json()
    assert known["active"]
    assert "token_endpoint_auth_method" not in known


async def test_an_assertion_is_taken_once_at_any_endpoint(authority):
    authority.directory.replace_agent(client_auth="private_key_jwt", jwks=JWKS)
    aud = authority.issuer
    async with authority.client() as client:

        async def post(endpoint, form, text):
            address = f"{authority.path}/as/{endpoint}"
            return await client.post(address, data={**form, **assertion_form(text)})

        first, form = assertion(aud=aud), {"grant_type": "client_credentials", "scope": "agent"}
        token = (await post("token", form, first)).json()["access_token"]
        for endpoint in ("token", "introspect", "revoke"):
            answer = await post(endpoint, {**form, "token": token}, first)
            assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        second = assertion(aud=aud)
        assert (await post("introspect", {"token": token}, second)).json()["active"]
        assert (await post("introspect", {"token": token}, second)).status_code == 401
        assert (await post("revoke", {"token": token}, assertion(aud=aud))).status_code == 200
        assert not (await post("introspect", {"token": token}, assertion(aud=aud))).json()["active"]


async def test_what_is_not_believed_is_told_to_the_log_alone(authority):
    authority.directory.replace_agent(client_auth="private_key_jwt", jwks=JWKS)
    async with authority.client() as client:
        text = assertion(aud=authority.issuer, exp=NOW - 1)
        form = {"grant_type": "client_credentials", "scope": "agent", **assertion_form(text)}
        answer = await client.post(f"{authority.path}/as/token", data=form)
    assert answer.json()["error_description"].startswith("Client authentication failed (")
    (record,) = await authority.records("TOKEN-REFUSED")
    assert "exp is no instant" in str(record)
    assert text not in str(record)


async def test_the_metadata_names_what_each_endpoint_takes(authority):
    async with authority.client() as client:
        metadata = (await client.get(f"{authority.path}/as/.well-known/openid-configuration")).json()
    for endpoint in ("token", "revocation"):
        assert {"none", "private_key_jwt"} <= {*metadata[f"{endpoint}_endpoint_auth_methods_supported"]}
    assert "private_key_jwt" in metadata["introspection_endpoint_auth_methods_supported"]
    assert "none" not in metadata["introspection_endpoint_auth_methods_supported"]
    for endpoint in ("token", "revocation", "introspection"):
        assert "ES256" in metadata[f"{endpoint}_endpoint_auth_signing_alg_values_supported"]
