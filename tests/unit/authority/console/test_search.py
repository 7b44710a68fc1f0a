"""The search in the frame: by name and id, over all kinds, and nothing that a role does not see."""

import re
from html import unescape

from deputize.authority.console.pages.search import MAX_SHOWN
from support.management import ROOT


def main(page):
    return unescape(page.partition("<main")[2])


async def search(console, browser, wanted):
    shown = await browser.client.get(f"{console.path}/search", params={"search": wanted})
    assert shown.status_code == 200
    return main(shown.text)


async def test_what_is_in_an_environment_is_found_by_name_and_id_from_every_page(console):
    change = console.authority.services.administration.change
    async with console.signed_on() as browser:
        assert (
            f'<form class="find" role="search" method="get" action="{console.path}/search"'
            in (await browser.get(f"{console.path}/users")).text
        )
        page = await search(console, browser, "AGENT")
        titles = re.findall(r'<h2 id="found-(\w+)"', page)
        assert titles == ["agents", "resources", "agreements", "policies"]
        assert "Agent-Consent-Login</a>" in page
        agent_id = re.findall(rf'href="{console.path}/agents/([^"]+)"', page)[0]
        by_id = await search(console, browser, f" {agent_id} ")
        assert re.findall(r'<li><a href="([^"]+)"', by_id) == [f"{console.path}/agents/{agent_id}"]
        assert f"{console.path}/users/" in await search(console, browser, "demo")
        for number in range(MAX_SHOWN + 1):
            await change(ROOT, console.environment, "user", {"username": f"many{number:02}"})
        many = await search(console, browser, "many")
        assert many.count("<li><a") == MAX_SHOWN
        assert f'href="{console.path}/users?search=many"' in many
        for wanted in ("", " ", "nothing like this", "%", "'", '"><b>'):
            assert 'class="empty"' in await search(console, browser, wanted), wanted


async def test_an_owner_finds_own_agents_alone(console):
    change = console.authority.services.administration.change
    entry = {"name": "Agent of mine", "owner": "agent_owner", "redirect_uris": ["https://a.example.com/"]}
    made = await change(ROOT, console.environment, "agent", entry)
    async with console.signed_on("agent_owner") as browser:
        for wanted in ("agent", "demo", "o"):
            links = set(re.findall(r'<li><a href="([^"]+)"', await search(console, browser, wanted)))
            assert links <= {f"{console.path}/agents/{made.view.id}"}
        assert "Agent of mine" in await search(console, browser, "agent")
