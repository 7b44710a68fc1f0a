import re

import pytest
from structlog.testing import capture_logs

from support.agent_delegation import AGENT_ID, AGENT_SECRET
from support.authority import basic

ACTOR = {"grant_type": "client_credentials", "scope": "agent"}


@pytest.fixture
async def agent(authority):
    async with authority.client() as client:
        yield client


def ask(authority, agent, form=ACTOR, headers=None):
    return agent.post(
        f"{authority.path}/as/token", data=form, headers=basic() if headers is None else headers
    )


async def test_an_agent_gets_a_token_of_its_own(authority, agent):
    response = await ask(authority, agent)
    assert response.status_code == 200
    assert response.json().keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert response.headers["cache-control"] == "no-store"


async def test_credentials_in_the_form_do_as_well(authority, agent):
    form = {**ACTOR, "client_id": AGENT_ID, "client_secret": AGENT_SECRET}
    assert (await ask(authority, agent, form, {})).status_code == 200


@pytest.mark.parametrize(
    "headers", [{}, basic(secret="wrong"), basic("nobody"), {"Authorization": "Basic %%%"}]
)
async def test_a_client_that_is_not_proven_is_challenged(authority, agent, headers):
    response = await ask(authority, agent, headers=headers)
    assert response.status_code == 401
    assert response.json()["error"] == "invalid_client"
    assert response.headers["www-authenticate"].startswith("Basic ")


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        (
            {"grant_type": "authorization_code", "code": "x", "redirect_uri": "y", "code_verifier": "z"},
            "invalid_grant",
        ),
        ({"grant_type": "client_credentials", "scope": "unknown"}, "invalid_scope"),
        ({"grant_type": "client_credentials", "scope": "test"}, "invalid_target"),
    ],
)
async def test_refusals_have_their_code_and_a_correlation_id(authority, agent, form, error):
    response = await ask(authority, agent, form)
    assert response.status_code == 400
    assert response.json()["error"] == error
    assert re.search(r" \(Correlation ID: [0-9a-f-]{36}\)$", response.json()["error_description"])
    assert response.headers["cache-control"] == "no-store"


async def test_the_log_says_more_under_the_same_id(authority, agent):
    with capture_logs() as lines:
        response = await ask(authority, agent, headers=basic(secret="wrong"))
    (line,) = [each for each in lines if each["event"] == "token refused"]
    assert line["correlation_id"] in response.json()["error_description"]
    assert "the secret is wrong" in line["reason"]
    assert "the secret is wrong" not in response.text


async def test_an_issued_token_is_recorded_but_never_the_token(authority, agent):
    with capture_logs() as lines:
        token = (await ask(authority, agent)).json()["access_token"]
    (line,) = [each for each in lines if each["event"] == "token issued"]
    assert line["client_auth"] == "client_secret_basic"
    assert (line["client_id"], line["grant_type"], line["resource"], line["act"]) == (
        AGENT_ID,
        "client_credentials",
        ["agent"],
        [],
    )
    assert token not in str(lines)
    assert AGENT_SECRET not in str(lines)


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "multipart/form-data; boundary=x", "text/plain", ""],
    ids=["json", "multipart", "text", "none"],
)
async def test_only_forms_are_read(authority, agent, content_type):
    headers = {**basic(), "Content-Type": content_type}
    response = await agent.post(
        f"{authority.path}/as/token", content=b"grant_type=client_credentials", headers=headers
    )
    assert response.json()["error"] == "invalid_request"


async def test_parameters_in_the_query_do_not_count(authority, agent):
    response = await agent.post(
        f"{authority.path}/as/token?grant_type=client_credentials", data={"x": "y"}, headers=basic()
    )
    assert response.json()["error"] == "invalid_request"


async def test_a_disabled_agent_gets_nothing(authority, agent):
    authority.directory.replace_agent(enabled=False)
    assert (await ask(authority, agent)).status_code == 401
