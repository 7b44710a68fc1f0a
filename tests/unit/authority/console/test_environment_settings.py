"""Settings → Environment: every setting has a field, and what a page changes is what the file says."""

import base64
import re
import zlib
from html import unescape
from typing import get_args, get_origin

import pytest
import yaml
from pydantic import BaseModel

from deputize.authority.administration import Operator
from deputize.authority.console.forms import EntryForm
from deputize.authority.console.pages import environment
from deputize.authority.directory.objects import EnvironmentObject
from support.authority import PageForm

ROOT = Operator("command", "0", "root", frozenset({"administrator"}))
MARKUP = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
PROVIDER = {
    "name": "google",
    "title": "Google",
    "issuer": "https://accounts.example.com",
    "client_id": "abc",
    "algorithms": ["RS256"],
}
KEYS = (
    '{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "1", '
    '"x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}'
)
TRUSTED = {"issuer": "https://platform.example.com", "algorithms": ["EdDSA"], "jwks": KEYS}


def picture() -> bytes:
    """A PNG of one pixel."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(kind + content).to_bytes(4, "big")
        return len(content).to_bytes(4, "big") + kind + content + checksum

    head = chunk(b"IHDR", bytes([0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0]))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")


def leaves(model: type[BaseModel], inside: str = "") -> set[str]:
    """The names of all settings below a model, as fields are named; a list counts as one."""
    found: set[str] = set()
    for name, field in model.model_fields.items():
        is_list = get_origin(field.annotation) is tuple
        parts = () if is_list else (field.annotation, *get_args(field.annotation))
        inner = next((each for each in parts if isinstance(each, type) and issubclass(each, BaseModel)), None)
        found |= leaves(inner, f"{inside}{name}/") if inner else {inside + name}
    return found


def names_of(*forms: EntryForm) -> set[str]:
    return {field.name for form in forms for field in form.fields}


async def exported(console) -> dict:
    text = await console.authority.services.administration.environments.export(ROOT, console.environment)
    return yaml.safe_load(text)


def words(page: str) -> str:
    return unescape(re.sub(r"<[^>]+>", "", page.partition("<main")[2]))


def test_every_setting_of_an_environment_has_a_field_on_one_page():
    lists = {each.items.member: each.form for each in environment.LISTS.values()}
    of_its_own = {name for name in leaves(EnvironmentObject) if not name.startswith("registration/")}
    assert of_its_own - lists.keys() - {"id"} == names_of(*environment.GROUPS.values())
    fields = [field.name for form in environment.GROUPS.values() for field in form.fields]
    assert len(fields) == len(set(fields))


@pytest.mark.parametrize("tab", environment.LISTS)
def test_every_setting_of_a_listed_item_has_a_field(tab):
    listed = environment.LISTS[tab]
    annotation = EnvironmentObject.model_fields[listed.items.member].annotation
    (model, _) = get_args(annotation)
    assert leaves(model) == names_of(listed.form)


def test_a_part_of_the_settings_is_in_one_form():
    """Given, it replaces the former as a whole: a form with half of it would reset the other."""
    for part in {name.partition("/")[0] for name in leaves(EnvironmentObject) if "/" in name}:
        holding = [
            tab
            for tab, form in environment.GROUPS.items()
            if any(name.startswith(f"{part}/") for name in names_of(form))
        ]
        assert len(holding) <= 1, part


@pytest.mark.parametrize("tab", environment.TABS)
@pytest.mark.parametrize("role", ["administrator", "auditor", "agent_owner"])
async def test_each_role_sees_and_changes_what_is_its_own(console, tab, role):
    entry = {"name": "Owned", "owner": "agent_owner", "redirect_uris": ["https://a.example.com/"]}
    await console.authority.services.administration.change(ROOT, console.environment, "agent", entry)
    async with console.signed_on(role) as browser:
        path = "" if tab == "general" else f"/{tab}"
        shown = await browser.get(f"{console.path}/environment{path}")
        assert shown.status_code == (403 if role == "agent_owner" else 200)
        assert ("<button>Save</button>" in shown.text or "/add-" in shown.text) == (role == "administrator")


async def test_saving_what_is_shown_changes_nothing(console):
    before = await exported(console)
    async with console.signed_on() as browser:
        for path in ("", "/sign-on", "/branding"):
            await browser.get(f"{console.path}/environment{path}")
            await browser.submit()
            assert "The settings are saved." in browser.response.text
    assert await exported(console) == before


async def test_what_pages_change_is_what_the_file_says(console):
    before = await exported(console)
    async with console.signed_on() as browser:
        await browser.get(f"{console.path}/environment")
        await browser.submit(
            environment="Renamed", default_policy="Agent-Consent-Login", activity_retention="10 days"
        )
        assert "Renamed" in browser.response.text
        await browser.get(f"{console.path}/environment/sign-on")
        typed = {"password_policy/min_length": "12", "require_dpop_nonce": "on"}
        await browser.submit(session_lifetime="1 hour", session_idle_lifetime="10 minutes", **typed)
        await browser.get(f"{console.path}/environment/branding")
        await browser.submit(**{"branding/name": "The Bank", "branding/colour": "#0F6B66"})
    assert await exported(console) == before | {
        "environment": "Renamed",
        "default_policy": "Agent-Consent-Login",
        "activity_retention": "10 days",
        "session_lifetime": "1 hour",
        "session_idle_lifetime": "10 minutes",
        "password_policy": {"min_length": 12},
        "require_dpop_nonce": True,
        "branding": {"name": "The Bank", "colour": "#0f6b66"},
    }


async def test_an_empty_field_is_its_default(console):
    before = await exported(console)
    async with console.signed_on() as browser:
        await browser.get(f"{console.path}/environment/sign-on")
        await browser.submit(session_lifetime="1 hour", **{"password_policy/min_length": "12"})
        await browser.get(f"{console.path}/environment/sign-on")
        await browser.submit(session_lifetime="", **{"password_policy/min_length": ""})
        assert "The settings are saved." in browser.response.text
    assert await exported(console) == before


@pytest.mark.parametrize(
    ("tab", "name", "text"),
    [
        ("", "environment", ""),
        ("", "default_language", MARKUP),
        ("", "default_policy", "Unknown"),
        ("", "activity_retention", "5 minutes"),
        ("", "organization_id", MARKUP),
        ("/sign-on", "session_lifetime", f"soon {MARKUP}"),
        ("/sign-on", "password_policy/min_length", "3"),
        ("/sign-on", "password_policy/max_length", "many"),
        ("/branding", "branding/colour", "#eeeeee"),
        ("/branding", "branding/dark_colour", MARKUP),
        ("/branding", "branding/logo", "data:image/png;base64,AAAA"),
    ],
)
async def test_what_is_wrong_stands_at_its_field_and_is_kept(console, tab, name, text):
    before = await exported(console)
    async with console.signed_on() as browser:
        await browser.get(f"{console.path}/environment{tab}")
        shown = await browser.submit(**{name: text})
        field = f"f-{name.replace('/', '-')}"
        assert (shown.status_code, f'id="{field}-problem"' in shown.text) == (422, True)
        assert ("<script>alert" in shown.text, "<img src=x" in shown.text) == (False, False)
        if name not in {"default_policy", "branding/logo"}:
            kept = re.search(rf'<input id="{field}"[^>]* value="([^"]*)"', shown.text)[1]
            assert unescape(kept) == text
    assert await exported(console) == before


async def test_what_somebody_else_changed_meanwhile_is_not_overwritten_unseen(console):
    administration = console.authority.services.administration
    async with console.signed_on() as browser:
        await browser.get(f"{console.path}/environment")
        await administration.environments.change(ROOT, console.environment, {"session_lifetime": "1 hour"})
        shown = await browser.submit(activity_retention="10 days")
        assert (shown.status_code, "changed this meanwhile" in words(shown.text)) == (422, True)
        assert "activity_retention" not in await exported(console)
        await browser.submit()
    assert (await exported(console)).get("activity_retention") == "10 days"


async def test_branding_is_previewed_before_it_is_kept(console):
    async with console.signed_on() as browser:
        await browser.get(f"{console.path}/environment/branding")
        data = base64.b64encode(picture()).decode()
        typed = {"branding/name": MARKUP, "branding/colour": "#7a0030"}
        target = str(browser.response.url)
        form = PageForm(browser.response.text, 0)
        files = {"branding/logo": ("logo.png", picture(), "image/png")}
        shown = await browser.client.post(target, data={**form.fields, **typed, "preview": "on"}, files=files)
        assert (shown.status_code, shown.text.count('fill="#7a0030"')) == (200, 2)
        assert f'href="data:image/png;base64,{data}"' in shown.text
        assert "img-src 'self' data:;" in shown.headers["content-security-policy"]
        assert "<script>alert" not in shown.text
        assert "branding" not in await exported(console)
        browser.response = shown
        await browser.submit()
        assert (await exported(console))["branding"] == {
            "name": MARKUP,
            "logo": f"data:image/png;base64,{data}",
            "colour": "#7a0030",
        }
        wrong = await browser.submit(preview="on", **{"branding/colour": "#eeeeee"})
        assert ("a contrast of" in words(wrong.text), 'fill="#eeeeee"' in wrong.text) == (True, False)


async def test_a_logo_stays_until_another_or_none_is_chosen(console):
    async with console.signed_on() as browser:
        where = f"{console.path}/environment/branding"
        await browser.get(where)
        form = PageForm(browser.response.text, 0)
        files = {"branding/logo": ("logo.png", picture(), "image/png")}
        await browser.client.post(where, data=form.fields, files=files)
        logo = (await exported(console))["branding"]["logo"]
        await browser.get(where)
        form = PageForm(browser.response.text, 0)
        nothing = {"branding/logo": ("", b"", "application/octet-stream")}
        await browser.client.post(where, data={**form.fields, "branding/name": "Bank"}, files=nothing)
        assert (await exported(console))["branding"] == {"name": "Bank", "logo": logo}
        await browser.get(where)
        await browser.submit(**{"branding/logo": [logo, "none"]})
        assert (await exported(console))["branding"] == {"name": "Bank"}


@pytest.mark.parametrize("body", [b"", b"--x\r\nno head", b"--x\r\n\r\n\r\n--x--"])
async def test_a_broken_form_with_files_changes_nothing(console, body):
    async with console.signed_on() as browser:
        headers = {"content-type": "multipart/form-data; boundary=x"}
        response = await browser.client.post(
            f"{console.path}/environment/branding", content=body, headers=headers
        )
        assert response.status_code in {400, 403}


@pytest.mark.parametrize(
    ("tab", "member", "item", "change"),
    [
        ("providers", "identity_providers", PROVIDER, {"title": "Other"}),
        ("trusted", "trusted_issuers", TRUSTED, {"reusable": "on"}),
    ],
)
async def test_listed_settings_are_added_changed_and_removed(console, tab, member, item, change):
    async with console.signed_on() as browser:
        where = f"{console.path}/environment/{tab}"
        shown = await browser.get(where)
        assert 'class="empty"' in shown.text
        await browser.get(f"{console.path}/environment/add-{tab}")
        await browser.submit(**item)
        written = {name: yaml.safe_load(value) if name == "jwks" else value for name, value in item.items()}
        if tab == "providers":
            del written["algorithms"]
        assert (await exported(console))[member] == [written]
        (href,) = re.findall(rf'href="({where}/[^"]+)"', browser.response.text)
        await browser.get(href)
        await browser.submit(**change)
        changed = {name: value == "on" or value for name, value in change.items()}
        assert (await exported(console))[member] == [written | changed]
        await browser.get(f"{href}/remove")
        assert browser.heading.endswith("?")
        await browser.submit()
        assert member not in await exported(console)


async def test_an_issuer_may_say_who_users_are(console):
    async with console.signed_on() as browser:
        await browser.get(f"{console.path}/environment/add-trusted")
        users = {"users/policy": "Agent-Consent-Login", "users/subject": "username"}
        await browser.submit(**TRUSTED, **users)
        (written,) = (await exported(console))["trusted_issuers"]
        assert written["users"] == {"policy": "Agent-Consent-Login", "subject": "username"}
        await browser.get(f"{console.path}/environment/add-trusted")
        half = {**TRUSTED, "issuer": "https://b.example.com", "users/policy": "Agent-Consent-Login"}
        shown = await browser.submit(**half)
        assert shown.status_code == 422
        assert "'subject' is missing" in words(shown.text)


@pytest.mark.parametrize(
    ("tab", "item", "name", "text"),
    [
        ("providers", PROVIDER, "name", MARKUP),
        ("providers", PROVIDER, "issuer", "http://a.example.com"),
        ("providers", PROVIDER, "secret", "../passwd"),
        ("providers", PROVIDER, "subject", "email"),
        ("trusted", TRUSTED, "jwks", "{"),
        ("trusted", TRUSTED, "jwks", '{"keys": []}'),
        ("trusted", TRUSTED, "issuer", ""),
    ],
)
async def test_a_wrong_item_is_marked_and_kept(console, tab, item, name, text):
    before = await exported(console)
    async with console.signed_on() as browser:
        await browser.get(f"{console.path}/environment/add-{tab}")
        shown = await browser.submit(**item | {name: text})
        assert (shown.status_code, f'id="f-{name}-problem"' in shown.text) == (422, True)
        assert "<script>alert" not in shown.text
        assert item["algorithms"][0] + '" checked' in shown.text
    assert await exported(console) == before


async def test_a_provider_that_a_policy_names_stays_and_the_page_says_why(console):
    administration = console.authority.services.administration
    where = ROOT, console.environment
    await administration.environments.change(*where, {"identity_providers": [PROVIDER]})
    entry = {"name": "By Google", "steps": [{"external": {"provider": "google"}}]}
    await administration.change(*where, "policy", entry)
    async with console.signed_on() as browser:
        shown = await browser.get(f"{console.path}/environment/providers/google/remove")
        assert (shown.status_code, "By Google" in words(shown.text)) == (409, True)


async def test_an_environment_goes_after_the_page_said_what_goes_with_it(console):
    async with console.signed_on() as browser:
        shown = await browser.get(f"{console.path}/environment/remove")
        agents = len(console.authority.directory.current.environments[console.environment].agents)
        assert f"Agents: {agents}" in words(shown.text)
        assert f"/{console.environment}/as" in words(shown.text)
        await browser.submit(etag="another")
        assert browser.response.status_code == 409
        await browser.get(f"{console.path}/environment/remove")
        await browser.submit()
        assert browser.response.url.path == f"/console/{console.home}/environments"
        assert "is removed." in browser.response.text
    assert console.environment not in console.authority.directory.current.environments


async def test_the_administrators_environment_cannot_go(console):
    async with console.signed_on() as browser:
        shown = await browser.get(f"/console/{console.home}/environment")
        assert "/environment/remove" not in shown.text
        await browser.get(f"/console/{console.home}/environment/remove")
        assert browser.response.status_code == 409
        await browser.get(f"/console/{console.home}/environment")
        shown = await browser.submit(environment="Other")
        assert (shown.status_code, 'id="f-environment-problem"' in shown.text) == (422, True)
