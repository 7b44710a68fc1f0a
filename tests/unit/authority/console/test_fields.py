"""Every member of what administrators set up has a field on the pages of its kind, or a page of its own."""

import importlib
import pkgutil
import re
from datetime import UTC
from html.parser import HTMLParser

import pytest

from deputize.authority.administration import Operator
from deputize.authority.console import pages
from deputize.authority.console.forms import Choice, EntryForm, Pairs
from deputize.authority.console.moments import Moments
from deputize.authority.console.pages import SECTIONS, policies
from deputize.authority.console.texts import language
from deputize.authority.directory.objects import (
    LISTS,
    OBJECTS,
    AgentObject,
    AgreementObject,
    PolicyObject,
    ResourceObject,
    UserObject,
)
from deputize.authority.directory.objects.agreement import AgreementLanguage
from deputize.authority.directory.objects.resource import ResourceAttribute, ResourceScope
from deputize.authority.signon.steps import STEPS
from deputize.kernel import durations

OPERATOR = Operator("command", "0", "", frozenset({"administrator"}))
MOMENTS = Moments(language("en"), UTC)
ELSEWHERE = {
    ResourceObject: {"id", "secret", "attributes", "scopes"},
    AgreementObject: {"id", "languages"},
    PolicyObject: {"id", "steps"},
    AgentObject: {"id", "secret", "enabled", "scopes", "policies"},
    UserObject: {"id", "password_hash", "roles"},
}
"""Ids and secrets, which nobody types; an agent is stopped and enabled by buttons; roles are set under
Administrators; what has tabs of its own is below."""
PARTS = {
    "attributes": (ResourceAttribute, "resources/{id}/add-attribute"),
    "scopes": (ResourceScope, "resources/{id}/add-scope"),
    "languages": (AgreementLanguage, "agreements/{id}/add-language"),
}
TABS = {"scopes": ("scope", "agents/{id}/resources"), "policies": ("policy", "agents/{id}/policies")}
NAMES = {"resource": "test", "agreement": "Agent Consent", "policy": "Agent-Consent-Login"}
NAMES |= {"agent": "MCP Tutorial", "user": "demouser"}
MODELS = {**OBJECTS, "user": UserObject}


class Controls(HTMLParser):
    """The names of what can be filled in on a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag in {"input", "select", "textarea"} and given.get("type") != "hidden":
            self.names.add(given.get("name") or "")


async def controls(console, browser, kind: str, path: str) -> set[str]:
    administration = console.authority.services.administration
    found = await administration.find_named(OPERATOR, console.environment, kind, NAMES[kind])
    response = await browser.get(f"{console.path}/{path.replace('{id}', found.id)}")
    assert response.status_code == 200, path
    return Controls(response.text).names


@pytest.mark.parametrize("kind", MODELS)
async def test_every_member_of_an_object_has_a_field(console, kind):
    model = MODELS[kind]
    section = next(each for each in SECTIONS if each.name == {**LISTS, "user": "users"}[kind])
    shown = [page.path for page in section.pages if page.show and not page.path.endswith("/remove")]
    paths = [path for path in shown if re.findall(r"\{\w+\}", path) == ["{id}"]]
    async with console.signed_on() as browser:
        found = set[str]()
        for path in paths:
            found |= await controls(console, browser, kind, path)
    assert model.model_fields.keys() - ELSEWHERE[model] - found == set()


@pytest.mark.parametrize("member", PARTS)
async def test_every_member_of_a_part_has_a_field(console, member):
    model, path = PARTS[member]
    async with console.signed_on() as browser:
        found = await controls(console, browser, "agreement" if member == "languages" else "resource", path)
    assert model.model_fields.keys() - found == set()


@pytest.mark.parametrize("member", TABS)
async def test_what_an_agent_has_of_others_has_a_tab(console, member):
    control, path = TABS[member]
    async with console.signed_on() as browser:
        assert control in await controls(console, browser, "agent", path)


@pytest.mark.parametrize("step", STEPS.members, ids=lambda step: step.name)
async def test_every_setting_of_a_step_has_a_field(console, step):
    provider = {"name": "idp", "title": "IdP", "issuer": "https://idp.example.com", "client_id": "us"}
    environments = console.authority.services.administration.environments
    await environments.change(OPERATOR, console.environment, {"identity_providers": [provider]})
    async with console.signed_on() as browser:
        found = await controls(console, browser, "policy", f"policies/{{id}}/add/{step.name}")
    assert {f"{step.name}/{each}" for each in step.settings.model_fields} - found == set()


def forms_in(value):
    """The forms that a module holds, by themselves or among others."""
    if isinstance(value, EntryForm):
        yield value
    elif isinstance(value, dict | tuple):
        for each in value.values() if isinstance(value, dict) else value:
            yield from forms_in(each)


def all_forms():
    for module in pkgutil.iter_modules(pages.__path__, f"{pages.__name__}."):
        yield from forms_in(dict(vars(importlib.import_module(module.name))))
    yield from (policies.step_form(step.name) for step in STEPS.members)


@pytest.mark.parametrize("locale", ["en", "de"])
def test_every_field_says_what_it_is_for(locale):
    texts = language(locale).texts
    keys = {f"{form.section}.{each.name.replace('/', '_')}" for form in all_forms() for each in form.fields}
    assert len(keys) > 100
    assert {key for key in keys if key not in texts or f"{key}_help" not in texts} == set()


@pytest.mark.parametrize("locale", ["en", "de"])
def test_a_field_of_durations_gives_one_that_can_be_typed(locale):
    """A stranger types what the sentence shows, so it has to be one that is taken, in its language."""
    texts = language(locale).texts
    for form in all_forms():
        for each in form.fields:
            help_text = texts[f"{form.section}.{each.name.replace('/', '_')}_help"]
            if re.search(r"duration such as|Dauer auf Englisch", help_text):
                shown = re.search(r"(?:such as|etwa) ([0-9]+ [a-z]+)", help_text)
                assert shown, help_text
                assert durations.parse(shown[1]), help_text
                assert each.default in {None, "never", shown[1]}, help_text


def test_texts_by_language_keep_their_lines_and_what_is_set_can_be_kept():
    texts = {"de": "Liest: Ihre Post\n\n  und antwortet\n.", "en": ""}
    (shown,) = Pairs("names").show(texts, MOMENTS)
    assert Pairs("names").read([shown.replace("\n", "\r\n")], MOMENTS) == texts
    for wrong in ("no colon", ": x", "de: a\nde: b"):
        with pytest.raises(ValueError, match=r"."):
            Pairs("names").read([wrong], MOMENTS)
    form = EntryForm("agents", Choice("client_auth")).fill({"client_auth": "of_a_package"}, MOMENTS)
    shown = form.with_options(client_auth=[("none", "nothing")])
    assert shown.options == {"client_auth": (("none", "nothing"), ("of_a_package", "of_a_package"))}
