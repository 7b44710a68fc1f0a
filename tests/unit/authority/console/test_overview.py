"""The first page: it leads through the use case, and says what is next once that is done."""

from html import unescape

from deputize.authority.administration import Operator

ROOT = Operator("command", "0", "root", frozenset({"administrator"}))
STEPS = [
    (
        "resource",
        {"name": "test", "attributes": [{"name": "act", "value": "x"}], "scopes": [{"name": "test"}]},
    ),
    (
        "resource",
        {"name": "agent", "attributes": [{"name": "may_act", "value": "x"}], "scopes": [{"name": "agent"}]},
    ),
    ("agreement", {"name": "Terms", "languages": [{"locale": "en", "title": "T", "text": "T"}]}),
    ("policy", {"name": "Ask", "steps": [{"login": {}}, {"agreement_prompt": {"agreement": "Terms"}}]}),
    (
        "agent",
        {
            "name": "Agent",
            "redirect_uris": ["https://a.example.com/"],
            "scopes": {"agent": ["agent"], "test": ["test"]},
        },
    ),
    ("user", {"username": "demouser"}),
]


async def test_the_guide_ticks_each_step_as_it_is_done_and_goes_with_the_last(console):
    administration = console.authority.services.administration
    made = await administration.environments.create(ROOT, {"environment": "Empty"})
    async with console.signed_on() as browser:
        for done, (kind, entry) in enumerate(STEPS):
            shown = await browser.get(f"/console/{made.view.id}")
            assert shown.text.count(">Done<") == done
            assert f'href="/console/{made.view.id}/resources"' in shown.text
            await administration.change(ROOT, made.view.id, kind, entry)
        shown = await browser.get(f"/console/{made.view.id}")
        assert (shown.status_code, 'class="guide"' in shown.text) == (200, False)
        assert "Ready. Now: gateway, agent, try it" in shown.text


async def test_an_agent_that_may_call_nothing_does_not_end_the_guide(console):
    administration = console.authority.services.administration
    made = await administration.environments.create(ROOT, {"environment": "Empty"})
    for kind, entry in STEPS:
        entry = {**entry, "scopes": {"agent": ["agent"]}} if kind == "agent" else entry
        await administration.change(ROOT, made.view.id, kind, entry)
    async with console.signed_on("administrator", f"/console/{made.view.id}") as browser:
        assert (browser.response.text.count(">Done<"), "Ready." in browser.response.text) == (5, False)


async def test_once_all_is_set_up_the_very_values_for_gateway_and_agent_are_shown(console):
    environment = console.authority.directory.current.environments[console.environment]
    resource = next(each for each in environment.resources.values() if each.name == "test")
    agent = next(each for each in environment.agents.values() if each.name == "MCP Tutorial")
    async with console.signed_on() as browser:
        text = unescape(browser.response.text)
    for told in (
        f"AUTHORITY_URL={console.authority.base_url}/{console.environment}\n",
        f"RESOURCE_ID={resource.id}\n",
        f"--client-id {agent.id} ",
        f"--mcp-server-url {resource.audience}<",
        f'href="{console.path}/agents/{agent.id}/secrets"',
        f'href="{console.path}/resources/{resource.id}/secrets"',
        f'href="{console.path}/audit"',
        f'href="{console.path}/why"',
    ):
        assert told in text, told


async def test_addresses_are_those_of_the_metadata_and_those_that_are_linked_open(console):
    environment = console.authority.directory.current.environments[console.environment]
    agent = next(each for each in environment.agents.values() if each.name == "MCP Tutorial")
    published = f"{environment.issuer}/.well-known/openid-configuration"
    places = ["", "/environment", f"/agents/{agent.id}/secrets"]
    async with console.signed_on() as browser:
        metadata = (await browser.client.get(published)).json()
        names = ("issuer", "authorization_endpoint", "token_endpoint", "introspection_endpoint")
        links = [published, metadata["jwks_uri"], f"{console.authority.base_url}/{console.environment}/my"]
        for place in places:
            text = (await browser.get(console.path + place)).text
            assert [each for each in names if f"<code>{metadata[each]}</code>" not in text] == []
            assert [each for each in links if f'<a href="{each}">' not in text] == []
        assert [(await browser.client.get(each)).status_code for each in links[:2]] == [200, 200]


async def test_an_environment_with_the_use_case_needs_no_guide(console):
    async with console.signed_on() as browser:
        assert (browser.response.status_code, browser.heading) == (200, "Overview")
        assert 'class="guide"' not in browser.response.text


async def test_auditors_follow_the_guide_without_buttons(console):
    made = await console.authority.services.administration.environments.create(ROOT, {"environment": "Empty"})
    async with console.signed_on("auditor", f"/console/{made.view.id}") as browser:
        text = browser.response.text
        assert ('class="guide"' in text, "/environments/import" in text) == (True, False)


async def test_the_next_step_is_one_click_away(console):
    made = await console.authority.services.administration.environments.create(ROOT, {"environment": "Empty"})
    path = f"/console/{made.view.id}"
    async with console.signed_on() as browser:
        shown = await browser.get(path)
        assert f'href="{path}/resources/new"' in shown.text
        assert f'href="{path}/agents/new"' not in shown.text


async def test_the_administrators_own_environment_leads_to_the_others(console):
    environments = console.authority.services.administration.environments
    home = next(each for each in (await environments.list(ROOT)).items if each.name == "Administrators")
    async with console.signed_on("administrator", f"/console/{home.id}") as browser:
        shown = await browser.get(f"/console/{home.id}")
        assert 'class="guide"' not in shown.text
        for each in (await environments.list(ROOT)).items:
            card = f'<a class="card" href="/console/{each.id}">'
            assert (card in shown.text) == (each.id != home.id), each.name
