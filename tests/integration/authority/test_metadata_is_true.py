"""Every member of the metadata is tried: what is advertised works, and what works is advertised.

A member without an entry in `TRIED` fails, so that nothing is advertised that nobody tried.
"""

import base64
import json
from hashlib import sha256
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest

from deputize.authority.signon.pages import LOCALES
from deputize.authority.storage import Put
from deputize.jose import parse_public_key
from deputize.oauth.client_auth import CLIENT_AUTH_METHODS
from deputize.oauth.grants import GRANTS, jwt_bearer
from support.agent_delegation import (
    AGENT_ID,
    ALL_GRANTS,
    ENVIRONMENT_ID,
    REDIRECT_URI,
    TEST_ID,
    TEST_SECRET,
    VERIFIER,
    exchange_request,
)
from support.authority import USER, Browser, authorization_parameters, basic
from support.client_proofs import assertion, assertion_form, present
from support.issuers import ALGORITHMS, public_jwk
from support.proofs import Prover
from support.records import replace

PLACES = [
    place
    for name in ("openid-configuration", "oauth-authorization-server")
    for place in (
        f"/{ENVIRONMENT_ID}/as/.well-known/{name}",  # appended (OpenID Connect Discovery)
        f"/.well-known/{name}/{ENVIRONMENT_ID}/as",  # inserted (RFC 8414)
    )
]


class World:
    """A program and a browser on sockets, at an authority that publishes `metadata`."""

    def __init__(self, served, http, metadata):
        self.served, self.http, self.metadata = served, http, metadata
        self.browser = Browser(served, http)

    def agent(self, **changes):
        self.served.directory.replace_agent(**changes)

    async def code(self, **changes):
        """Sign on and accept, whatever of it is asked for; the query the agent gets."""
        query = urlencode(authorization_parameters(**changes))
        await self.browser.get(f"{self.metadata['authorization_endpoint']}?{query}")
        if self.browser.heading == "Sign on":
            await self.browser.sign_on()
        if self.browser.heading.startswith("Let "):
            await self.browser.accept()
        return self.browser.answer

    async def tokens(self, **changes):
        answer = await self.code(**changes)
        form = {
            "grant_type": "authorization_code",
            "code": answer["code"],
            "redirect_uri": REDIRECT_URI,
            "code_verifier": VERIFIER,
        }
        return await self.token(form)

    async def token(self, form, headers=None, status=200):
        response = await self.http.post(
            self.metadata["token_endpoint"], data=form, headers=headers or basic()
        )
        assert response.status_code == status, response.text
        return response.json()

    async def id_token(self, **changes):
        """The claims and the header of an ID token."""
        token = (await self.tokens(scope="openid profile email agent", **changes))["id_token"]
        return tuple(map(read, token.split(".")[1::-1]))


def read(part):
    """Read a part of a JWT."""
    return json.loads(base64.urlsafe_b64decode(part + "=="))


async def issuer(world, value):
    assert value == world.served.issuer
    assert (await world.code())["iss"] == value


async def authorization_endpoint(world, value):
    assert "code" in await world.code()


async def pushed_authorization_request_endpoint(world, value):
    pushed = await world.http.post(value, data=authorization_parameters(), headers=basic())
    query = urlencode({"client_id": AGENT_ID, "request_uri": pushed.json()["request_uri"]})
    assert pushed.status_code == 201
    response = await world.browser.get(f"{world.metadata['authorization_endpoint']}?{query}")
    assert response.status_code == 200
    assert world.browser.heading == "Sign on"


async def require_pushed_authorization_requests(world, value):
    assert value is False
    assert "code" in await world.code()


async def token_endpoint(world, value):
    assert await world.token({"grant_type": "client_credentials", "scope": "agent"})


async def userinfo_endpoint(world, value):
    token = (await world.tokens(scope="openid email"))["access_token"]
    for method in ("GET", "POST"):
        answer = await world.http.request(method, value, headers={"Authorization": f"Bearer {token}"})
        assert answer.json()["email"] == USER.email


async def jwks_uri(world, value):
    keys = (await world.http.get(value)).json()["keys"]
    assert all(parse_public_key(key) for key in keys)
    assert {key["alg"] for key in keys} == {*world.metadata["id_token_signing_alg_values_supported"]}
    _, header = await world.id_token()
    assert header["kid"] in {key["kid"] for key in keys}


async def introspection_endpoint(world, value):
    token = (await world.tokens())["access_token"]
    agents = await world.http.post(value, data={"token": token}, headers=basic())
    resources = await world.http.post(value, data={"token": token}, headers=basic(TEST_ID, TEST_SECRET))
    assert (agents.json()["active"], resources.json()) == (True, {"active": False})


async def revocation_endpoint(world, value):
    token = (await world.tokens())["access_token"]
    assert (await world.http.post(value, data={"token": token}, headers=basic())).status_code == 200
    answer = await world.http.post(
        world.metadata["introspection_endpoint"], data={"token": token}, headers=basic()
    )
    assert answer.json() == {"active": False}


async def end_session_endpoint(world, value):
    world.agent(post_logout_redirect_uris=("https://agent.example/done",))
    hint = (await world.tokens(scope="openid agent"))["id_token"]
    query = {
        "id_token_hint": hint,
        "post_logout_redirect_uri": "https://agent.example/done",
        "state": "s",
    }
    await world.browser.get(f"{value}?{urlencode(query)}")
    assert world.browser.response.headers["location"] == "https://agent.example/done?state=s"
    assert (await world.code(prompt="none"))["error"] == "login_required"


async def acr_values_supported(world, value):
    assert value == sorted(world.served.directory.environment.policies)
    for name in value:
        world.agent(policies=tuple(value))
        assert (await world.id_token(acr_values=f"unknown {name}"))[0]["acr"] == name


async def authorization_response_iss_parameter_supported(world, value):
    refused = await world.code(scope="unknown")
    assert value is True
    assert (refused["error"], refused["iss"]) == ("invalid_scope", world.metadata["issuer"])


async def backchannel_logout_supported(world, value):
    """`test_backchannel_logout` delivers them; here is what makes them due."""
    assert value is True
    assert (await world.id_token())[0]["sid"]


async def claims_parameter_supported(world, value):
    assert value is False
    assert "code" in await world.code(claims='{"userinfo": {"email": {"essential": true}}}')


async def claims_supported(world, value):
    rows = world.served.store.directory_rows
    await rows.change([Put(replace(USER, preferred_language="en"))], await rows.version())
    claims, _ = await world.id_token(nonce="n")
    assert set(value) <= claims.keys()


async def code_challenge_methods_supported(world, value):
    for method in (*value, "plain", None):
        answer = await world.code(code_challenge_method=method)
        assert ("code" in answer) == (method in value), method


async def dpop_signing_alg_values_supported(world, value):
    for algorithm in value:
        proof = Prover(algorithm).prove("POST", world.metadata["token_endpoint"], world.served.clock.now())
        form = {"grant_type": "client_credentials", "scope": "agent"}
        assert (await world.token(form, {**basic(), "DPoP": proof}))["token_type"] == "DPoP"


async def grant_types_supported(world, value):
    trusting = {jwt_bearer.GRANT_TYPE}  # advertised where an issuer is trusted, and tried there
    assert value == [grant.grant_type for grant in GRANTS.members if grant.grant_type not in trusting]
    assert set(value) == ALL_GRANTS, "each is tried below"
    subject = await world.tokens(scope="openid agent")
    form = {"grant_type": "refresh_token", "refresh_token": subject["refresh_token"]}
    subject = (await world.token(form))["access_token"]
    actor = (await world.token({"grant_type": "client_credentials", "scope": "agent"}))["access_token"]
    assert await world.token({**exchange_request(subject, actor), "scope": "test"})
    for unknown in ("password", "implicit", "urn:ietf:params:oauth:grant-type:device_code"):
        assert (await world.token({"grant_type": unknown}, status=400))["error"] == "unsupported_grant_type"


async def id_token_signing_alg_values_supported(world, value):
    assert "RS256" in value  # OpenID Connect Discovery section 3
    for algorithm in value:
        world.agent(id_token_signed_response_alg=algorithm)
        answer = await world.tokens(scope="openid agent")
        header, claims, _ = answer["id_token"].split(".")
        assert read(header)["alg"] == algorithm
        hashed = sha256(answer["access_token"].encode()).digest()[:16]  # section 3.1.3.6
        assert base64.urlsafe_b64decode(read(claims)["at_hash"] + "==") == hashed


async def prompt_values_supported(world, value):
    assert (await world.code(prompt="none"))["error"] == "login_required"
    assert "code" in await world.code()
    shown = {"none": "", "login": "Sign on", "select_account": "Sign on", "consent": "Let "}
    assert {*value} == {*shown}
    for prompt, heading in shown.items():
        query = urlencode(authorization_parameters(prompt=prompt))
        await world.browser.get(f"{world.metadata['authorization_endpoint']}?{query}")
        assert world.browser.heading.startswith(heading), prompt
        assert bool(world.browser.heading) == bool(heading), prompt
    assert (await world.code(prompt="create"))["error"] == "invalid_request"


async def request_parameter_supported(world, value):
    assert value is False
    assert (await world.code(request="x.y.z"))["error"] == "request_not_supported"


async def request_uri_parameter_supported(world, value):
    """It is about request objects; the URI of a pushed request is another thing (RFC 9126 section 5)."""
    assert value is False
    assert (await world.code(request_uri="https://x.example/r"))["error"] == "request_uri_not_supported"


async def response_modes_supported(world, value):
    for mode in (*value, "fragment", "form_post"):
        answer = await world.code(response_mode=mode)
        assert ("code" in answer) == (mode in value)


async def response_types_supported(world, value):
    for kind in (*value, "token", "id_token", "code id_token", "none"):
        answer = await world.code(response_type=kind)
        assert ("code" in answer) == (kind in value)


async def scopes_supported(world, value):
    environment = world.served.directory.environment
    own = {name for resource in environment.resources.values() for name in resource.scopes}
    assert {*value} == {"openid", "profile", "email", "offline_access"} | own
    for scope in value:
        asked = f"openid {scope}" if scope in {"profile", "email", "offline_access"} else scope
        assert (await world.tokens(scope=asked))["scope"] == asked


async def subject_types_supported(world, value):
    assert value == ["public"]
    assert (await world.id_token())[0]["sub"] == USER.id


async def ui_locales_supported(world, value):
    titles = set()
    assert value == [*LOCALES]
    for locale in value:
        query = urlencode(authorization_parameters(ui_locales=locale, prompt="login"))
        response = await world.browser.get(f"{world.metadata['authorization_endpoint']}?{query}")
        assert f'lang="{locale}"' in response.text
        titles.add(world.browser.heading)
    assert len(titles) == len(value)


def authentication_at(endpoint, form):
    """Try each method that is advertised for an endpoint, and that no other one gets in there."""

    async def try_each(world, value):
        for method in (each.name for each in CLIENT_AUTH_METHODS.members):
            world.agent(
                client_auth=method,
                jwks={"keys": [public_jwk(ALGORITHMS["ES256"], "c1")]},
                grant_types=frozenset({"authorization_code", "refresh_token"}),
            )
            authorization, credentials = present(method, aud=world.metadata["issuer"])
            headers = {"Authorization": authorization} if authorization else {}
            response = await world.http.post(
                world.metadata[endpoint], data={**form, **credentials}, headers=headers
            )
            # Whoever is let in is told about the request, not about who they are.
            let_in = response.status_code == 200 or response.json()["error"] == "invalid_grant"
            assert let_in == (method in value), (method, response.text)

    return try_each


def assertion_algorithms_at(endpoint, form):
    async def try_each(world, value):
        for algorithm in value:
            key = ALGORITHMS[algorithm]
            world.agent(client_auth="private_key_jwt", jwks={"keys": [public_jwk(key, "c1")]})
            proof = assertion_form(assertion(key, algorithm, aud=world.metadata["issuer"]))
            response = await world.http.post(world.metadata[endpoint], data={**form, **proof})
            assert response.status_code == 200 or response.json()["error"] == "invalid_grant"

    return try_each


REFRESH = {"grant_type": "refresh_token", "refresh_token": "x"}
ANY_TOKEN = {"token": "x"}
TRIED = {
    each.__name__: each
    for each in (
        *(issuer, authorization_endpoint, pushed_authorization_request_endpoint, token_endpoint),
        *(userinfo_endpoint, jwks_uri, introspection_endpoint, revocation_endpoint, end_session_endpoint),
        *(acr_values_supported, authorization_response_iss_parameter_supported),
        *(backchannel_logout_supported, claims_parameter_supported, claims_supported),
        *(code_challenge_methods_supported, dpop_signing_alg_values_supported, grant_types_supported),
        *(id_token_signing_alg_values_supported, prompt_values_supported, request_parameter_supported),
        *(request_uri_parameter_supported, require_pushed_authorization_requests),
        *(response_modes_supported, response_types_supported, scopes_supported, subject_types_supported),
        ui_locales_supported,
    )
} | {
    "backchannel_logout_session_supported": backchannel_logout_supported,
    "token_endpoint_auth_methods_supported": authentication_at("token_endpoint", REFRESH),
    "introspection_endpoint_auth_methods_supported": authentication_at("introspection_endpoint", ANY_TOKEN),
    "revocation_endpoint_auth_methods_supported": authentication_at("revocation_endpoint", ANY_TOKEN),
    "token_endpoint_auth_signing_alg_values_supported": assertion_algorithms_at("token_endpoint", REFRESH),
    "introspection_endpoint_auth_signing_alg_values_supported": assertion_algorithms_at(
        "introspection_endpoint", ANY_TOKEN
    ),
    "revocation_endpoint_auth_signing_alg_values_supported": assertion_algorithms_at(
        "revocation_endpoint", ANY_TOKEN
    ),
}


@pytest.fixture
async def world(served):
    async with httpx2.AsyncClient(base_url=served.base_url) as http:
        yield World(served, http, (await http.get(PLACES[0])).json())


@pytest.mark.parametrize("member", TRIED)
async def test_what_is_advertised_works(world, member):
    await TRIED[member](world, world.metadata[member])


async def test_nothing_is_advertised_that_is_not_tried(world):
    assert world.metadata.keys() == TRIED.keys()


async def test_the_metadata_is_the_same_wherever_clients_look(world):
    for place in PLACES:
        response = await world.http.get(place, headers={"Host": urlsplit(world.served.base_url).netloc})
        assert response.json() == world.metadata
        assert response.headers["content-type"] == "application/json"
        assert parse_qs(urlsplit(world.metadata["issuer"]).query) == {}
