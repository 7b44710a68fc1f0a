"""Authentication → Policies: steps in their order, what each means, and who may change them."""

import json
import re
from html import unescape

import pytest

from deputize.authority.administration import Operator
from deputize.authority.console.pages.policies import STEP_FIELDS
from deputize.authority.console.texts import language
from deputize.authority.signon.steps import STEPS

OPERATOR = Operator("command", "0", "", frozenset({"administrator"}))
MARKUP = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
CONSENT = {"agreement_prompt": {"agreement": "Agent Consent"}}


async def find(console, name="Agent-Consent-Login"):
    administration = console.authority.services.administration
    return await administration.find_named(OPERATOR, console.environment, "policy", name)


async def steps(console, name="Agent-Consent-Login"):
    return list((await find(console, name)).entry["steps"])


async def where(console, name="Agent-Consent-Login"):
    return f"{console.path}/policies/{(await find(console, name)).id}"


def form_to(page, ending):
    """The place among the page's forms of the one that goes to an address with this end."""
    actions = re.findall(r"<form[^>]*method=\"post\"(?: action=\"([^\"]*)\")?", page.text)
    return next(place for place, each in enumerate(actions) if each.endswith(ending))


def csrf_of(page):
    return re.search(r'name="csrf" value="([^"]+)"', page.text)[1]


def titles(page):
    listed = page.text[
        page.text.index('<ol class="steps">') : page.text.index("</ol>", page.text.index('"steps"'))
    ]
    return [re.sub(r"<[^>]+>", "", each) for each in re.findall(r"<h3>(.*?)</h3>", listed)]


async def test_a_policy_is_made_of_steps_by_the_pages_alone(console):
    async with console.signed_on() as browser:
        await browser.get(f"{console.path}/policies/new")
        shown = await browser.submit(name="Strong")
        assert "Nobody is asked for an agreement here" in shown.text
        path = await where(console, "Strong")
        await browser.get(f"{path}/add")
        assert f"{path}/add/totp" in browser.response.text
        await browser.get(f"{path}/add/agreement_prompt")
        await browser.submit(**{"agreement_prompt/agreement": "Agent Consent"})
        await browser.get(f"{path}/add/totp")
        await browser.submit(**{"totp/required_of": "enrolled", "totp/or_passkey": "on"})
        await browser.get(f"{path}/steps/0")
        shown = await browser.submit(**{"login/or_passkey": "on"})
        assert titles(shown) == ["Login", "Agreement Prompt", "Authenticator app"]
        shown = await browser.submit(form_to(shown, "/steps/2/move"))
        assert titles(shown) == ["Login", "Authenticator app", "Agreement Prompt"]
        assert "Nobody is asked for an agreement here" not in shown.text
        assert "Only those who have set an app up" in shown.text
    assert await steps(console, "Strong") == [
        {"login": {"or_passkey": True}},
        {"totp": {"required_of": "enrolled", "or_passkey": True}},
        CONSENT,
    ]


async def test_nothing_comes_first_that_does_not_tell_who_somebody_is(console):
    """No button leads there, and a form that was made all the same is refused with the reason."""
    path, before = await where(console), await steps(console)
    async with console.signed_on() as browser:
        shown = await browser.get(path)
        assert not re.search(r"/move|/steps/0/remove", shown.text)
        for ending, typed in (("/steps/0/move", {"to": "down"}), ("/steps/1/move", {"to": "up"}),
                              ("/steps/0/remove", {})):  # fmt: skip
            form = {"csrf": csrf_of(shown), "etag": (await find(console)).etag, **typed}
            refused = await browser.client.post(path + ending, data=form)
            assert refused.status_code == 409
            assert "the first step has to tell who the user is" in unescape(refused.text)
    assert await steps(console) == before


async def test_a_form_for_other_steps_changes_nothing(console):
    """What stands third by now is not what stood there when somebody pressed its button."""
    async with console.signed_on() as browser:
        path = await where(console)
        others = [{"totp": {"required_of": "everybody", "or_passkey": False}}, CONSENT]
        for number, ending in enumerate(("/steps/2/move", "/steps/2/remove", "/steps/2", "/add/totp")):
            order = [{"login": {}}, *(others if number % 2 else reversed(others))]
            await change(console, order)
            shown = await browser.get(path + ("" if ending.endswith("/move") else ending))
            place = form_to(shown, ending) if ending.endswith("/move") else 0
            order = [{"login": {"or_passkey": True}}, *order[1:]]
            await change(console, order)
            typed = {"agreement_prompt/agreement": "Stranger Consent"} if ending == "/steps/2" else {}
            assert (await browser.submit(place, **typed)).status_code == 409, ending
            assert await steps(console) == order


async def change(console, order):
    policy = await find(console)
    administration = console.authority.services.administration
    entry = {"steps": list(order)}
    await administration.change(OPERATOR, console.environment, "policy", entry, object_id=policy.id)


async def test_who_removes_a_step_is_told_first_what_that_allows(console):
    async with console.signed_on() as browser:
        path = await where(console)
        shown = await browser.get(f"{path}/steps/1/remove")
        assert "may do for every user whatever its scopes allow" in unescape(shown.text)
        assert await steps(console) == [{"login": {}}, CONSENT]
        await browser.submit()
        assert "The step is removed." in browser.response.text
    assert await steps(console) == [{"login": {}}]


async def test_what_is_wrong_stands_at_its_field_and_what_was_typed_is_kept(console):
    async with console.signed_on() as browser:
        for name in ("", "sch\u00f6n", "Stranger-Consent-Login"):
            await browser.get(f"{console.path}/policies/new")
            shown = await browser.submit(name=name)
            assert (shown.status_code, f'value="{name}"' in shown.text) == (422, True)
            assert 'aria-invalid="true"' in shown.text or "already" in shown.text
        path = await where(console)
        before = await steps(console)
        await browser.get(f"{path}/steps/1")
        shown = await browser.submit(**{"agreement_prompt/agreement": "Gone"})
        assert shown.status_code == 422
        assert 'id="f-agreement_prompt-agreement-problem"' in shown.text
        await browser.get(f"{path}/add/external")
        assert "no identity provider yet" in browser.response.text
        shown = await browser.submit(**{"external/provider": ""})
        assert (shown.status_code, 'id="f-external-provider-problem"' in shown.text) == (422, True)
    assert await steps(console) == before


async def test_a_policy_is_renamed_with_its_agents_and_removed_when_none_uses_it(console):
    async with console.signed_on() as browser:
        path = await where(console, "Stranger-Consent-Login")
        shown = await browser.get(f"{path}/remove")
        assert (shown.status_code, browser.heading) == (409, "This is not possible now")
        await browser.get(f"{console.path}/policies/new")
        await browser.submit(name="Unused")
        path = await where(console, "Unused")
        await browser.get(f"{path}/remove")
        await browser.submit()
        assert "The policy Unused is removed." in browser.response.text
        path = await where(console)
        await browser.get(path)
        await browser.submit(form_to_name(browser.response), name="Consented")
        assert "The policy Consented is saved." in browser.response.text
        assert "MCP Tutorial" in browser.response.text
    assert await find(console, "Unused") is None
    agents = console.authority.directory.current.environments[console.environment].agents.values()
    assert {each.policies for each in agents if each.name == "MCP Tutorial"} == {("Consented",)}


def form_to_name(page):
    forms = re.findall(r"<form.*?</form>", page.text, re.DOTALL)
    forms = [each for each in forms if 'method="get"' not in each]
    return next(place for place, each in enumerate(forms) if 'name="name"' in each)


async def test_the_list_says_the_steps_of_each_policy_and_finds_by_name(console):
    async with console.signed_on() as browser:
        shown = await browser.get(f"{console.path}/policies")
        assert "Login → Agreement Prompt" in shown.text
        assert shown.text.count(">default<") == 1
        found = await browser.get(f"{console.path}/policies?search=stranger")
        assert ("Stranger-Consent-Login" in found.text, "Agent-Consent-Login" in found.text) == (True, False)


async def test_a_step_of_another_package_is_shown_and_kept(console):
    """What is stored was judged once; the package may have gone since."""
    policy = await find(console)
    rows = console.authority.store.directory_rows
    (row,) = [each for each in (await rows.load()).objects if each.id == policy.id]
    from dataclasses import replace  # noqa: PLC0415

    from deputize.authority.storage import Put  # noqa: PLC0415

    foreign = {"foreign": {"colour": MARKUP, "or_passkey": True}}
    changed = replace(row, document={**row.document, "steps": [foreign, *row.document["steps"]]})
    await rows.change([Put(changed)], await rows.version())
    await console.refresh()
    async with console.signed_on() as browser:
        shown = await browser.get(await where(console))
        assert titles(shown) == ["foreign", "Login", "Agreement Prompt"]
        assert "colour: " in shown.text
        assert "<script>alert" not in shown.text
        form = await browser.get(f"{await where(console)}/steps/0")
        assert (
            json.loads(unescape(re.search(r"<textarea[^>]*>(.*?)</textarea>", form.text, re.DOTALL)[1]))
            == (foreign["foreign"])
        )
        for typed in ("{", '{"a": 1'):
            refused = await browser.submit(foreign=typed)
            assert (refused.status_code, 'id="f-foreign-problem"' in refused.text) == (422, True)
            assert typed in unescape(refused.text)


async def test_no_text_of_a_policy_becomes_markup(console):
    administration = console.authority.services.administration
    await administration.change(
        OPERATOR, console.environment, "agreement", {"name": MARKUP, "enabled": True, "languages": [
            {"locale": "en", "title": "t", "text": "t", "enabled": True}]}
    )  # fmt: skip
    async with console.signed_on() as browser:
        await browser.get(f"{console.path}/policies/new")
        pages = [(await browser.submit(name=MARKUP)).text]
        path = await where(console)
        for ending in ("/add/agreement_prompt", "/steps/1"):
            await browser.get(path + ending)
            pages += [
                browser.response.text,
                (await browser.submit(**{"agreement_prompt/agreement": MARKUP})).text,
            ]
        for ending in ("", "/steps/1/remove", "/steps/1", f"/add/{MARKUP[:9]}", f"/steps/{MARKUP[:9]}"):
            pages.append((await browser.get(path + ending)).text)
        for text in pages:
            assert "<script>alert" not in text
            assert "<img src=x" not in text
        assert "&lt;img src=x" in (await browser.get(path)).text


async def test_a_policy_of_another_environment_is_not_there(console):
    policy = await find(console)
    before = await steps(console)
    async with console.signed_on() as browser:
        for path in ("", "/add", "/add/login", "/steps/0", "/steps/0/remove", "/remove"):
            response = await browser.get(f"/console/{console.home}/policies/{policy.id}{path}")
            assert response.status_code == 404, path
        await browser.get(await where(console))
        typed = {"csrf": csrf_of(browser.response), "etag": policy.etag, "name": "x", "to": "down"}
        for path in ("", "/add/login", "/steps/0", "/steps/0/move", "/steps/1/remove", "/remove"):
            target = f"/console/{console.home}/policies/{policy.id}{path}"
            assert (await browser.client.post(target, data=typed)).status_code == 404, path
    assert await steps(console) == before


@pytest.mark.parametrize("place", ["2", "-1", "00", "x", "\u0661", "9" * 400])
async def test_a_step_that_is_not_there_is_nowhere(console, place):
    async with console.signed_on() as browser:
        path = await where(console)
        for ending in ("", "/remove"):
            assert (await browser.get(f"{path}/steps/{place}{ending}")).status_code == 404
        assert (await browser.get(f"{path}/add/{place}")).status_code == 404


async def test_auditors_read_everything_and_find_no_button(console):
    path = await where(console)
    async with console.signed_on("auditor") as browser:
        for ending in ("", "/add", "/add/totp", "/steps/0"):
            shown = await browser.get(path + ending)
            assert shown.status_code == 200, ending
            assert not re.search(r"<button|/remove|/move", shown.text.partition("<main")[2]), ending


def test_every_setting_of_every_step_of_ours_has_a_field_and_texts():
    texts = language("en").texts
    for step in STEPS.members:
        fields = {each.name for each in STEP_FIELDS[step.name]}
        assert fields == {f"{step.name}/{setting}" for setting in step.settings.model_fields}
        assert {f"policies_step.{step.name}_title", f"policies_step.{step.name}_text"} <= texts.keys()
        assert {f"policies_step.{each.replace('/', '_')}" for each in fields} <= texts.keys()
