"""The first page: it leads through the use case, and is silent once that is done."""

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
        {"name": "Agent", "redirect_uris": ["https://a.example.com/"], "scopes": {"agent": ["agent"]}},
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
