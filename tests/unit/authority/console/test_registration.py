"""Settings → Registration: who may come, who waits, and the tokens with which programs come."""

import re
from html import unescape

import pytest
import yaml
from pydantic import BaseModel

from deputize.authority.administration import Operator
from deputize.authority.console.pages import registration
from deputize.authority.directory.objects import AgentTemplate, RegistrationObject

ROOT = Operator("command", "0", "root", frozenset({"administrator"}))
MARKUP = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
METADATA = {
    "client_name": MARKUP,
    "redirect_uris": ["https://app.example.com/cb?x=%3Cb%3E"],
    "token_endpoint_auth_method": "none",
}


async def exported(console) -> dict:
    text = await console.authority.services.administration.environments.export(ROOT, console.environment)
    return yaml.safe_load(text)


async def set_registration(console, **changes) -> None:
    """Change members of the registration that there is."""
    environments = console.authority.services.administration.environments
    before = (await environments.find(ROOT, console.environment)).entry["registration"]
    await environments.change(ROOT, console.environment, {"registration": {**before, **changes}})


async def introduce(console, token: str = "") -> str:
    """Register a program; its id."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    async with console.authority.client() as client:
        where = f"/{console.environment}/as/register"
        answer = await client.post(where, json=METADATA, headers=headers)
    assert answer.status_code == 201, answer.text
    await console.refresh()
    return answer.json()["client_id"]


async def find(console, agent_id: str):
    administration = console.authority.services.administration
    return await administration.find(ROOT, console.environment, "agent", agent_id)


def words(page: str) -> str:
    return unescape(re.sub(r"<[^>]+>", "", page.partition("<main")[2]))


def names(model: type[BaseModel], inside: str) -> set[str]:
    return {inside + name for name in model.model_fields}


def test_every_setting_of_registration_has_a_field():
    expected = names(RegistrationObject, "registration/") - {"registration/agent"}
    expected |= names(AgentTemplate, "registration/agent/")
    fields = [each.name for each in registration.SETTINGS.fields]
    assert (set(fields), len(fields)) == (expected, len(expected))


async def test_saving_what_is_shown_changes_nothing_and_warns_of_what_is_open(console):
    before = await exported(console)
    async with console.signed_on() as browser:
        await browser.get(f"{console.path}/registration/settings")
        shown = await browser.submit()
        assert "The settings are saved." in shown.text
        assert "registration is open" in words(shown.text)
    assert await exported(console) == before


async def test_what_the_page_changes_is_what_the_file_says(console):
    before = await exported(console)
    async with console.signed_on() as browser:
        await browser.get(f"{console.path}/registration/settings")
        await browser.submit(
            **{
                "registration/hosts": "claude.ai\r\n\r\n*.apps.example.com",
                "registration/open": [],
                "registration/approval_required": "on",
                "registration/initial_access_tokens": "on",
                "registration/max_agents": "7",
                "registration/agent/scopes": ["agent agent"],
                "registration/agent/lifetime": "90 days",
                "registration/agent/owner": "",
            }
        )
        assert browser.response.url.path == f"{console.path}/registration"
        assert "claude.ai" in words(browser.response.text)
    agent = {name: value for name, value in before["registration"]["agent"].items() if name != "owner"}
    assert await exported(console) == before | {
        "registration": {
            "hosts": ["claude.ai", "*.apps.example.com"],
            "dynamic": True,
            "initial_access_tokens": True,
            "approval_required": True,
            "max_agents": 7,
            "agent": agent | {"scopes": {"agent": ["agent"]}, "lifetime": "90 days"},
        }
    }


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("registration/hosts", f"https://a.example.com/{MARKUP}"),
        ("registration/max_agents", "0"),
        ("registration/idle_lifetime", f"soon {MARKUP}"),
        ("registration/agent/policies", []),
        ("registration/agent/policies", ["Single_Factor"]),
        ("registration/agent/scopes", [f"{MARKUP} x"]),
    ],
)
async def test_what_is_wrong_stands_at_its_field_and_is_kept(console, name, text):
    before = await exported(console)
    async with console.signed_on() as browser:
        await browser.get(f"{console.path}/registration/settings")
        shown = await browser.submit(**{name: text})
        field = f"f-{name.replace('/', '-')}"
        assert (shown.status_code, f'id="{field}-problem"' in shown.text) == (422, True)
        assert ("<script>alert" in shown.text, "<img src=x" in shown.text) == (False, False)
        if isinstance(text, str):
            assert text in unescape(shown.text)
    assert await exported(console) == before


async def test_agents_end_only_after_the_page_named_them(console):
    agent_id = await introduce(console)
    async with console.signed_on() as browser:
        await browser.get(f"{console.path}/registration/settings")
        others = {"registration/dynamic": [], "registration/open": [], "registration/hosts": "claude.ai"}
        shown = await browser.submit(**others)
        assert "Agents that would end by this, for they would no longer be admitted: 1" in words(shown.text)
        assert await find(console, agent_id) is not None
        await browser.submit(sure="another list")
        assert await find(console, agent_id) is not None
        (sure,) = re.findall(r'name="sure" value="([^"]+)"', browser.response.text)
        await browser.submit(sure=sure)
        assert "The settings are saved." in words(browser.response.text)
    assert await find(console, agent_id) is None


async def test_closing_says_how_many_end_and_the_page_then_teaches(console):
    agent_id = await introduce(console)
    async with console.signed_on() as browser:
        shown = await browser.get(f"{console.path}/registration/close")
        assert "Agents that end: 1" in words(shown.text)
        assert await find(console, agent_id) is not None
        shown = await browser.submit()
        assert 'class="empty"' in shown.text
        assert (await find(console, agent_id), "registration" in await exported(console)) == (None, False)
        await browser.get(f"{console.path}/registration/settings")
        policies = {"registration/agent/policies": ["Stranger-Consent-Login"]}
        await browser.submit(**{"registration/hosts": "claude.ai", **policies})
    agent = {"policies": ["Stranger-Consent-Login"]}
    assert (await exported(console))["registration"] == {"hosts": ["claude.ai"], "agent": agent}


async def test_what_waits_is_looked_at_and_approved_of(console):
    await set_registration(console, approval_required=True)
    agent_id = await introduce(console)
    async with console.signed_on() as browser:
        shown = await browser.get(f"{console.path}/registration")
        assert f"/registration/agents/{agent_id}/approve" in shown.text
        shown = await browser.get(f"{console.path}/registration/agents/{agent_id}/approve")
        assert MARKUP in unescape(shown.text)
        assert METADATA["redirect_uris"][0] in unescape(shown.text)
        assert "test: test" in " ".join(words(shown.text).split())
        assert ("<script>alert" in shown.text, "<img src=x" in shown.text) == (False, False)
        assert (await find(console, agent_id)).facts["waiting"] is True
        await browser.submit()
        assert "may act now" in words(browser.response.text)
        found = await find(console, agent_id)
        assert (found.facts["waiting"], found.entry["enabled"]) == (False, True)
        shown = await browser.get(f"{console.path}/registration/agents/{agent_id}/refuse")
        assert shown.status_code == 404


async def test_what_waits_is_refused_after_the_page_said_what_ends(console):
    await set_registration(console, approval_required=True)
    agent_id = await introduce(console)
    async with console.signed_on() as browser:
        shown = await browser.get(f"{console.path}/registration/agents/{agent_id}/refuse")
        assert "It may introduce itself again" in words(shown.text)
        assert "<script>alert" not in shown.text
        await browser.submit()
        assert "is refused." in words(browser.response.text)
    assert await find(console, agent_id) is None


async def test_an_agents_own_page_leads_to_its_approval_and_approves_of_nobody_unseen(console):
    await set_registration(console, approval_required=True)
    agent_id = await introduce(console)
    approval = f"{console.path}/registration/agents/{agent_id}/approve"
    async with console.signed_on() as browser:
        shown = await browser.get(f"{console.path}/agents/{agent_id}")
        assert f'href="{approval}">Approve</a>' in shown.text
        assert f"{agent_id}/enable" not in shown.text
        form = await browser.get(f"{console.path}/users/new")
        token = re.search('name="csrf" value="([^"]+)"', form.text)[1]
        answer = await browser.client.post(f"{console.path}/agents/{agent_id}/enable", data={"csrf": token})
        assert (answer.status_code, answer.headers["location"]) == (303, approval)
        assert (await find(console, agent_id)).facts["waiting"] is True
        await browser.get(approval)
        await browser.submit()
        assert (await find(console, agent_id)).entry["enabled"] is True


async def test_an_agent_that_was_set_up_is_neither_approved_of_nor_refused(console):
    found = console.authority.directory.current.environments[console.environment]
    agent_id = next(iter(found.agents))
    async with console.signed_on() as browser:
        for action in ("approve", "refuse"):
            shown = await browser.get(f"{console.path}/registration/agents/{agent_id}/{action}")
            assert shown.status_code == 404
    assert await find(console, agent_id) is not None


async def test_a_token_is_shown_once_admits_and_is_revoked(console):
    await set_registration(console, initial_access_tokens=True, open=False)
    async with console.signed_on() as browser:
        shown = await browser.get(f"{console.path}/registration/invitations")
        assert 'class="empty"' in shown.text
        await browser.get(f"{console.path}/registration/invite")
        shown = await browser.submit(uses="2", lifetime="1 day")
        token = re.findall(r'<p class="copy"><code>([^<]+)</code></p>', shown.text)[-1]
        await introduce(console, token)
        shown = await browser.get(f"{console.path}/registration/invitations")
        assert ("<td>1</td>" in shown.text, token in shown.text) == (True, False)
        (href,) = re.findall(r'href="([^"]+/withdraw)"', shown.text)
        shown = await browser.get(href)
        assert "could still have registered with it: 1" in words(shown.text)
        await browser.submit()
        assert 'class="empty"' in browser.response.text
        assert (await browser.get(href)).status_code == 404
    async with console.authority.client() as client:
        headers = {"authorization": f"Bearer {token}"}
        where = f"/{console.environment}/as/register"
        assert (await client.post(where, json=METADATA, headers=headers)).status_code == 401


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("uses", "0"),
        ("uses", "many"),
        ("uses", ""),
        ("lifetime", "400 days"),
        ("lifetime", "unlimited"),
        ("lifetime", f"soon {MARKUP}"),
    ],
)
async def test_a_wrong_invitation_is_marked_and_makes_no_token(console, name, text):
    await set_registration(console, initial_access_tokens=True)
    async with console.signed_on() as browser:
        await browser.get(f"{console.path}/registration/invite")
        shown = await browser.submit(**{name: text})
        assert (shown.status_code, f'id="f-{name}-problem"' in shown.text) == (422, True)
        assert "<script>alert" not in shown.text
    found = await console.authority.services.administration.invitations.list(ROOT, console.environment)
    assert found.items == ()


async def test_where_no_tokens_are_taken_the_page_leads_to_the_settings(console):
    async with console.signed_on() as browser:
        shown = await browser.get(f"{console.path}/registration/invitations")
        assert "/registration/invite" not in shown.text.replace("/registration/invitations", "")
        await browser.get(f"{console.path}/registration/invite")
        shown = await browser.submit()
        assert (shown.status_code, "takes no initial access tokens" in words(shown.text)) == (422, True)


async def test_auditors_read_and_owners_see_nothing(console):
    await set_registration(console, approval_required=True)
    agent_id = await introduce(console)
    entry = {"name": "Owned", "owner": "agent_owner", "redirect_uris": ["https://a.example.com/"]}
    await console.authority.services.administration.change(ROOT, console.environment, "agent", entry)
    async with console.signed_on("auditor") as browser:
        for path in ("", "/settings", "/invitations"):
            shown = await browser.get(f"{console.path}/registration{path}")
            assert shown.status_code == 200
            for button in ("<button>Save</button>", "/approve", "/refuse", "/close", '/invite"'):
                assert button not in shown.text
        shown = await browser.get(f"{console.path}/registration/agents/{agent_id}/approve")
        assert "<button>Approve</button>" not in shown.text
    async with console.signed_on("agent_owner") as browser:
        assert (await browser.get(f"{console.path}/registration")).status_code == 403
