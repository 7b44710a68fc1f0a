"""AI Agents: set up, granted, watched and stopped by the pages alone."""

import re
from html import unescape
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deputize.authority.administration import Administration, Operator
from deputize.authority.console.delegation_picture import Party, draw
from support.authority import Browser, PageForm, basic

OPERATOR = Operator("command", "0", "", frozenset({"administrator"}))
MARKUP = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
PARTIES = st.builds(
    Party,
    st.sampled_from(["people", "agreement", "agent", "resource"]),
    st.text(max_size=80),
    st.lists(st.text(max_size=60), max_size=9),
    st.text(max_size=20),
)


async def find(console, name: str, kind: str = "agent"):
    administration = console.authority.services.administration
    return await administration.find_named(OPERATOR, console.environment, kind, name)


def main(page: str) -> str:
    return unescape(re.sub(r"<[^>]+>", " ", page.partition("<main")[2]))


async def sign_on_for(console, agent) -> str:
    """Let demouser sign on for the agent and agree; return the code's redirect."""
    async with console.authority.client() as client:
        person = Browser(console.authority, client)
        redirect_uri = "http://localhost:3000/callback"
        challenge = "fGGq-I9M7-xRYV1HRRHUrxIVfYkzVtfYrGQQLQQYqzg"
        await person.get(
            f"/{console.environment}/as/authorize?response_type=code&client_id={agent.id}&scope=agent"
            f"&redirect_uri={redirect_uri}&state=s&code_challenge={challenge}&code_challenge_method=S256"
        )
        await person.sign_on()
        await person.accept()
        return person.answer.get("code", "")


@given(st.lists(st.lists(PARTIES, max_size=4), max_size=4).filter(any), st.sampled_from(["across", "down"]))
def test_no_box_of_a_picture_covers_another_or_leaves_the_frame(layers, direction):
    picture = draw(layers, direction)
    assert len(picture.boxes) == sum(map(len, layers))
    for number, box in enumerate(picture.boxes):
        assert 0 <= box.x < box.x + box.width <= picture.width
        assert 0 <= box.y < box.y + box.height <= picture.height
        assert all(box.y < y < box.y + box.height for y, _ in box.lines)
        for other in picture.boxes[number + 1 :]:
            assert (
                box.x + box.width <= other.x
                or other.x + other.width <= box.x
                or box.y + box.height <= other.y
                or other.y + other.height <= box.y
            )


@pytest.mark.parametrize("direction", ["across", "down"])
def test_arrows_lead_from_one_party_to_the_next_and_touch_no_other(direction):
    def party(title):
        return Party("resource", title, ["a line"], "3×")

    one, several = [party("one")], [party("a"), party("b"), party("c")]
    picture = draw([one, several, one, several], direction)
    assert len(picture.arrows) == 9
    told = [(each.x, each.y) for each in picture.arrows if each.text]
    for box in picture.boxes:
        for x, y in told:  # what an arrow says is not behind a box
            assert not (box.x <= x <= box.x + box.width and box.y <= y <= box.y + box.height), (x, y)
        for each in picture.arrows:
            for x, y in places_of(each.path):
                inside = box.x < x < box.x + box.width and box.y < y < box.y + box.height
                assert not inside, (box.title, each.path)


def places_of(path):
    """Yield points along a path of straight parts; of a curve its ends, between which there is no box."""
    x = y = 0.0
    for command, numbers in re.findall(r"([A-Z])([-\d. ]+)", path):
        given = [float(each) for each in numbers.split()]
        to_x = x if command == "V" else given[-2] if len(given) > 1 else given[0]
        to_y = y if command == "H" else given[-1]
        steps = 50 if command in "HVL" else 1
        for step in range(1, steps + 1):
            yield x + (to_x - x) * step / steps, y + (to_y - y) * step / steps
        x, y = to_x, to_y


async def test_an_agent_is_set_up_by_the_pages_alone_and_gets_tokens(console):
    async with console.signed_on() as browser:
        await browser.get(f"{console.path}/agents/new")
        grants = ["client_credentials", "refresh_token", "token_exchange"]
        shown = await browser.submit(
            name="New Agent",
            grants=grants,
            redirect_uris="http://localhost:3000/callback",
            owner="agent_owner",
        )
        agent = await find(console, "New Agent")
        secret = unescape(re.findall(r"<code>([^<]+)</code>", shown.text)[1])
        await browser.get(f"{console.path}/agents/{agent.id}/resources")
        test, own = await find(console, "test", "resource"), await find(console, "agent", "resource")
        await browser.submit(scope=[f"{test.id} test", f"{own.id} agent"])
        await browser.get(f"{console.path}/agents/{agent.id}/policies")
        await browser.submit(policy="Agent-Consent-Login", add="on")
        assert "The agent New Agent is saved." in browser.response.text
    assert (await find(console, "New Agent")).entry == {
        "name": "New Agent",
        "grants": grants,
        "redirect_uris": ["http://localhost:3000/callback"],
        "owner": "agent_owner",
        "scopes": {"agent": ["agent"], "test": ["test"]},
        "policies": ["Agent-Consent-Login"],
    }
    async with console.authority.client() as client:
        form = {"grant_type": "client_credentials", "scope": "agent"}
        headers = basic(agent.id, secret)
        answer = await client.post(f"/{console.environment}/as/token", data=form, headers=headers)
    assert answer.json()["scope"] == "agent"


async def test_an_owner_is_suggested_and_one_who_is_nobody_is_kept_with_a_warning(console):
    warning = "No administrator has the username agent_ovner"
    async with console.signed_on() as browser:
        shown = (await browser.get(f"{console.path}/agents/new")).text
        assert re.search('name="owner"[^>]* value="administrator"[^>]* list="f-owner-list"', shown)
        suggested = re.findall('<option value=.([^"]+)', shown.partition("<datalist")[2])
        assert suggested == ["agent_owner", "administrator", "auditor"]
        await browser.submit(name="Post", owner="agent_ovner")
        agent = await find(console, "Post")
        assert agent.entry["owner"] == "agent_ovner"
        for page in ("", "/configuration"):
            shown = await browser.get(f"{console.path}/agents/{agent.id}{page}")
            assert warning in shown.text, page
        shown = await browser.submit(owner="agent_owner")
        assert "No administrator has" not in shown.text
    async with console.signed_on("agent_owner", f"{console.path}/agents/{agent.id}") as browser:
        assert browser.response.status_code == 200


async def test_authorization_code_is_on_and_locked_while_there_are_redirect_uris(console):
    def box(shown):
        return re.search('<input type="checkbox" name="grants" value="authorization_code"([^>]*)>', shown)[1]

    agent = await find(console, "MCP Tutorial")
    async with console.signed_on() as browser:
        assert box((await browser.get(f"{console.path}/agents/new")).text) == ""
        shown = (await browser.get(f"{console.path}/agents/{agent.id}/configuration")).text
        assert box(shown) == " checked disabled"
        await browser.submit(sponsor="board")
        assert (await find(console, "MCP Tutorial")).entry == {**agent.entry, "sponsor": "board"}


async def test_what_a_form_does_not_show_stays_as_it_is(console):
    before = await find(console, "MCP Tutorial")
    async with console.signed_on() as browser:
        await browser.get(f"{console.path}/agents/{before.id}/configuration")
        await browser.submit(sponsor="board")
        assert (await find(console, "MCP Tutorial")).entry == {**before.entry, "sponsor": "board"}
        await browser.get(f"{console.path}/agents/{before.id}/resources")
        await browser.submit()
    assert (await find(console, "MCP Tutorial")).entry == {**before.entry, "sponsor": "board"}


@pytest.mark.parametrize(
    ("instant", "in_berlin"),
    [
        ("2999-01-01T10:00:00Z", "11:00"),
        ("2999-01-01T10:00:30Z", "11:00:30"),
        ("2300-01-01T10:00:30.001Z", "11:00:30.001"),
        ("2030-10-27T00:30:00Z", "02:30"),
        ("2030-10-27T01:30:00Z", "02:30"),
    ],
)
async def test_an_end_stays_the_same_when_something_else_is_saved(console, instant, in_berlin):
    agent = await find(console, "MCP Tutorial")
    administration = console.authority.services.administration
    entry = {"expires_at": instant}
    await administration.change(OPERATOR, console.environment, "agent", entry, object_id=agent.id)
    async with console.signed_on() as browser:
        browser.client.cookies.set("deputize-console-zone", "Europe/Berlin")
        await browser.get(f"{console.path}/agents/{agent.id}/configuration")
        await browser.submit(sponsor="board")
        assert (await find(console, "MCP Tutorial")).entry["expires_at"] == instant
        await browser.get(f"{console.path}/agents/{agent.id}/configuration")
        local, kept = PageForm(browser.response.text).fields["expires_at"]
        assert (local.partition("T")[2], kept) == (in_berlin, instant)
        await browser.submit(expires_at=["2031-01-01T12:30", kept])
    assert (await find(console, "MCP Tutorial")).entry["expires_at"] == "2031-01-01T11:30:00Z"


async def test_policies_are_ordered_without_scripts(console):
    agent = await find(console, "MCP Tutorial")
    (default,) = [
        each.name
        for each in console.authority.directory.current.environments[console.environment].policies.values()
        if each.name != "Agent-Consent-Login"
    ][:1]
    async with console.signed_on() as browser:
        where = f"{console.path}/agents/{agent.id}/policies"
        await browser.get(where)
        await browser.submit(form=1, policy=default, add="on")
        assert (await find(console, "MCP Tutorial")).entry["policies"] == ["Agent-Consent-Login", default]
        buttons = re.findall(r'aria-label="([^"]+)"', browser.response.text.partition("<main")[2])
        assert {f"Move {default} up", "Take out Agent-Consent-Login"} <= set(buttons)
        await browser.submit(form=1)
        assert (await find(console, "MCP Tutorial")).entry["policies"] == [default, "Agent-Consent-Login"]
        await browser.submit(form=0)
        assert (await find(console, "MCP Tutorial")).entry["policies"] == ["Agent-Consent-Login"]


async def test_who_agreed_once_is_listed_as_over(console):
    agent = await find(console, "MCP Tutorial")
    assert await sign_on_for(console, agent)
    user = await find(console, "demouser", "user")
    consents = console.authority.services.administration.consents
    async with console.signed_on() as browser:
        where = f"{console.path}/agents/{agent.id}"
        assert "In force" in main((await browser.get(where)).text)
        await consents.withdraw(
            Operator("user", "0", "alice", OPERATOR.roles), console.environment, user.id, agent.id
        )
        page = main((await browser.get(where)).text)
        for told in (
            "1 agreed once, none now.",
            "demouser",
            "Over",
            "withdrawn by administrator alice",
            "People: 0",
        ):
            assert told in page
        assert "Nobody agreed to it yet" not in page


async def test_the_agents_page_says_what_it_can_do_for_whom_and_the_picture_is_well_formed(console):
    agent = await find(console, "MCP Tutorial")
    assert await sign_on_for(console, agent)
    async with console.signed_on() as browser:
        shown = (await browser.get(f"{console.path}/agents/{agent.id}")).text
        for part in ("demouser", "Agent Consent", "version 1", "test", "No gateway delivers"):
            assert part in main(shown), part
        pictures = re.findall(r"<svg.*?</svg>", shown, re.DOTALL)
        assert len(pictures) == 2
        for picture in pictures:
            drawn = ET.fromstring(picture)  # noqa: S314 - the program wrote it
            texts = [each.text for each in drawn.iter() if each.tag.endswith("text")]
            assert {"People: 1", "Agent Consent", "MCP Tutorial", "test", "agent"} <= set(texts)
        shown = (await browser.get(f"{console.path}/agents/{agent.id}/activity")).text
        assert "signed on" in main(shown)


async def test_one_button_stops_an_agent_and_says_what_that_did(console):
    agent = await find(console, "MCP Tutorial")
    await sign_on_for(console, agent)
    async with console.signed_on() as browser:
        await browser.get(f"{console.path}/agents/{agent.id}")
        assert f"{console.path}/agents/{agent.id}/stop" in browser.response.text
        await browser.get(f"{console.path}/agents/{agent.id}/stop")
        assert "it no longer acts: 1" in main(browser.response.text)
        assert (await find(console, "MCP Tutorial")).entry.get("enabled", True)
        await browser.submit()
        assert "MCP Tutorial is stopped." in browser.response.text
        assert (await find(console, "MCP Tutorial")).entry["enabled"] is False
        assert re.search(r"Last stop on record: by administrator,\s+20 Mar 2026", main(browser.response.text))
        await browser.get(f"{console.path}/agents/{agent.id}/enable")
        for told in ("Start MCP Tutorial again?", "(people: 1)", "Not back: the tokens"):
            assert told in main(browser.response.text)
        assert (await find(console, "MCP Tutorial")).entry["enabled"] is False
        await browser.submit()
        assert "MCP Tutorial is enabled." in browser.response.text
        assert "Last stop" not in browser.response.text
        assert (await find(console, "MCP Tutorial")).entry.get("enabled", True)


async def test_a_stop_that_left_no_record_is_nobodys(console):
    agent, services = await find(console, "MCP Tutorial"), console.authority.services
    where = (OPERATOR, console.environment, "agent")
    for enabled in (False, True):
        await services.administration.change(*where, {"enabled": enabled}, object_id=agent.id)
    on_the_machine = Administration(services.store, services.passwords, services.clock, lambda *_: None)
    await on_the_machine.change(*where, {"enabled": False}, object_id=agent.id)
    await services.directory.refresh()
    async with console.signed_on() as browser:
        shown = main((await browser.get(f"{console.path}/agents/{agent.id}")).text)
        assert "This agent is stopped" in shown
        assert "Last stop" not in shown


async def test_owners_see_and_stop_their_own_agents_alone(console):
    mine = await find(console, "MCP Tutorial")
    async with console.signed_on() as browser:
        await browser.get(f"{console.path}/agents/{mine.id}/configuration")
        await browser.submit(owner="agent_owner")
        await browser.get(f"{console.path}/agents/new")
        await browser.submit(name="Not Mine", grants=["client_credentials"])
    theirs = await find(console, "Not Mine")
    payroll = {"name": "Payroll", "audience": "payroll", "scopes": [{"name": "pay", "description": "Pay"}]}
    administration = console.authority.services.administration
    await administration.change(OPERATOR, console.environment, "resource", payroll)
    async with console.signed_on("agent_owner", f"{console.path}/agents") as browser:
        assert "MCP Tutorial" in main(browser.response.text)
        assert "Not Mine" not in main(browser.response.text)
        for path in ("", "/configuration", "/resources", "/policies", "/secrets", "/activity", "/stop"):
            assert (await browser.get(f"{console.path}/agents/{mine.id}{path}")).status_code == 200, path
            assert "ayroll" not in browser.response.text, path
            assert (await browser.get(f"{console.path}/agents/{theirs.id}{path}")).status_code == 404, path
        assert "test" in main((await browser.get(f"{console.path}/agents/{mine.id}/resources")).text)
        await browser.get(f"{console.path}/agents/{mine.id}/configuration")
        await browser.submit(description="Mine")
        assert (await find(console, "MCP Tutorial")).entry["description"] == "Mine"
        csrf = re.search(r'name="csrf" value="([^"]+)"', browser.response.text)[1]
        for path, form in (
            ("configuration", {"description": "x", "owner": "x", "grants": "password"}),
            ("resources", {"scope": []}),
            ("policies", {"policy": "Agent-Consent-Login", "out": "on"}),
        ):
            where = f"{console.path}/agents/{mine.id}/{path}"
            await browser.client.post(where, data={**form, "csrf": csrf})
            stored = (await find(console, "MCP Tutorial")).entry
            assert stored["owner"] == "agent_owner"
            assert stored["scopes"], path
            assert stored["policies"] == ["Agent-Consent-Login"], path
        await browser.get(f"{console.path}/agents/{mine.id}/stop")
        await browser.submit()
        assert (await find(console, "MCP Tutorial")).entry["enabled"] is False
        response = await browser.client.post(f"{console.path}/agents/{mine.id}/enable", data={"csrf": csrf})
        assert response.status_code == 403
        assert (await find(console, "MCP Tutorial")).entry["enabled"] is False


async def test_no_text_of_an_agent_becomes_markup(console):
    async with console.signed_on() as browser:
        await browser.get(f"{console.path}/agents/new")
        await browser.submit(name=MARKUP, description=MARKUP, grants=["client_credentials"], owner=MARKUP)
        agent = await find(console, MARKUP)
        for path in ("", "/configuration", "/resources", "/policies", "/secrets", "/activity", "/stop"):
            shown = (await browser.get(f"{console.path}/agents/{agent.id}{path}")).text
            assert "<script>alert" not in shown, path
            assert "<img src=x" not in shown, path


async def test_an_agent_of_another_environment_is_not_there(console):
    agent = await find(console, "MCP Tutorial")
    async with console.signed_on() as browser:
        for path in ("", "/configuration", "/resources", "/policies", "/secrets", "/activity", "/stop"):
            response = await browser.get(f"/console/{console.home}/agents/{agent.id}{path}")
            assert response.status_code == 404, path


@pytest.mark.parametrize(("name", "typed"), [("redirect_uris", "not a uri"), ("name", "MCP Tutorial")])
async def test_what_is_wrong_is_marked_and_kept(console, name, typed):
    async with console.signed_on() as browser:
        await browser.get(f"{console.path}/agents/new")
        form = {"name": "New", "description": "kept", "grants": ["client_credentials"], name: typed}
        shown = await browser.submit(**form)
        assert shown.status_code == 422
        assert "kept" in shown.text
        assert typed in unescape(shown.text)


async def test_what_was_refused_in_the_last_day_is_counted_and_led_to(console):
    agent = await find(console, "MCP Tutorial")
    administration = console.authority.services.administration
    drawn = await administration.new_secret(OPERATOR, console.environment, "agent", agent.id)
    async with console.authority.client() as client:
        for seconds in (0, 86_401, 0, 0):
            console.authority.clock.instant += seconds
            form = {"grant_type": "client_credentials", "scope": "nothing"}
            headers = basic(agent.id, drawn.secrets[0].text)
            refused = await client.post(f"/{console.environment}/as/token", data=form, headers=headers)
            assert refused.json()["error"] == "invalid_scope"
    async with console.signed_on() as browser:
        page = (await browser.get(f"{console.path}/agents/{agent.id}")).text
        count = re.search(r"Refused in the last 24 hours</dt><dd>\s*<a href=\"([^\"]+)\">(\d+)</a>", page)
        assert count[2] == "3"
        listed = await browser.get(unescape(count[1]))
        assert len(set(re.findall(rf"{console.path}/audit/([0-9a-f-]+)\"", listed.text))) == 3


async def test_the_numbers_on_an_agents_page_agree_and_refusals_are_no_use(console):
    agent = await find(console, "MCP Tutorial")
    administration = console.authority.services.administration
    secret = (await administration.new_secret(OPERATOR, console.environment, "agent", agent.id)).secrets[0]
    async with console.authority.client() as client:
        for scope, presented in (("agent", secret.text), ("nothing", secret.text), ("agent", "a guess")):
            form = {"grant_type": "client_credentials", "scope": scope}
            token = f"/{console.environment}/as/token"
            await client.post(token, data=form, headers=basic(agent.id, presented))
        await client.get(
            f"/{console.environment}/as/authorize?client_id={agent.id}&redirect_uri=https://x.example"
        )
    async with console.signed_on() as browser:
        page = (await browser.get(f"{console.path}/agents/{agent.id}")).text
        assert re.search(r"Refused in the last 24 hours</dt><dd>\s*<a href=\"[^\"]+\">3</a>", page)
        table = page.partition('id="reaches"')[2].partition("</table>")[0]
        rows = [[each.partition("<")[0] for each in row.split("<td>")] for row in table.split("<tr>")[2:]]
        assert sum(int(each[3] or 0) for each in rows) == 1
        assert sum(int(each[4] or 0) for each in rows) == 3
        assert (page.count(">1×<"), page.count(">3×<")) == (2, 0)  # the picture is drawn twice
        activity = main((await browser.get(f"{console.path}/agents/{agent.id}/activity")).text)
        assert activity.count("Claimed by whoever asked, not proven") == 2
        audit = main((await browser.get(f"{console.path}/audit?agent={agent.id}&outcome=refused")).text)
        assert audit.count("(claimed by whoever asked, not proven)") == 2


async def test_stopping_counts_the_tokens_in_the_agents_own_name_too(console):
    agent = await find(console, "MCP Tutorial")
    administration = console.authority.services.administration
    drawn = await administration.new_secret(OPERATOR, console.environment, "agent", agent.id)
    async with console.authority.client() as client:
        for seconds in (0, 3601, 0):
            console.authority.clock.instant += seconds
            form = {"grant_type": "client_credentials", "scope": "agent"}
            headers = basic(agent.id, drawn.secrets[0].text)
            answer = await client.post(f"/{console.environment}/as/token", data=form, headers=headers)
            assert answer.json()["expires_in"] == 3600
    await sign_on_for(console, agent)
    async with console.signed_on() as browser:
        shown = await browser.get(f"{console.path}/agents/{agent.id}/stop")
        assert "Tokens in its own name (client credentials) that end: 2" in shown.text
        stopped = await browser.submit()
        assert "tokens in its own name that ended: 2." in stopped.text
