"""Filters of Audit: changes are found by who made them, what they are about, and the words that are shown."""

import re
from html import unescape
from urllib.parse import quote

import pytest

from deputize.authority.administration import Operator
from deputize.authority.console.audit_search import KINDS
from deputize.authority.console.texts import language
from deputize.authority.storage.activities import Activity
from support.agent_delegation import NOW

LINK = re.compile(r'href="([^"]*/audit\?kind=change[^"]*)"')


def rows(page):
    """What each row of the table says."""
    listed = re.search(r"<tbody>(.*)</tbody>", page, re.DOTALL)
    each = re.findall(r'<tr role="row">(.*?)</tr>', listed[1], re.DOTALL) if listed else []
    return [" ".join(unescape(re.sub(r"<[^>]+>", " ", row)).split()) for row in each]


@pytest.fixture
async def changed(console):
    """The search, in the browser of an administrator who changed a resource; a call is there as well."""
    environment = console.authority.directory.current.environments[console.environment]
    resource = next(each.id for each in environment.resources.values() if each.name == "test")
    user = await console.authority.store.users.find_user(console.environment, "demouser")
    call = Activity(
        "1", console.environment, NOW + 1, "gateway", "mcp message", "permitted", user.id,
        tuple(each.id for each in environment.agents.values() if each.name == "MCP Tutorial"),
        resource, "tools/call", "get_alerts", None, None, None, "transaction-1", None, "{}",
    )  # fmt: skip
    await console.authority.store.activities.add([call])
    async with console.signed_on() as browser:
        await browser.get(f"{console.path}/resources/{resource}")
        await browser.submit(token_lifetime="15 minutes")

        async def found(**query):
            text = "&".join(f"{name}={quote(value)}" for name, value in query.items())
            return rows((await browser.get(f"{console.path}/audit?{text}")).text)

        found.browser, found.resource, found.environment = browser, resource, environment
        yield found


def is_change(row):
    return "administrator changed resource test: token_lifetime" in row


async def test_a_resource_finds_its_changes_and_what_was_done_with_it(changed):
    both = await changed(resource=changed.resource)
    assert sorted(map(is_change, both)) == [False, True]
    [change] = await changed(resource=changed.resource, kind="change")
    assert is_change(change)
    [call] = await changed(resource=changed.resource, kind="call")
    assert "get_alerts" in call
    other = next(each for each in changed.environment.resources if each != changed.resource)
    assert await changed(resource=other) == []
    assert await changed(resource=changed.resource, kind="token") == []


async def test_who_finds_administrators_of_another_environment_and_users_of_this_one(changed):
    [change] = await changed(who="administrator")
    assert is_change(change)
    [call] = await changed(who="demouser")
    assert "get_alerts" in call
    assert await changed(who="administrator", kind="call") == []
    assert await changed(who="auditor") == []


async def test_whoever_has_no_account_is_found_by_name(console, changed):
    root = Operator("command", "0", "root", frozenset({"administrator"}))
    settings = {"branding": {"name": "administrator"}}
    await console.authority.services.administration.environments.change(root, console.environment, settings)
    [change] = await changed(who="root")
    assert "root changed environment" in change
    assert await changed(who="stranger") == []
    assert [each for each in await changed(who="administrator") if "root" in each] == []


@pytest.mark.parametrize(
    "words",
    [
        "Change by an administrator",
        "change by",
        "DEPUTIZE-ENVIRONMENT-CHANGED",
        "administrator changed",
        "Administrator changed resource test: token_lifetime",
        "token_lifetime",
    ],
)
async def test_the_words_of_a_change_find_it(changed, words):
    assert list(map(is_change, await changed(search=words))) == [True]


@pytest.mark.parametrize(("words", "number"), [("MCP message", 1), ("nothing_lifetime", 0), ("%", 0)])
async def test_other_words_do_not(changed, words, number):
    found = await changed(search=words)
    assert len(found) == number
    assert not any(map(is_change, found))


async def test_the_page_of_each_object_leads_to_its_changes_and_to_no_others(console, changed):
    environment = changed.environment
    user = await console.authority.store.users.find_user(console.environment, "demouser")
    places = {
        "resource test": f"resources/{changed.resource}",
        "agent MCP Tutorial": f"agents/{next(iter(environment.agents))}",
        "policy": f"policies/{next(iter(environment.policies.values())).id}",
        "agreement": f"agreements/{next(iter(environment.agreements))}",
        "user": f"users/{user.id}",
    }
    for name, place in places.items():
        page = (await changed.browser.get(f"{console.path}/{place}")).text
        [address] = LINK.findall(page)
        found = rows((await changed.browser.get(unescape(address))).text)
        assert list(map(is_change, found)) == [True] * (name == "resource test"), name


@pytest.mark.parametrize(("kind", "form"), [("agents", 0), ("agreements", 0), ("users", 0)])
async def test_changes_of_other_objects_are_found_from_their_pages(console, changed, kind, form):
    environment = changed.environment
    user = await console.authority.store.users.find_user(console.environment, "demouser")
    agent = next(each.id for each in environment.agents.values() if each.name == "MCP Tutorial")
    id_ = {"agents": agent, "agreements": next(iter(environment.agreements)), "users": user.id}[kind]
    field = {"agents": "description", "agreements": "description", "users": "given_name"}[kind]
    own = f"{console.path}/{kind}/{id_}"
    await changed.browser.get(f"{own}/configuration" if kind == "agents" else own)
    await changed.browser.submit(form, **{field: "Something else"})
    [address] = LINK.findall((await changed.browser.get(own)).text)
    [change] = rows((await changed.browser.get(unescape(address))).text)
    assert f"administrator changed {kind.removesuffix('s')}" in change


async def test_who_may_not_see_audit_is_not_led_there(console, changed):
    del changed
    async with console.signed_on("agent_owner") as browser:
        page = (await browser.get(f"{console.path}/agents")).text
        for address in set(re.findall(rf'href="({console.path}/agents/[0-9a-f-]{{36}})"', page)):
            assert not LINK.search((await browser.get(address)).text)


def test_each_event_has_words_and_one_kind():
    events = [event for all_ in KINDS.values() for event in all_]
    assert len(events) == len(set(events))
    called = {re.sub("[ -]", "_", event) for event in events}
    assert {
        each.removeprefix("audit.event_") for each in language("en").texts if "audit.event_" in each
    } == called


async def test_in_german_the_german_words_find_it(changed):
    changed.browser.headers["accept-language"] = "de"
    for words in ("Änderung durch", "administrator hat Ressource test geändert"):
        assert [row for row in await changed(search=words) if "token_lifetime" in row], words
