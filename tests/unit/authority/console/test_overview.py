"""The first page: it leads through the use case, and says what is next once that is done."""

import re
from html import unescape

import pytest

from deputize.audit.records import timestamp_text
from deputize.authority.administration import Operator
from support.authority import PASSWORD

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
    async with console.signed_on(path=console.path) as browser:
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
    async with console.signed_on(path=console.path) as browser:
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


async def test_nothing_needs_attention_where_all_is_well(console):
    administration = console.authority.services.administration
    for view in (await administration.list(ROOT, console.environment, "agent")).items:
        await administration.change(
            ROOT, console.environment, "agent", {"owner": "agent_owner"}, object_id=view.id
        )
    async with console.signed_on(path=console.path) as browser:
        assert "Nothing: no agent waits" in browser.response.text


CONCERNS = {
    "Agents past their end: 1": {"expires_at": "2020-01-01T00:00:00Z"},
    "Agents that end within 14 days: 1": {"expires_at": "tomorrow"},
    "Agents that act for users who are not asked: 1": {"policies": ["Single_Factor"]},
    "Agents without an owner: 1": {"owner": ""},
    "Agents whose owner is nobody here: 1": {"owner": "agent_ovner"},
}


@pytest.mark.parametrize(("said", "members"), CONCERNS.items())
async def test_the_first_page_says_what_of_an_agent_needs_attention(console, said, members):
    administration = console.authority.services.administration
    now = console.authority.services.clock.now()
    for view in (await administration.list(ROOT, console.environment, "agent")).items:
        entry = {"owner": "agent_owner"} | (members if view.name == "MCP Tutorial" else {})
        if entry.get("expires_at") == "tomorrow":
            entry["expires_at"] = timestamp_text(now + 86_400)
        await administration.change(ROOT, console.environment, "agent", entry, object_id=view.id)
    async with console.signed_on(path=console.path) as browser:
        assert said in browser.response.text
        others = [each for each in CONCERNS if each != said and each in browser.response.text]
        assert (others, browser.response.text.count('class="help"')) == ([], 1)
        tab = "policies" if "policies" in members else "configuration"
        assert re.search(
            rf'<a href="{console.path}/agents/[^"]+/{tab}">MCP Tutorial</a>', browser.response.text
        )


async def test_the_first_page_tells_of_refusals_and_of_who_waits(console):
    environments = console.authority.services.administration.environments
    registration = (await environments.find(ROOT, console.environment)).entry["registration"]
    changes = {"registration": {**registration, "open": True, "approval_required": True}}
    await environments.change(ROOT, console.environment, changes)
    agent = {"redirect_uris": ["https://app.example.com/"], "token_endpoint_auth_method": "none"}
    async with console.signed_on(path=console.path) as browser:
        assert "Refused within" not in browser.response.text
        async with console.authority.client() as client:
            endpoints = f"/{console.environment}/as"
            assert (await client.post(f"{endpoints}/register", json=agent)).status_code == 201
            refused = await client.post(
                f"{endpoints}/token", data={"grant_type": "client_credentials", "client_id": "nobody"}
            )
            assert refused.status_code == 401
        await browser.get(f"{console.path}/users/new")
        shown = await browser.submit(username="demouser", password=PASSWORD)
        assert shown.status_code == 422  # a mistake of the administrator, who saw it
        await console.refresh()
        shown = (await browser.get(console.path)).text
        assert f'<a href="{console.path}/registration">Agents that wait for your approval: 1</a>' in shown
        audit = unescape(
            re.search(r'href="([^"]+/audit\?[^"]+)">Refused within the last 24 hours: 1<', shown)[1]
        )
        listed = re.findall(rf'href="{console.path}/audit/(?!export)', (await browser.get(audit)).text)
        assert len(listed) == 2
        why = (await browser.get(f"{console.path}/why")).text
        assert why.count("?activity=") == 1


def next_of(page):
    """Where the page that says what was saved leads on to, and in which words."""
    path, words = re.search(r'role="status">[^<]* <a href="([^"]+)">Next: ([^<]+)</a>', page).groups()
    return unescape(words), path


async def test_each_page_leads_on_to_what_is_usually_next(console):
    administration = console.authority.services.administration
    made = await administration.environments.create(ROOT, {"environment": "Empty"})
    path = f"/console/{made.view.id}"
    async with console.signed_on("administrator", path) as browser:

        def leads_on(words, to):
            assert next_of(browser.response.text) == (words, path + to)

        def here(*segments):
            """The page of the object that is shown, or one below it."""
            object_path = "/".join(str(browser.response.url).split(path)[1].split("/")[:3])
            return "/".join((object_path, *segments))

        for name, claim, following in (
            ("test", "act", ("Add the resource that users sign on for", "/resources/new")),
            ("agent", "may_act", ("Write the agreement", "/agreements/new")),
        ):
            await browser.get(f"{path}/resources/new")
            await browser.submit(name=name, audience=name)
            await browser.get(path + here("add-attribute"))
            await browser.submit(name="sub", source="mapping", mapping="Username")
            leads_on(claim, here("add-attribute"))
            await browser.get(path + here("add-attribute"))
            await browser.submit(name=claim, source="value", value="x")
            leads_on("Scopes", here("scopes"))
            await browser.get(path + here("add-scope"))
            await browser.submit(name=name)
            leads_on(*following)
        agreement = {"name": "Terms", "languages": [{"locale": "en", "title": "T", "text": "T"}]}
        await administration.change(ROOT, made.view.id, "agreement", agreement)
        await browser.get(f"{path}/policies/new")
        await browser.submit(name="Ask")
        policy = here()
        await browser.get(f"{path}{policy}/add/login")
        await browser.submit()
        assert "Next:" not in browser.response.text, "the page itself says that nobody is asked"
        await browser.get(f"{path}{policy}/add/agreement_prompt")
        await browser.submit(agreement="Terms")
        leads_on("Add the agent", "/agents/new")
        await browser.get(f"{path}/agents/new")
        await browser.submit(name="Agent", redirect_uris="https://a.example.com/")
        agent = here()
        await browser.get(f"{path}{agent}/configuration")
        await browser.submit(sponsor="board")
        leads_on("Resources", f"{agent}/resources")
        await browser.get(f"{path}{agent}/resources")
        boxes = re.findall(r'name="scope" value="([^"]+)"', browser.response.text)
        await browser.submit(scope=boxes)
        leads_on("Policies", f"{agent}/policies")
        await browser.get(f"{path}{agent}/policies")
        await browser.submit(policy="Ask", add="on")
        leads_on("Add a user", "/users/new")
        await browser.get(f"{path}/users/new")
        await browser.submit(username="demouser", password="nobody else uses these words")
        leads_on("Connect gateway and agent, and try it", "")
        again = await browser.get(str(browser.response.url))
        assert "Next:" not in again.text


async def test_a_step_that_was_begun_goes_on_where_it_was_left(console):
    administration = console.authority.services.administration
    made = await administration.environments.create(ROOT, {"environment": "Empty"})
    path = f"/console/{made.view.id}"

    async def change(kind, **entry):
        return (await administration.change(ROOT, made.view.id, kind, entry)).view.id

    async with console.signed_on("administrator", path) as browser:

        async def goes_on(name, place):
            page = (await browser.get(path)).text
            assert f'<a class="button" href="{path}/{place}">Go on with {name}</a>' in page

        assert "Go on with" not in browser.response.text
        called = await change("resource", name="test")
        await goes_on("test", f"resources/{called}/attributes")
        await change("resource", name="test", attributes=STEPS[0][1]["attributes"])
        await goes_on("test", f"resources/{called}/scopes")
        for kind, entry in STEPS[:2]:
            await change(kind, **entry)
        assert "Go on with" not in (await browser.get(path)).text
        agreement = await change("agreement", name="Terms", enabled=False)
        await goes_on("Terms", f"agreements/{agreement}")
        await change("agreement", **STEPS[2][1], enabled=True)
        policy = await change("policy", name="Ask", steps=[{"login": {}}])
        await goes_on("Ask", f"policies/{policy}")
        await change("policy", **STEPS[3][1])
        agent = await change("agent", name="Agent", redirect_uris=["https://a.example.com/"])
        await goes_on("Agent", f"agents/{agent}/resources")
