"""Sign-on steps of other packages: found through an entry point, shown with their own pages and texts."""

import sys

import pytest

from deputize.authority.directory.service import open_directory
from deputize.authority.environment_file import Application, apply
from deputize.authority.environment_file.problems import EnvironmentFileInvalid
from deputize.authority.signon import pages
from deputize.authority.signon.steps import STEPS
from deputize.authority.storage import open_store
from deputize.kernel.errors import ConfigurationError
from deputize.oauth.records.directory import Policy, Step
from support.agent_delegation import AGREEMENT_ID, POLICY_NAME, REDIRECT_URI
from support.databases import new_database

MODULE = """
from deputize.authority.signon.pages import Problem
from deputize.authority.signon.step import Again, Done, SignOnStep, StepSettings


class HouseRulesSettings(StepSettings):
    rules: str


def is_due(step, situation):
    return f"rules-{situation.somebody.user.id}" not in situation.notes


def page_values(step, situation, again):
    return {"rules": step.settings["rules"], "agent_name": situation.agent_name}


async def submit(step, situation, language, form, services):
    if form.get("read") != "yes":
        return Again([Problem(language.text("house_rules.unread"))])
    services.record("house rules read", situation.environment.id, user_id=situation.somebody.user.id)
    return Done(note=f"rules-{situation.somebody.user.id}")


HOUSE_RULES = SignOnStep(
    "HOUSE_RULES", "house_rules", "deputize_house_rules", is_due, page_values, submit, HouseRulesSettings
)
"""
TEMPLATE = """{% extends "layout.html" %}
{% block title %}{{ t("house_rules.title") }}{% endblock %}
{% block main %}
<h1>{{ t("house_rules.title") }}</h1>
{% if problems %}{% include "problems.html" %}{% endif %}
<p>{{ rules }}</p>
<form method="post">
<input type="hidden" name="csrf" value="{{ csrf }}"><input type="hidden" name="step" value="{{ step }}">
<button name="read" value="yes">{{ t("house_rules.read") }}</button>
</form>
{% endblock %}
"""
TEXTS = """[en]
title = "House rules"
read = "I have read them"
unread = "Read them first"

[de]
title = "Hausordnung"
"""
PACKAGE, RULES = "deputize_house_rules", "No <script>alert(1)</script> & no smoking"
POLICY = Policy(
    "p-1",
    POLICY_NAME,
    (
        Step("LOGIN", {}),
        Step("HOUSE_RULES", {"rules": RULES}),
        Step("AGREEMENT", {"agreement": AGREEMENT_ID}),
    ),
)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed distribution that provides the step; tests may spoil its files before it is read."""
    site = tmp_path / "site"
    folder, metadata = site / PACKAGE, site / "deputize_house_rules-1.0.dist-info"
    for each in (folder, metadata):
        each.mkdir(parents=True)
    (folder / "__init__.py").write_text(MODULE, "utf-8")
    (folder / "house_rules.html").write_text(TEMPLATE, "utf-8")
    (folder / "house_rules.toml").write_text(TEXTS, "utf-8")
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: deputize-house-rules\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[{STEPS.group}]\nhouse_rules = {PACKAGE}:HOUSE_RULES\n")
    monkeypatch.syspath_prepend(site)
    forget_what_was_read()
    yield folder
    forget_what_was_read()


def forget_what_was_read():
    for name in ("members", "by_name"):
        STEPS.__dict__.pop(name, None)
    pages._templates.cache_clear()
    pages.step_language.cache_clear()
    sys.modules.pop(PACKAGE, None)


async def test_a_user_signs_on_through_it(package, authority, browser):
    authority.directory.replace(policies={POLICY_NAME: POLICY})
    await browser.get(authority.authorize_url())
    await browser.sign_on()
    assert browser.heading == "House rules"
    assert "No &lt;script&gt;alert(1)&lt;/script&gt; &amp; no smoking" in browser.response.text
    assert browser.response.headers["content-security-policy"] == (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self' http://localhost:3000; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
    await browser.submit()
    assert browser.response.status_code == 400
    assert "Read them first" in browser.response.text
    await browser.submit(read="yes")
    assert browser.heading == "Let MCP Tutorial act for you?"
    await browser.accept()
    assert browser.response.headers["location"].startswith(f"{REDIRECT_URI}?")
    assert "code" in browser.answer
    assert len(await authority.records("HOUSE-RULES-READ")) == 1


async def test_it_cannot_be_left_out_and_speaks_the_reader_s_language_as_far_as_it_can(
    package, authority, browser
):
    authority.directory.replace(policies={POLICY_NAME: POLICY})
    browser.headers["Accept-Language"] = "de"
    await browser.get(authority.authorize_url())
    await browser.sign_on()
    assert browser.heading == "Hausordnung"
    assert "I have read them" in browser.response.text
    assert "Agenten handeln für Sie, nie als Sie." in browser.response.text
    await browser.submit(step="AGREEMENT", action="accept")
    assert browser.heading == "Hausordnung"
    await browser.get(authority.authorize_url(prompt="none"))
    assert browser.answer["error"] == "interaction_required"


FILE = """
environment: House
policies:
  - name: Rules
    steps:
      - login: {}
      - house_rules: { rules: No smoking }
"""


async def apply_file(authority, tmp_path, text):
    async with open_store(new_database(tmp_path / "applied")) as store:
        application = Application(text.encode(), "house.yaml", {}.get, False, False, None)
        await apply(application, store, authority.services.passwords, authority.clock)
        directory = await open_directory(store.directory_rows, authority.base_url, authority.clock)
    (environment,) = directory.current.environments.values()
    return environment.policies["Rules"].steps


async def test_an_environment_file_uses_it_like_any_other(package, authority, tmp_path):
    assert await apply_file(authority, tmp_path, FILE) == (
        Step("LOGIN", {}),
        Step("HOUSE_RULES", {"rules": "No smoking"}),
    )


async def test_its_settings_are_checked_when_a_file_is_applied(package, authority, tmp_path):
    with pytest.raises(EnvironmentFileInvalid) as raised:
        await apply_file(authority, tmp_path, FILE.replace("rules: No smoking", "rule: No smoking"))
    assert "/policies/0/steps/1/house_rules/rule: 'rule' is not known here" in str(raised.value)


async def test_its_settings_may_be_of_any_json_type_and_reach_the_step_with_their_defaults(
    package, authority, tmp_path
):
    fields = "rules: str\n    days: int = 30\n    strict: bool = True\n    rooms: tuple[str, ...] = ()"
    (package / "__init__.py").write_text(MODULE.replace("rules: str", fields), "utf-8")
    _, step = await apply_file(authority, tmp_path, FILE)
    assert step.settings == {"rules": "No smoking", "days": 30, "strict": True, "rooms": []}
    written = FILE.replace("No smoking", "No smoking, strict: false, rooms: [hall]")
    _, step = await apply_file(authority, tmp_path, written)
    assert step.settings == {"rules": "No smoking", "days": 30, "strict": False, "rooms": ["hall"]}
    with pytest.raises(EnvironmentFileInvalid, match=r"house_rules/days: has to be a whole number"):
        await apply_file(authority, tmp_path, FILE.replace("No smoking", "No smoking, days: many"))


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("house_rules.html", None, "its page house_rules.html cannot be used: TemplateNotFound"),
        ("house_rules.html", "{% if %}", "its page house_rules.html cannot be used: TemplateSyntaxError"),
        ("house_rules.toml", None, "its texts house_rules.toml cannot be read: FileNotFoundError"),
        ("house_rules.toml", "[en", "its texts house_rules.toml cannot be read: TOMLDecodeError"),
        ("house_rules.toml", "[de]\n", "its texts house_rules.toml have no table [en]"),
        ("__init__.py", "HOUSE_RULES = 1", "it is no SignOnStep"),
        (
            "__init__.py",
            MODULE.replace("HouseRulesSettings\n)", "HouseRulesSettings, ('terms',)\n)"),
            "its setting 'terms', which is to name an agreement, is no text",
        ),
        (
            "__init__.py",
            MODULE.replace("HouseRulesSettings\n)", "HouseRulesSettings, ('rules',)\n)").replace(
                "rules: str", "rules: list[str]"
            ),
            "its setting 'rules', which is to name an agreement, is no text",
        ),
        (
            "__init__.py",
            MODULE.replace('"HOUSE_RULES",', '"LOGIN",'),
            "Deputize itself provides 'LOGIN' already",
        ),
        ("__init__.py", MODULE.replace('"house_rules",', '"login",'), "its page login.html cannot be used"),
        ("__init__.py", "raise RuntimeError('spoilt')", "cannot be imported: RuntimeError: spoilt"),
    ],
)
def test_what_is_wrong_with_it_is_told_before_anybody_is_served(package, file, content, reason):
    path = package / file
    path.unlink() if content is None else path.write_text(content, "utf-8")
    with pytest.raises(ConfigurationError) as raised:
        _ = STEPS.members
    told = str(raised.value)
    assert told.startswith("the entry point 'house_rules' of deputize-house-rules: ")
    assert reason in told
    assert "repair or remove deputize-house-rules" in told


def test_its_texts_do_not_replace_those_of_the_pages(package):
    for each in ("house_rules.html", "house_rules.toml"):
        (package / each).rename(package / each.replace("house_rules", "error"))
    (package / "__init__.py").write_text(MODULE.replace('"house_rules",', '"error",'), "utf-8")
    with pytest.raises(ConfigurationError, match="the pages have a section of texts named 'error' already"):
        _ = STEPS.members
