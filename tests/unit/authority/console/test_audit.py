"""Monitoring → Audit: what is found, what belongs together, what is handed out, and to whom never."""

import csv
import io
import json
import re
from html import unescape
from urllib.parse import quote

import pytest

from deputize.authority.storage.activities import Activity
from support.agent_delegation import NOW
from support.authority import Browser

MARKUP = """"><script>alert(1)</script><img src=x onerror=alert(1)>'{{7*7}}"""


@pytest.fixture
async def record(console):
    """Stores records in the use case's environment, or another one."""
    environment = console.authority.directory.current.environments[console.environment]
    users = console.authority.store.users
    user = await users.find_user(console.environment, "demouser")
    agents = {each.name: each.id for each in environment.agents.values()}
    resource = next(each.id for each in environment.resources.values() if each.name == "test")

    async def store(number=0, agent="MCP Tutorial", environment_id=None, **changes):
        values = {
            "id": f"{number:036d}",
            "environment_id": environment_id or console.environment,
            "happened_at": NOW + number,
            "source": "gateway",
            "event": "mcp message",
            "outcome": "permitted",
            "user_id": None if environment_id else user.id,
            "agent_ids": (agents[agent],),
            "resource_id": resource,
            "method": "tools/call",
            "tool": f"tool-{number}",
            "session_id": None,
            "grant_id": None,
            "jti": None,
            "transaction_id": f"transaction-{number}",
            "caller_transaction_id": None,
            "record": "{}",
        }
        activity = Activity(**{**values, **changes})
        await console.authority.store.activities.add([activity])
        return activity

    store.agents, store.user = agents, user
    return store


def tools(page):
    return re.findall(r"<code>(tool[^<]*)</code>", page)


def in_words(page):
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


async def test_an_empty_audit_teaches_what_it_is_for_and_how_calls_come_here(console):
    async with console.signed_on(path=f"{console.path}/audit") as browser:
        page = browser.response.text
        assert browser.heading == "Audit"
        assert "Nothing has happened yet" in page
        assert "AuthorityAuditEventHandler" in page
        issuer = console.authority.directory.current.environments[console.environment].issuer
        assert f"&#34;{issuer}&#34;" in page or f'"{issuer}"' in page


async def test_the_hint_goes_when_a_gateway_delivers(console, record):
    await record(event="token issued", source="authority")
    async with console.signed_on(path=f"{console.path}/audit") as browser:
        assert "No gateway has delivered records here" in browser.response.text
        await record(1)
        assert "No gateway has delivered" not in (await browser.get(f"{console.path}/audit")).text


async def test_each_filter_finds_what_it_says(console, record):
    await record(1, agent="Other Agent", user_id=None)
    await record(2, outcome="refused", record='{"reason": "scope missing"}')
    await record(3, source="authority", event="token issued", tool=None, resource_id=None)
    async with console.signed_on(path=f"{console.path}/audit") as browser:

        async def found(**query):
            text = "&".join(f"{name}={quote(value)}" for name, value in query.items())
            page = (await browser.get(f"{console.path}/audit?{text}")).text
            listed = re.search(r"<tbody>(.*)</tbody>", page, re.DOTALL)
            return [int(each) for each in re.findall(r"/audit/0{30,}(\d)\"", listed[1])] if listed else []

        assert await found(search="") == [3, 2, 1]
        assert await found(agent="Other Agent") == [1]
        assert await found(agent=record.agents["Other Agent"]) == [1]
        assert await found(user="demouser") == [3, 2]
        assert await found(user=record.user.id) == [3, 2]
        assert await found(
            resource=next(iter(re.findall(r'value="([^"]+)">test', browser.response.text)))
        ) == [2, 1]
        assert await found(tool="tool-2") == [2]
        assert await found(outcome="refused") == [2]
        assert "scope missing" in browser.response.text
        assert await found(source="authority") == [3]
        assert await found(correlation_id="transaction-1") == [1]
        assert await found(search="tool-") == [2, 1]
        assert await found(search="token") == [3]
        assert await found(search="transaction-3") == [3]
        assert await found(since="2026-03-20T20:48", before="2026-03-20T20:49") == [3, 2, 1]
        assert await found(since="2026-03-20T20:49") == []
        assert await found(agent="Other Agent", outcome="refused") == []


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("agent=nobody", "there is no agent nobody"),
        ("user=nobody", "there is no user nobody"),
        ("since=soon", "cannot be read"),
    ],
)
async def test_what_cannot_be_looked_for_is_said_at_its_field(console, record, query, problem):
    await record()
    async with console.signed_on(path=f"{console.path}/audit?{query}") as browser:
        assert browser.response.status_code == 422
        assert problem in in_words(browser.response.text)
        assert "tool-0" not in browser.response.text


async def test_a_made_up_cursor_is_no_page(console, record):
    await record()
    async with console.signed_on(path=f"{console.path}/audit?cursor=x") as browser:
        assert browser.response.status_code == 404


async def test_pages_go_on_without_scripts(console, record):
    for number in range(60):
        await record(number)
    async with console.signed_on(path=f"{console.path}/audit?agent=MCP+Tutorial") as browser:
        seen = tools(browser.response.text)
        older = re.search(r'href="([^"]+)" rel="next"', browser.response.text)[1].replace("&amp;", "&")
        seen += tools((await browser.get(f"{console.path}/audit{older}")).text)
        assert seen == [f"tool-{number}" for number in reversed(range(60))]
        assert 'rel="next"' not in browser.response.text


async def test_one_transaction_is_followed_through_both_programs(console, record):
    jti = "0d9c2a4e-5f0f-4c39-8d6b-7a5a3a3f2b11.a-term-1r-term-24Nhl5fp70Fodqu"
    signed_on = jti.partition(".")[0]
    await record(
        1, source="authority", event="authorization granted", tool=None, jti=signed_on, grant_id=signed_on
    )
    await record(
        2, source="authority", event="token issued", tool=None, jti=jti, caller_transaction_id="gateway-7"
    )
    call = await record(3, jti=jti, grant_id=signed_on, transaction_id="gateway-7")
    await record(4, transaction_id="another")
    async with console.signed_on(path=f"{console.path}/audit/{call.id}") as browser:
        story = re.search(r'<ol class="story">(.*?)</ol>', browser.response.text, re.DOTALL)[1]
        events = [in_words(each) for each in re.findall(r"<li[^>]*>(.*?)</li>", story, re.DOTALL)]
        expected = ["authority Authorization granted", "authority Token issued", "gateway MCP message tool-3"]
        assert [each in event for each, event in zip(expected, events, strict=True)] == [True] * 3


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        (" \u00a0=1+1", "' \u00a0=1+1"),
        ('"=1+1', "'\"=1+1"),
        ("'@sum", "''@sum"),
        ("\uff1d1", "'\uff1d1"),
        ("-2+3", "'-2+3"),
        ("+2", "'+2"),
        ("\tx", "'\tx"),
        ("\r\nx", "'\r\nx"),
        ("a=1", "a=1"),
        ("get-weather", "get-weather"),
    ],
)
async def test_no_cell_of_a_download_becomes_a_formula(console, record, text, cell):
    await record(tool=None, record=json.dumps({"reason": text}))
    async with console.signed_on() as browser:
        answer = await browser.client.get(f"{console.path}/audit/export?format=csv")
        assert [each["reason"] for each in csv.DictReader(io.StringIO(answer.text, newline=""))] == [cell]


async def test_downloads_hold_what_was_searched_for(console, record):
    await record(1, tool="=cmd()", record='{"reason": "@sum"}')
    await record(2, record='{"ig": {"route": "mcp"}}')
    await record(3, agent="Other Agent")
    async with console.signed_on(path=f"{console.path}/audit?agent=MCP+Tutorial") as browser:
        for link in re.findall(r'href="([^"]+/audit/export[^"]+)"', browser.response.text):
            answer = await browser.client.get(link.replace("&amp;", "&"))
            assert answer.headers["content-disposition"].startswith("attachment")
            if "csv" in link:
                rows = list(csv.DictReader(io.StringIO(answer.text)))
                assert [(each["tool"], each["reason"]) for each in rows] == [
                    ("tool-2", ""),
                    ("'=cmd()", "'@sum"),
                ]
                assert {(each["user"], each["agents"]) for each in rows} == {("demouser", "MCP Tutorial")}
            else:
                lines = [json.loads(each) for each in answer.text.splitlines()]
                assert [each["tool"] for each in lines] == ["tool-2", "=cmd()"]
                assert lines[0]["record"] == {"ig": {"route": "mcp"}}
        assert (await browser.client.get(f"{console.path}/audit/export?agent=nobody")).status_code == 404


async def test_more_records_than_a_page_are_handed_out(console, record):
    for number in range(230):
        await record(number)
    async with console.signed_on() as browser:
        answer = await browser.client.get(f"{console.path}/audit/export?format=jsonl")
        assert len(answer.text.splitlines()) == 230


async def test_records_of_another_environment_are_none_of_this_one(console, record):
    other = await record(
        1, environment_id=console.home, tool="tool-elsewhere", transaction_id="transaction-9"
    )
    mine = await record(2, transaction_id="transaction-9")
    administrator = await console.authority.store.users.find_user(console.home, "administrator")
    async with console.signed_on() as browser:
        for path in ("audit", "audit?search=tool-", "audit?correlation_id=transaction-9", f"audit/{mine.id}"):
            page = (await browser.get(f"{console.path}/{path}")).text
            assert "tool-2" in page
            assert "tool-elsewhere" not in page
        assert (await browser.client.get(f"{console.path}/audit/{other.id}")).status_code == 404
        assert "elsewhere" not in (await browser.client.get(f"{console.path}/audit/export")).text
        for name in ("administrator", administrator.id):
            answer = await browser.client.get(f"{console.path}/audit?user={name}")
            assert answer.status_code == 422
        assert "elsewhere" in (await browser.get(f"/console/{console.home}/audit/{other.id}")).text


async def test_nothing_that_was_recorded_becomes_markup(console, record):
    hostile = await record(
        1,
        tool=MARKUP,
        method=MARKUP[:60],
        event=MARKUP[:60],
        transaction_id=MARKUP,
        record=json.dumps({"reason": MARKUP, MARKUP: MARKUP}),
    )
    async with console.signed_on() as browser:
        for path in ("audit", f"audit/{hostile.id}", f"audit?search={quote(MARKUP)}&agent={quote(MARKUP)}"):
            page = (await browser.get(f"{console.path}/{path}")).text
            assert "<script>alert" not in page
            assert "<img src=x" not in page
            assert not re.search(r"\sstyle=|\son\w+=(?!alert)|javascript:|<style|<script>", page)


@pytest.mark.parametrize(("role", "status"), [("auditor", 200), ("agent_owner", 403), ("nobody", 403)])
async def test_auditors_see_it_and_who_owns_agents_does_not(console, record, role, status):
    call = await record()
    async with console.signed_on(role) as browser:
        for path in ("audit", f"audit/{call.id}", "audit/export"):
            answer = await browser.client.get(f"{console.path}/{path}")
            assert (answer.status_code, "tool-0" in answer.text) == (status, status == 200)


async def test_it_is_in_the_readers_language(console, record):
    await record(1, source="authority", event="token issued")
    async with console.authority.client() as client:
        browser = Browser(console.authority, client, headers={"accept-language": "de"})
        await browser.get(f"{console.path}/audit")
        await browser.sign_on(username="auditor")
        assert browser.heading == "Protokoll"
        assert "Token ausgestellt" in browser.response.text


OPERATOR = {"kind": "user", "id": "1", "name": "anna"}


def changed(name, before, after, kind="resource"):
    change = {"kind": kind, "id": "2", "name": name, "before": before, "after": after}
    return json.dumps({"operator": OPERATOR, "changes": [change]})


@pytest.mark.parametrize(
    ("kept", "told"),
    [
        (
            changed("test", {"token_lifetime": "5 minutes"}, {"token_lifetime": "10 minutes"}),
            "anna changed resource test: token_lifetime 5 minutes → 10 minutes",
        ),
        (changed("test", None, {"name": "test", "audience": "x"}), "anna created resource test"),
        (changed("old", {"name": "old"}, None, "policy"), "anna removed policy old"),
        (
            json.dumps(
                {
                    "operator": OPERATOR,
                    "changes": [
                        {"kind": "agent", "id": "2", "name": "Post", "secret": "drawn"},
                        {"kind": "user", "id": "3", "removed": True},
                    ],
                }
            ),
            "anna made a new secret for agent Post (and 1 more)",
        ),
        (json.dumps({"operator": OPERATOR, "changes": [], "changesLeftOut": 7}), "anna changed very much"),
        (
            json.dumps({"operator": OPERATOR, "reason": "the audience is taken"}),
            "anna's change was refused: the audience is taken",
        ),
        ("{}", "changed very much"),
        (json.dumps({"operator": 1, "changes": [1, {"kind": [], "name": {}}]}), "removed []"),
    ],
)
async def test_a_change_says_who_did_what_to_which_object(console, record, kept, told):
    outcome = "refused" if '"reason"' in kept else "permitted"
    common = {"source": "authority", "event": "environment changed", "agent_ids": (), "outcome": outcome}
    await record(tool=None, method=None, record=kept, **common)
    async with console.signed_on(path=f"{console.path}/audit") as browser:
        page = in_words(unescape(browser.response.text))
        assert told in page
        assert page.count("the audience is taken") == ("taken" in told)
        exported = await browser.get(f"{console.path}/audit/export?format=csv")
        [row] = csv.DictReader(io.StringIO(exported.text))
        assert told in row["change"]


async def test_a_changes_record_shows_what_was_and_what_is(console):
    async with console.signed_on() as browser:
        environment = console.authority.directory.current.environments[console.environment]
        resource = next(each.id for each in environment.resources.values() if each.name == "agent")
        before = environment.resources[resource].settings.description
        await browser.get(f"{console.path}/resources/{resource}")
        await browser.submit(token_lifetime="17 minutes", description="For <b>all</b>")
        page = (await browser.get(f"{console.path}/audit")).text
        address = re.search(rf"{console.path}/audit/[0-9a-f-]+", page)[0]
        shown = (await browser.get(address)).text
        rows = re.findall(r"<tr><th scope=\"row\"><code>(.*?)</code></th><td>(.*?)</td><td>(.*?)</td>", shown)
    assert ("token_lifetime", "<pre>1 hour</pre>", "<pre>17 minutes</pre>") in rows
    assert ("description", f"<pre>{before}</pre>", "<pre>For &lt;b&gt;all&lt;/b&gt;</pre>") in rows
    assert "administrator changed resource" in in_words(shown)


UNKNOWN_URI = (
    "/{environment}/as/authorize?response_type=code&client_id={agent}&redirect_uri=https%3A%2F%2Fno.example"
)


@pytest.mark.parametrize("typed", ["{}", " {} ", "(Correlation ID: {})", "Correlation ID {}"])
async def test_the_id_on_an_error_page_finds_its_record_wherever_it_is_typed(console, record, typed):
    async with console.signed_on() as browser:
        address = UNKNOWN_URI.format(environment=console.environment, agent=record.agents["MCP Tutorial"])
        refused = await browser.client.get(address)
        shown = re.search(r"Correlation ID <code>(.*?)</code>", refused.text)[1]
        wanted = quote(typed.format(shown))
        for place in ("audit?search=", "audit?correlation_id=", "search?search=", "why?activity="):
            page = (await browser.get(f"{console.path}/{place}{wanted}")).text
            found = set(re.findall(rf'href="({console.path}/audit/[0-9a-f-]+)"', page))
            assert len(found) == 1, place
            assert shown in (await browser.get(found.pop())).text
