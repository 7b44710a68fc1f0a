"""Programs register themselves, sign users on, and end, over a real store (RFC 7591, RFC 7592)."""

import asyncio

import pytest

from deputize.authority.directory.service import open_directory
from deputize.authority.environment_file import EnvironmentFileInvalid
from deputize.authority.registration.introductions import ROOM_SECONDS
from deputize.authority.registration.rates import Allowance, Rates
from deputize.authority.storage import InitialAccessToken, Put
from deputize.kernel.digests import digest
from deputize.oauth.errors import InvalidToken
from support import agent_delegation as use_case
from support.authority import Browser, basic, serving
from support.introductions import FRAME, apply_file, environment_of, introduced, introducing
from support.records import replace

REDIRECT = "http://127.0.0.1/callback"
CLIENT = {
    "client_name": "Some Client",
    "redirect_uris": [REDIRECT],
    "grant_types": ["authorization_code", "refresh_token"],
    "token_endpoint_auth_method": "none",
}
WITH_TOKENS = FRAME.replace("open: true", "initial_access_tokens: true")


@pytest.fixture
async def authority(tmp_path):
    async with introducing(tmp_path / "data") as running:
        yield running


@pytest.fixture
async def client(authority):
    async with authority.client() as client:
        yield client


async def register(client, authority, token=None, **members):
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return await client.post(f"{authority.path}/as/register", json={**CLIENT, **members}, headers=headers)


def bearer(registered):
    return {"Authorization": f"Bearer {registered['registration_access_token']}"}


def own_path(authority, registered):
    return f"{authority.path}/as/register/{registered['client_id']}"


async def sign_on(authority, client_id, redirect_uri=REDIRECT, secret=None, **parameters):
    """Sign demouser on for the client; the token endpoint's answer."""
    async with authority.client() as connection:
        browser = Browser(authority, connection)
        asked = {"client_id": client_id, "redirect_uri": redirect_uri, "scope": "agent", **parameters}
        await browser.get(authority.authorize_url(**asked))
        if 'name="password"' in browser.response.text:
            await browser.sign_on()
        if "Accept" in browser.response.text:
            await browser.accept()
        form = {
            "grant_type": "authorization_code",
            "code": browser.answer["code"],
            "redirect_uri": redirect_uri,
            "code_verifier": use_case.VERIFIER,
        }
        if secret is None:
            return await connection.post(f"{authority.path}/as/token", data={**form, "client_id": client_id})
        return await connection.post(
            f"{authority.path}/as/token", data=form, headers=basic(client_id, secret)
        )


async def introspect(authority, token):
    async with authority.client() as connection:
        answer = await connection.post(
            f"{authority.path}/as/introspect",
            data={"token": token},
            headers=basic(use_case.AGENT_RESOURCE_ID, use_case.TEST_SECRET),
        )
        return answer.json()["active"]


async def test_a_program_registers_itself_and_acts_for_a_user_who_agreed(authority, client):
    answer = await register(client, authority)
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    registered = answer.json()
    assert "client_secret" not in registered
    assert registered["client_name"] == "Some Client"
    assert registered["application_type"] == "native"
    issued = (await sign_on(authority, registered["client_id"])).json()
    assert issued["scope"] == "agent"
    assert await introspect(authority, issued["access_token"])
    refreshed = await client.post(
        f"{authority.path}/as/token",
        data={
            "grant_type": "refresh_token",
            "refresh_token": issued["refresh_token"],
            "client_id": registered["client_id"],
        },
    )
    assert refreshed.status_code == 200
    (record,) = await authority.records("AGENT-INTRODUCED")
    assert (record["clientId"], record["means"]) == (registered["client_id"], "open")


@pytest.mark.parametrize(
    "name", ["app.example.com", "App.Example.com", "арр.example.com", "apps.example.com"]
)
async def test_nobody_who_registers_is_shown_under_a_host_that_only_a_document_proves(
    authority, client, name
):
    registered = (await register(client, authority, client_name=name)).json()
    assert "client_name" not in registered
    assert [each.origin.client_name for each in introduced(authority)] == [""]


async def test_a_secret_is_shown_once_and_proves_who_it_is(authority, client):
    registered = (await register(client, authority, token_endpoint_auth_method=None)).json()
    secret = registered["client_secret"]
    assert registered["token_endpoint_auth_method"] == "client_secret_basic"
    assert registered["client_secret_expires_at"] == 0
    read = (await client.get(own_path(authority, registered), headers=bearer(registered))).json()
    assert "client_secret" not in read
    assert read["redirect_uris"] == [REDIRECT]
    assert (await sign_on(authority, registered["client_id"], secret="wrong")).status_code == 401
    assert (await sign_on(authority, registered["client_id"], secret=secret)).status_code == 200
    stored = await authority.store.directory_rows.load()
    assert secret not in repr(stored)
    assert registered["registration_access_token"] not in repr(stored)


async def test_anybody_gets_no_tokens_without_a_user_and_whom_somebody_admitted_does(tmp_path):
    frame = WITH_TOKENS.replace("  agent:\n", "  open: true\n  agent:\n    grants: [client_credentials]\n")
    alone = {"grant_types": ["client_credentials"], "redirect_uris": [], "token_endpoint_auth_method": None}
    both = {"grant_types": ["authorization_code", "client_credentials"], "token_endpoint_auth_method": None}
    async with introducing(tmp_path, frame) as running, running.client() as client:
        assert (await register(client, running, **alone)).json()["error"] == "invalid_client_metadata"
        anybody = (await register(client, running, **both)).json()
        assert anybody["grant_types"] == ["authorization_code"]
        admitted = (await register(client, running, await draw_token(running), **alone)).json()
        statuses = []
        for each in (anybody, admitted):
            answer = await client.post(
                f"{running.path}/as/token",
                data={"grant_type": "client_credentials", "scope": "agent"},
                headers=basic(each["client_id"], each["client_secret"]),
            )
            statuses.append(answer.status_code)
        assert statuses == [400, 200]


async def test_it_is_offered_where_it_is_on_and_nowhere_else(tmp_path):
    async with introducing(tmp_path / "on") as on, on.client() as client:
        found = (await client.get(f"{on.path}/as/.well-known/oauth-authorization-server")).json()
        assert found["registration_endpoint"] == f"{on.issuer}/register"
        asked = await client.options(f"{on.path}/as/register")
        assert asked.headers["access-control-allow-methods"] == "POST"
        assert "Authorization" in asked.headers["access-control-allow-headers"]
    off = FRAME.replace("dynamic: true", "dynamic: false")
    for number, frame in enumerate(("", off)):
        async with introducing(tmp_path / str(number), frame) as running, running.client() as client:
            found = (await client.get(f"{running.path}/as/.well-known/oauth-authorization-server")).json()
            assert "registration_endpoint" not in found
            assert (await register(client, running)).status_code == 404


async def test_what_a_client_registers_is_read_changed_and_removed_by_itself_alone(authority, client):
    one, other = [(await register(client, authority)).json() for _ in range(2)]
    path = own_path(authority, one)
    for headers in ({}, bearer(other), {"Authorization": "Bearer "}, basic(one["client_id"], "x")):
        for method in ("GET", "PUT", "DELETE"):
            refused = await client.request(method, path, headers=headers, json={})
            assert refused.status_code == 401, (method, headers)
    unknown = await client.get(f"{authority.path}/as/register/unknown", headers=bearer(one))
    assert (unknown.status_code, unknown.json()["error"]) == (401, "invalid_token")
    changed = await client.put(
        path,
        headers=bearer(one),
        json={**CLIENT, "client_id": one["client_id"], "redirect_uris": ["https://new.example.com/cb"]},
    )
    assert changed.status_code == 200
    assert changed.json()["redirect_uris"] == ["https://new.example.com/cb"]
    assert (await client.get(path, headers=bearer(one))).status_code == 401, "its token was rotated"
    assert (await client.get(path, headers=bearer(changed.json()))).status_code == 200
    assert (await client.delete(path, headers=bearer(changed.json()))).status_code == 204
    assert [each.id for each in introduced(authority)] == [other["client_id"]]


@pytest.mark.parametrize(
    "members",
    [
        {"client_id": "another"},
        {"registration_access_token": "x"},
        {"client_secret": "guessed"},
        {"redirect_uris": ["http://evil.example.com/"]},
    ],
)
async def test_an_update_that_is_refused_changes_nothing(authority, client, members):
    one = (await register(client, authority)).json()
    sent = {**CLIENT, "client_id": one["client_id"], **members}
    answer = await client.put(own_path(authority, one), headers=bearer(one), json=sent)
    assert answer.status_code == 400
    read = await client.get(own_path(authority, one), headers=bearer(one))
    assert read.json()["redirect_uris"] == [REDIRECT]


async def test_a_client_that_becomes_public_loses_its_secret_and_one_that_is_none_gets_one(authority, client):
    one = (await register(client, authority)).json()
    sent = {**CLIENT, "client_id": one["client_id"], "token_endpoint_auth_method": "client_secret_post"}
    changed = await client.put(own_path(authority, one), headers=bearer(one), json=sent)
    secret = changed.json()["client_secret"]
    assert [each.secret_digests for each in introduced(authority)] == [(digest(secret),)]
    sent["token_endpoint_auth_method"] = "none"
    again = await client.put(own_path(authority, one), headers=bearer(changed.json()), json=sent)
    assert "client_secret" not in again.json()
    assert [each.secret_digests for each in introduced(authority)] == [()]


@pytest.mark.parametrize(
    ("members", "error"),
    [
        ({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["http://evil.example.com/cb"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://a.example.com/cb#fragment"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://user@a.example.com/cb"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://*.example.com/cb"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://127.1/cb"]}, "invalid_redirect_uri"),
        ({"redirect_uris": []}, "invalid_client_metadata"),
        ({"application_type": "web"}, "invalid_redirect_uri"),
        ({"grant_types": ["client_credentials"]}, "invalid_client_metadata"),
        ({"grant_types": ["implicit"]}, "invalid_client_metadata"),
        ({"response_types": ["token"]}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "tls_client_auth"}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "federated_jwt"}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "invalid_client_metadata"),
        ({"id_token_signed_response_alg": "none"}, "invalid_client_metadata"),
        (
            {"id_token_signed_response_alg": "EdDSA"},
            "invalid_client_metadata",
        ),  # keys are not made for strangers
        ({"client_name": 7}, "invalid_client_metadata"),
        ({"jwks": {"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}}, "invalid_client_metadata"),
    ],
)
async def test_what_must_not_be_registered_is_not(authority, client, members, error):
    answer = await register(client, authority, **members)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert introduced(authority) == []


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{", "application/json"),
        (b"[]", "application/json"),
        (b'{"client_name":"a","client_name":"b"}', "application/json"),
        (b'{"contacts":"' + b"x" * 20_000 + b'"}', "application/json"),
        (b'{"a":' + b"[" * 50 + b"]" * 50 + b"}", "application/json"),
        (b"redirect_uris=x", "application/x-www-form-urlencoded"),
    ],
)
async def test_what_is_no_small_json_object_is_refused(authority, client, body, kind):
    answer = await client.post(f"{authority.path}/as/register", content=body, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def draw_token(running, uses=1, expires_at=use_case.NOW + 3600):
    token = InitialAccessToken(
        "0" * 36, use_case.ENVIRONMENT_ID, digest("drawn"), use_case.NOW, expires_at, uses
    )
    await running.store.initial_access_tokens.add(token)
    return "drawn"


async def test_an_initial_access_token_admits_as_often_as_it_says(tmp_path):
    async with introducing(tmp_path, WITH_TOKENS) as running, running.client() as client:
        token = await draw_token(running, uses=2)
        for presented in (None, "guessed", ""):
            refused = await register(client, running, presented)
            assert refused.status_code == 401
            assert refused.headers["www-authenticate"].startswith("Bearer")
        malformed = await register(client, running, token, redirect_uris=["http://evil.example.com/"])
        assert malformed.status_code == 400, "a mistake takes no use"
        answers = [await register(client, running, token) for _ in range(3)]
        assert [each.status_code for each in answers] == [201, 201, 401]
        assert {each.origin.detail for each in introduced(running)} == {"0" * 36}


async def test_an_initial_access_token_is_worth_nothing_after_its_time_or_where_none_are_taken(tmp_path):
    async with introducing(tmp_path / "a", WITH_TOKENS) as running, running.client() as client:
        token = await draw_token(running, expires_at=use_case.NOW)
        assert (await register(client, running, token)).status_code == 401
    async with introducing(tmp_path / "b") as running, running.client() as client:
        token = await draw_token(running)
        assert (await register(client, running, token)).status_code == 401
        assert (await register(client, running)).status_code == 201


async def test_a_flood_of_one_network_stores_little_and_keeps_nobody_else_out(authority, client):
    authority.services.introductions.by_source = Rates(Allowance(5, 60.0))
    statuses = [(await register(client, authority)).status_code for _ in range(5)]
    assert set(statuses) == {201}
    version = authority.directory.current.version
    for _ in range(100):
        answer = await client.post(f"{authority.path}/as/register", content=b"{}")
        assert answer.status_code == 429
    assert answer.headers["retry-after"]
    assert authority.directory.current.version == version
    assert len(introduced(authority)) == 5
    async with authority.client("192.0.2.7") as elsewhere:
        assert (await register(elsewhere, authority)).status_code == 201
    authority.clock.instant += 60
    assert (await register(client, authority)).status_code == 201, "and later they may come again"


async def test_when_there_are_many_the_oldest_that_nobody_used_makes_room(tmp_path):
    frame = FRAME.replace("open: true", "open: true\n  max_agents: 2")
    async with introducing(tmp_path, frame) as running, running.client() as client:
        used = (await register(client, running)).json()["client_id"]
        assert (await sign_on(running, used)).status_code == 200
        unused = (await register(client, running)).json()["client_id"]
        full = await register(client, running)
        assert (full.status_code, full.json()["error"]) == (429, "temporarily_unavailable")
        running.clock.instant += ROOM_SECONDS + 1
        newest = (await register(client, running)).json()["client_id"]
        assert {each.id for each in introduced(running)} == {used, newest}
        assert unused not in environment_of(running).agents


async def test_what_nobody_uses_is_forgotten_and_what_is_used_stays(authority, client):
    unused, used = [(await register(client, authority)).json()["client_id"] for _ in range(2)]
    assert (await sign_on(authority, used)).status_code == 200
    introductions = authority.services.introductions
    forget = introductions.forget_unused
    assert await forget(environment_of(authority), use_case.NOW + 86400) == []
    assert await forget(environment_of(authority), use_case.NOW + 86401) == [unused]
    assert [each.id for each in introduced(authority)] == [used]
    assert await forget(environment_of(authority), use_case.NOW + 90 * 86400) == []
    assert await forget(environment_of(authority), use_case.NOW + 90 * 86400 + 1) == [used]


async def test_tokens_end_with_the_agent_and_stay_ended(authority, client):
    registered = (await register(client, authority)).json()
    issued = (await sign_on(authority, registered["client_id"])).json()
    assert await introspect(authority, issued["access_token"])
    await client.delete(own_path(authority, registered), headers=bearer(registered))
    assert not await introspect(authority, issued["access_token"])
    refresh = {
        "grant_type": "refresh_token",
        "refresh_token": issued["refresh_token"],
        "client_id": registered["client_id"],
    }
    assert (await client.post(f"{authority.path}/as/token", data=refresh)).status_code == 401


async def test_its_time_is_over_when_the_template_says_so(tmp_path):
    frame = FRAME + "    lifetime: 2 hours\n"
    async with introducing(tmp_path, frame) as running, running.client() as client:
        registered = (await register(client, running, token_endpoint_auth_method=None)).json()
        assert registered["client_secret_expires_at"] == use_case.NOW + 7200
        issued = (await sign_on(running, registered["client_id"], secret=registered["client_secret"])).json()
        running.clock.instant += 7200
        await running.directory.refresh()
        assert not await introspect(running, issued["access_token"])
        assert [each.enabled for each in introduced(running)] == [False]
        gone = await running.services.introductions.forget_unused(
            environment_of(running), running.clock.instant
        )
        assert gone == [registered["client_id"]]


async def test_a_narrower_template_narrows_the_agents_there_are(authority, client):
    registered = (await register(client, authority)).json()
    issued = (await sign_on(authority, registered["client_id"])).json()
    narrow = FRAME.replace("[agent]", "[more]")
    await apply_file(authority, f"environment: Agent Delegation\n{narrow}")
    (agent,) = introduced(authority)
    assert agent.scopes == {use_case.AGENT_RESOURCE_ID: {"more"}}
    assert not await introspect(authority, issued["access_token"])


async def test_files_neither_take_nor_prune_agents_that_introduced_themselves(authority, client):
    registered = (await register(client, authority)).json()
    lines = await apply_file(
        authority,
        "environment: Agent Delegation\nagents: [{ name: MCP Tutorial, enabled: true }]",
        prune=True,
    )
    assert lines == ()
    assert [each.id for each in introduced(authority)] == [registered["client_id"]]


async def test_no_file_gives_an_agent_the_name_of_one_that_introduces_itself(authority, client):
    registered = (await register(client, authority)).json()["client_id"]
    for name in (registered, "https://app.example.com/client.json"):
        with pytest.raises(EnvironmentFileInvalid, match="introduces itself"):
            await apply_file(authority, f"environment: Agent Delegation\nagents: [{{ name: '{name}' }}]")


async def test_agents_go_when_the_frame_no_longer_admits_them_and_begin_anew_when_it_does(authority, client):
    registered = (await register(client, authority)).json()
    closed = FRAME.replace("open: true", "initial_access_tokens: true")
    lines = await apply_file(authority, f"environment: Agent Delegation\n{closed}")
    assert f"- agent {registered['client_id']}" in lines
    await apply_file(authority, f"environment: Agent Delegation\n{FRAME}")
    assert introduced(authority) == []


async def test_what_only_a_secret_could_use_ends_where_the_client_becomes_public(authority, client):
    one = (await register(client, authority, token_endpoint_auth_method="client_secret_basic")).json()
    issued = (await sign_on(authority, one["client_id"], secret=one["client_secret"])).json()
    sent = {**CLIENT, "client_id": one["client_id"], "client_name": "Another Name"}
    kept = {**sent, "token_endpoint_auth_method": "client_secret_basic"}
    changed = (await client.put(own_path(authority, one), headers=bearer(one), json=kept)).json()
    assert await introspect(authority, issued["access_token"]), "another name ends nothing"
    assert (await client.put(own_path(authority, one), headers=bearer(changed), json=sent)).status_code == 200
    assert not await introspect(authority, issued["access_token"])


async def test_a_client_that_registered_with_another_process_signs_users_on_at_once(authority):
    clock = authority.clock
    elsewhere = await open_directory(authority.store.directory_rows, authority.base_url, clock)
    async with (
        serving(
            authority.audit_file.parent / "other", authority.base_url, authority.store, elsewhere, clock
        ) as other,
        other.client() as client,
    ):
        registered = (await register(client, other)).json()
    assert registered["client_id"] not in environment_of(authority).agents
    assert (await sign_on(authority, registered["client_id"])).status_code == 200


async def test_processes_together_have_no_more_agents_than_there_may_be(tmp_path):
    frame = FRAME.replace("open: true", "open: true\n  max_agents: 3")
    async with introducing(tmp_path, frame) as one:
        elsewhere = await open_directory(one.store.directory_rows, one.base_url, one.clock)
        async with (
            serving(tmp_path / "other", one.base_url, one.store, elsewhere, one.clock) as other,
            one.client() as first,
            other.client() as second,
        ):
            asked = [(first, one), (second, other)] * 4
            answers = await asyncio.gather(*(register(*each) for each in asked))
        assert sorted(each.status_code for each in answers) == [201] * 3 + [429] * 5
        await one.directory.refresh()
        assert len(introduced(one)) == 3


async def test_an_agent_that_an_administrator_disabled_cannot_change_itself(authority, client):
    registered = (await register(client, authority)).json()
    rows = authority.store.directory_rows
    row = await rows.find_object(use_case.ENVIRONMENT_ID, "agent", registered["client_id"])
    disabled = Put(replace(row, document={**row.document, "enabled": False}))
    await rows.change([disabled], await rows.version())
    await authority.directory.refresh()
    for method in ("GET", "PUT", "DELETE"):
        answer = await client.request(
            method, own_path(authority, registered), headers=bearer(registered), json={}
        )
        assert answer.status_code == 401
    assert [each.enabled for each in introduced(authority)] == [False]


async def test_switching_registration_off_ends_nobody(authority, client):
    registered = (await register(client, authority)).json()
    issued = (await sign_on(authority, registered["client_id"])).json()
    off = FRAME.replace("dynamic: true", "dynamic: false")
    await apply_file(authority, f"environment: Agent Delegation\n{off}")
    assert (await register(client, authority)).status_code == 404
    assert (await client.get(own_path(authority, registered), headers=bearer(registered))).status_code == 404
    assert await introspect(authority, issued["access_token"])


@pytest.mark.parametrize("wrong", [{"scope": "nothing"}, {"prompt": "none"}, {"response_type": "token"}])
async def test_a_link_to_the_authority_leads_to_no_site_that_anybody_registered(authority, client, wrong):
    evil, native = "https://evil.example.com/cb", "http://127.0.0.1/callback"
    registered = (await register(client, authority, redirect_uris=[evil, native])).json()
    asked = {"client_id": registered["client_id"], "scope": "agent", **wrong}
    shown = await client.get(authority.authorize_url(redirect_uri=evil, **asked))
    assert "location" not in shown.headers
    assert shown.status_code == 400
    assert "evil.example.com" not in shown.text
    sent = await client.get(authority.authorize_url(redirect_uri=native, **asked))
    assert sent.headers["location"].startswith(f"{native}?error=")


async def test_nor_does_a_link_that_signs_nobody_off(authority, client):
    evil, native = "https://evil.example.com/bye", "http://127.0.0.1/bye"
    registered = (await register(client, authority, post_logout_redirect_uris=[evil, native])).json()
    own = f"{authority.path}/as/signoff?client_id={registered['client_id']}&post_logout_redirect_uri="
    shown = await client.get(own + evil)
    assert (shown.status_code, "location" in shown.headers) == (200, False)
    assert "evil.example.com" not in shown.text
    assert (await client.get(own + native)).headers["location"] == native
    browser = Browser(authority, client)
    await browser.get(authority.authorize_url())
    await browser.sign_on()
    await browser.get(own + evil)
    await browser.submit()
    assert browser.response.headers["location"] == evil, "the user decided"


async def test_a_user_who_agreed_or_declined_is_sent_back_to_such_a_site(authority, client):
    site = "https://some.example.com/cb"
    registered = (await register(client, authority, redirect_uris=[site])).json()
    browser = Browser(authority, client)
    await browser.get(authority.authorize_url(client_id=registered["client_id"], redirect_uri=site))
    await browser.sign_on()
    assert "some.example.com" in browser.response.text
    await browser.submit(action="decline")
    assert browser.response.headers["location"].startswith(f"{site}?error=access_denied")
    assert (await sign_on(authority, registered["client_id"], site)).status_code == 200


async def test_where_an_administrator_admitted_the_client_errors_go_back_to_it(tmp_path):
    async with introducing(tmp_path, WITH_TOKENS) as running, running.client() as client:
        token, site = await draw_token(running), "https://some.example.com/cb"
        registered = (await register(client, running, token, redirect_uris=[site])).json()
        url = running.authorize_url(client_id=registered["client_id"], redirect_uri=site, scope="nothing")
        assert (await client.get(url)).headers["location"].startswith(f"{site}?error=invalid_scope")


async def test_of_two_updates_with_one_token_one_counts_and_none_brings_back_what_was_removed(
    authority, client
):
    one = (await register(client, authority)).json()
    sent = {**CLIENT, "client_id": one["client_id"]}
    answers = await asyncio.gather(
        *(
            client.put(own_path(authority, one), headers=bearer(one), json={**sent, "client_name": name})
            for name in ("One", "Other")
        )
    )
    assert sorted(each.status_code for each in answers) == [200, 401]
    rows, introductions = authority.store.directory_rows, authority.services.introductions
    row = await rows.find_object(use_case.ENVIRONMENT_ID, "agent", one["client_id"])
    (agent,) = introduced(authority)
    await introductions.remove(use_case.ENVIRONMENT_ID, [agent.id])
    with pytest.raises(InvalidToken):
        await introductions.keep(use_case.ENVIRONMENT_ID, agent, row.history, use_case.NOW, replaces=row)
    assert introduced(authority) == []
