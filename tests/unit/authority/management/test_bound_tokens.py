"""Tokens bound to a key open the API to who proves the key (RFC 9449); delegated ones name who acts."""

import pytest

from support.authority import basic
from support.management import PROGRAM, PROGRAM_SECRET, ROOT
from support.proofs import Prover

ME = "/v1/me"
PROVER, THIEF = Prover(), Prover()


async def bound_token(api):
    uri = f"{api.authority.base_url}/{api.console.home}/as/token"
    proof = PROVER.prove("POST", uri, api.authority.clock.now())
    form = {"grant_type": "client_credentials", "scope": "administrator"}
    async with api.authority.client() as client:
        headers = {**basic(api.program_id, PROGRAM_SECRET), "DPoP": proof}
        response = await client.post(f"/{api.console.home}/as/token", data=form, headers=headers)
    assert response.json()["token_type"] == "DPoP"
    return response.json()["access_token"]


def proven(api, token, method="GET", path=ME, prover=PROVER, scheme="DPoP"):
    uri = f"{api.authority.base_url}{path}"
    return {
        "Authorization": f"{scheme} {token}",
        "DPoP": prover.prove(method, uri, api.authority.clock.now(), token),
    }


async def test_a_bound_token_counts_with_a_proof_for_this_request_once(api):
    token = await bound_token(api)
    headers = proven(api, token)
    answered = await api.ask("GET", ME, role=None, headers=headers)
    assert (answered.status_code, answered.json()["kind"]) == (200, "agent")
    assert answered.headers["dpop-nonce"]
    again = await api.ask("GET", ME, role=None, headers=headers)
    assert again.status_code == 401, "a proof counts once"
    queried = proven(api, token, path=f"{api.environment}/agents")
    assert (await api.ask("GET", "/agents?limit=1", role=None, headers=queried)).status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [{"prover": THIEF}, {"method": "POST"}, {"path": "/v1/environments"}, {"scheme": "Bearer"}],
    ids=("key", "method", "path", "scheme"),
)
async def test_a_proof_for_anything_else_does_not(api, wrong):
    refused = await api.ask("GET", ME, role=None, headers=proven(api, await bound_token(api), **wrong))
    assert refused.status_code == 401
    assert any(each.startswith("DPoP") for each in refused.headers.get_list("www-authenticate"))


async def test_a_bound_token_without_a_proof_opens_nothing(api):
    token = await bound_token(api)
    for scheme in ("Bearer", "DPoP"):
        headers = {"Authorization": f"{scheme} {token}"}
        assert (await api.ask("GET", ME, role=None, headers=headers)).status_code == 401


async def test_a_head_is_proven_as_such(api):
    token = await bound_token(api)
    as_get, as_head = proven(api, token), proven(api, token, method="HEAD")
    assert (await api.ask("HEAD", ME, role=None, headers=as_get)).status_code == 401
    assert (await api.ask("HEAD", ME, role=None, headers=as_head)).status_code == 200


async def test_a_delegated_token_is_about_the_user_and_names_who_acts(api):
    administration = api.authority.services.administration
    exchanging = {"grants": ["client_credentials", "token_exchange"]}
    await administration.change(ROOT, api.console.home, "agent", exchanging, object_id=api.program_id)
    other = {**PROGRAM, **exchanging, "name": "Second"}
    second = (await administration.change(ROOT, api.console.home, "agent", other)).view.id
    attributes = [
        {"name": "sub", "expression": "#root.context.requestData.subjectToken.sub"},
        {"name": "may_act", "expression": f"({{ 'sub': '{second}' }})"},
        {"name": "act", "expression": "#root.context.requestData.subjectToken.may_act"},
    ]
    resource = next(
        each
        for each in (await api.ask("GET", f"{api.home}/resources")).json()["items"]
        if each["name"] == "Management"
    )
    changed = await api.ask(
        "PATCH",
        f"{api.home}/resources/{resource['id']}",
        {"attributes": attributes, "delegation_required": False},
    )
    assert changed.status_code == 200, changed.text
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": await api.sign_on("auditor"),
        "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "actor_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "scope": "auditor administrator",
    }
    own = {"grant_type": "client_credentials", "scope": "auditor"}
    path, credentials = f"/{api.console.home}/as/token", basic(second, PROGRAM_SECRET)
    async with api.authority.client() as client:
        actor = await client.post(path, data=own, headers=credentials)
        form["actor_token"] = actor.json()["access_token"]
        answer = await client.post(path, data=form, headers=credentials)
    assert answer.status_code == 200, answer.text
    api.tokens["delegated"] = answer.json()["access_token"]
    me = (await api.ask("GET", ME, role="delegated")).json()
    assert (me["kind"], me["name"], me["roles"], me["actor"]) == ("user", "auditor", ["auditor"], second)
    assert (await api.ask("POST", "/users", {"username": "x"}, role="delegated")).status_code == 403
