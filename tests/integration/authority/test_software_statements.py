"""Programs register themselves by what somebody whose word is taken has signed (RFC 7591 section 2.3)."""

import hmac
import json
from base64 import urlsafe_b64encode

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from support.agent_delegation import NOW
from support.introductions import FRAME, apply_file, introduced, introducing

ISSUER = "https://directory.example.com"
KEY = ECKey.generate_key("P-256", {"kid": "k1"})
OTHER = ECKey.generate_key("P-256", {"kid": "k1"})
SECOND = ECKey.generate_key("P-256", {"kid": "k2"})
SECOND_ISSUER = "https://second.example.com"
THIRD_ISSUER = "https://third.example.com"
"""Trusted, but not for statements."""
STATEMENT = {
    "iss": ISSUER,
    "software_id": "4NRB1-0XZABZI9E6-5SM3R",
    "client_name": "Signed Client",
    "redirect_uris": ["https://signed.example.com/cb"],
}


def entry(issuer, key):
    keys = json.dumps({"keys": [key.as_dict(private=False)]})
    return f"  - {{ issuer: {issuer}, algorithms: [ES256], jwks: {keys} }}\n"


TRUSTED = "trusted_issuers:\n" + entry(ISSUER, KEY) + entry(SECOND_ISSUER, SECOND) + entry(THIRD_ISSUER, KEY)


def stating(*issuers):
    """Return a file that takes the statements of these issuers."""
    return TRUSTED + FRAME.replace("  open: true\n", f"  software_statements: [{', '.join(issuers)}]\n")


STATED = stating(ISSUER, SECOND_ISSUER)


def sign(key=KEY, algorithm="ES256", typ=None, **claims):
    members = {name: value for name, value in {**STATEMENT, **claims}.items() if value is not None}
    header = {"alg": algorithm, "kid": "k1"} | ({} if typ is None else {"typ": typ})
    return jwt.encode(header, members, key, algorithms=[algorithm])


@pytest.fixture
async def running(tmp_path):
    async with introducing(tmp_path, STATED) as running:
        yield running


@pytest.fixture
async def client(running):
    async with running.client() as client:
        yield client


async def register(client, running, statement, **members):
    body = {"token_endpoint_auth_method": "none", **members}
    if statement is not None:
        body["software_statement"] = statement
    return await client.post(f"{running.path}/as/register", json=body)


async def test_what_is_signed_counts_and_not_what_the_client_adds(running, client):
    answer = await register(
        client,
        running,
        sign(exp=NOW + 60),
        redirect_uris=["https://evil.example.com/cb"],
        client_name="Your Bank",
        client_uri="https://evil.example.com/",
    )
    assert answer.status_code == 201
    registered = answer.json()
    assert registered["redirect_uris"] == ["https://signed.example.com/cb"]
    assert registered["client_name"] == "Signed Client"
    assert "client_uri" not in registered
    (agent,) = introduced(running)
    assert (agent.origin.means, agent.origin.detail) == ("software_statement", ISSUER)


def encoded(octets):
    return urlsafe_b64encode(octets).rstrip(b"=").decode()


NONE, HS256 = encoded(b'{"alg":"none"}'), encoded(b'{"alg":"HS256"}')


def unsigned():
    header, payload, _ = sign().split(".")
    return f"{header}.{payload}."


def by_none():
    return f"{NONE}.{sign().split('.')[1]}."


def by_the_public_key_as_a_secret():
    signed = f"{HS256}.{sign().split('.')[1]}"
    return f"{signed}.{encoded(hmac.digest(KEY.as_pem(private=False), signed.encode(), 'sha256'))}"


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        (by_none, "invalid_software_statement"),
        (unsigned, "invalid_software_statement"),
        (by_the_public_key_as_a_secret, "invalid_software_statement"),
        (lambda: sign(OTHER), "invalid_software_statement"),
        (lambda: sign(RSAKey.generate_key(2048), "RS256"), "invalid_software_statement"),
        (lambda: sign(exp=NOW), "invalid_software_statement"),
        (lambda: sign(nbf=NOW + 1), "invalid_software_statement"),
        (lambda: sign(exp="tomorrow"), "invalid_software_statement"),
        (lambda: sign(redirect_uris=None), "invalid_software_statement"),
        (lambda: sign(redirect_uris=["http://evil.example.com/"]), "invalid_redirect_uri"),
        (lambda: sign(iss=SECOND_ISSUER), "invalid_software_statement"),
        (lambda: sign(iss=THIRD_ISSUER), "unapproved_software_statement"),
        (lambda: sign(typ="oauth-id-jag+jwt"), "invalid_software_statement"),
        (lambda: sign(iss="https://evil.example.com"), "unapproved_software_statement"),
        (lambda: sign(iss=None), "unapproved_software_statement"),
        (lambda: sign()[:-8] + "AAAAAAAA", "invalid_software_statement"),
        (lambda: "x" * 9000, "invalid_software_statement"),
        (lambda: "nonsense", "invalid_software_statement"),
        (lambda: 7, "invalid_software_statement"),
    ],
)
async def test_what_is_not_signed_by_its_issuer_in_the_named_way_counts_for_nothing(
    running, client, statement, error
):
    answer = await register(client, running, statement())
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert introduced(running) == []


async def test_without_a_statement_nobody_comes(running, client):
    answer = await register(client, running, None, redirect_uris=["https://a.example.com/"])
    assert answer.status_code == 401


async def test_an_update_needs_a_statement_of_the_same_issuer(running, client):
    registered = (await register(client, running, sign())).json()
    headers = {"Authorization": f"Bearer {registered['registration_access_token']}"}
    path = f"{running.path}/as/register/{registered['client_id']}"
    body = {
        "client_id": registered["client_id"],
        "redirect_uris": ["https://evil.example.com/cb"],
        "token_endpoint_auth_method": "none",
    }
    unstated = await client.put(path, headers=headers, json=body)
    assert unstated.json()["error"] == "invalid_software_statement"
    header = {"alg": "ES256", "kid": "k2"}
    claims = {**STATEMENT, "iss": SECOND_ISSUER}
    other = jwt.encode(header, claims, SECOND)
    refused = await client.put(path, headers=headers, json={**body, "software_statement": other})
    assert refused.json()["error"] == "unapproved_software_statement"
    newer = sign(redirect_uris=["https://signed.example.com/new"])
    changed = await client.put(path, headers=headers, json={**body, "software_statement": newer})
    assert changed.json()["redirect_uris"] == ["https://signed.example.com/new"]


async def test_its_agents_go_with_the_issuer(running, client):
    assert (await register(client, running, sign())).status_code == 201
    await apply_file(running, f"environment: Agent Delegation\n{stating(SECOND_ISSUER)}")
    assert introduced(running) == []
