"""The console's session opens the API to the console's own pages only, which know what no other page does."""

import contextlib

import pytest

from support.authority import PageForm
from support.management import running_management

ME = "/v1/me"


@pytest.fixture
async def secure(tmp_path):
    async with running_management(tmp_path / "data", "https://authority.test") as management:
        yield management


@contextlib.asynccontextmanager
async def signed_on(management, username="administrator"):
    """A browser on the console's page of users, and the token of its forms."""
    path = f"/console/{management.console.environment}/users"
    async with management.console.signed_on(username, path) as browser:
        page = (await browser.get(f"/console/{management.console.environment}/users/new")).text
        yield browser.client, PageForm(page).fields.get("csrf", [""])[0]


async def test_a_session_counts_with_the_token_of_its_pages(secure):
    async with signed_on(secure) as (client, csrf):
        me = await client.get(ME, headers={"X-CSRF-Token": csrf})
        assert (me.status_code, me.json()["name"], me.json()["actor"]) == (200, "administrator", None)
        made = await client.post(
            f"{secure.environment}/users", json={"username": "grace"}, headers={"X-CSRF-Token": csrf}
        )
        assert made.status_code == 201
        for headers in (
            {},
            {"X-CSRF-Token": ""},
            {"X-CSRF-Token": csrf[:-1]},
            {"X-CSRF-Token": csrf, "Sec-Fetch-Site": "cross-site"},
            {"X-CSRF-Token": csrf, "Sec-Fetch-Site": "same-site"},
        ):
            for method, path in (("GET", ME), ("DELETE", f"{secure.environment}/agents/x")):
                refused = await client.request(method, path, headers=headers)
                assert refused.status_code == 403, headers


async def test_the_token_of_one_session_is_none_of_another(secure):
    async with signed_on(secure) as (_, csrf), signed_on(secure, "auditor") as (other, _):
        assert (await other.get(ME, headers={"X-CSRF-Token": csrf})).status_code == 403


async def test_a_session_that_ended_opens_nothing(secure):
    async with signed_on(secure) as (client, csrf):
        user = (await secure.ask("GET", f"{secure.home}/users?role=administrator")).json()["items"][0]
        await secure.ask("DELETE", f"{secure.home}/users/{user['id']}/sessions")
        assert (await client.get(ME, headers={"X-CSRF-Token": csrf})).status_code == 401


async def test_a_token_takes_precedence_over_the_session(secure):
    async with signed_on(secure) as (client, csrf):
        headers = {"X-CSRF-Token": csrf, "Authorization": f"Bearer {secure.tokens['auditor']}"}
        assert (await client.get(ME, headers=headers)).json()["name"] == "auditor"
        headers["Authorization"] = "Bearer x"
        assert (await client.get(ME, headers=headers)).status_code == 401


async def test_no_page_of_another_origin_reads_an_answer(secure):
    response = await secure.ask("GET", ME, headers={"Origin": "https://evil.example"})
    assert not [name for name in response.headers if name.startswith("access-control")]
    preflight = await secure.ask("OPTIONS", ME, headers={"Access-Control-Request-Method": "POST"})
    assert preflight.status_code == 405
