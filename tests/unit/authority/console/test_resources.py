"""Applications → Resources: made, mapped, granted and keyed by the pages alone."""

import base64
import json
import re
from html import unescape

import pytest

from deputize.authority.administration import Operator
from support.authority import PASSWORD, basic

OPERATOR = Operator("command", "0", "", frozenset({"administrator"}))
ACT = (
    "(#root.context.requestData.subjectToken.may_act.sub == #root.context.requestData.actorToken.client_id)"
    "?#root.context.requestData.subjectToken.may_act:null"
)
MARKUP = '"><script>alert(1)</script><img src=x onerror=alert(1)>'


async def find(console, name: str):
    administration = console.authority.services.administration
    return await administration.find_named(OPERATOR, console.environment, "resource", name)


async def introspect(console, client_id: str, secret: str):
    async with console.authority.client() as client:
        answer = await client.post(
            f"/{console.environment}/as/introspect", data={"token": "x"}, headers=basic(client_id, secret)
        )
    return answer.status_code, answer.json()


def trial(text: str) -> str:
    """What the trial of the mapping editor shows, as text."""
    shown = text[text.index('id="trial"') : text.index("</section>", text.index('id="trial"'))]
    return unescape(re.sub(r"</?mark>", "*", re.sub(r"<(?!/?mark>)[^>]+>", " ", shown)))


async def open_editor(browser, console, name: str):
    resource = await find(console, name)
    return await browser.get(f"{console.path}/resources/{resource.id}/add-attribute")


async def test_what_delegation_needs_can_be_chosen_and_is_what_the_example_says(console):
    example = {
        each["name"]: each["expression"]
        for name in ("test", "agent")
        for each in (await find(console, name)).entry["attributes"]
        if "expression" in each
    }
    async with console.signed_on() as browser:
        await browser.get(f"{console.path}/resources/new")
        await browser.submit(name="extra", audience="https://api.example.com/mcp")
        for claim, told in (("sub", '"demouser"'), ("act", "This mapping fails open"), ("may_act", '"sub":')):
            await open_editor(browser, console, "extra")
            tried = await browser.submit(name=claim, source=f"preset-{claim}", evaluate="on")
            assert told in trial(tried.text)
            await open_editor(browser, console, "extra")
            await browser.submit(name=claim, source=f"preset-{claim}")
        made = await find(console, "extra")
        shown = await browser.get(f"{console.path}/resources/{made.id}/attributes/act")
        assert example["act"] in unescape(shown.text)
    assert {each["name"]: each["expression"] for each in made.entry["attributes"]} == example


async def test_nothing_is_wrong_with_an_expression_before_one_is_typed(console):
    async with console.signed_on() as browser:
        await open_editor(browser, console, "test")
        shown = trial((await browser.submit(name="x", source="expression", evaluate="on")).text)
        assert "Type an expression above" in shown
        await open_editor(browser, console, "test")
        assert (await browser.submit(name="x", source="expression")).status_code == 422


async def test_a_scope_that_users_could_not_understand_is_marked(console):
    resource = await find(console, "test")
    warning = "users read only “bare”"
    async with console.signed_on() as browser:
        path = f"{console.path}/resources/{resource.id}/scopes"
        assert warning not in (await browser.get(path)).text
        await browser.get(f"{console.path}/resources/{resource.id}/add-scope")
        assert warning in (await browser.submit(name="bare")).text


async def test_a_resource_is_set_up_by_the_pages_alone(console):
    async with console.signed_on() as browser:
        await browser.get(f"{console.path}/resources/new")
        shown = await browser.submit(
            name="extra",
            audience="https://api.example.com/mcp",
            description="Extra",
            token_lifetime="10 minutes",
        )
        made = await find(console, "extra")
        assert made.id in shown.text
        secret = unescape(re.findall(r"<code>([^<]+)</code>", shown.text)[1])
        encoded = base64.b64encode(secret.encode()).decode()
        issuer = console.authority.directory.current.environments[console.environment].issuer
        assert f"RESOURCE_SECRET_ID={encoded}" in unescape(shown.text)
        assert f"AUTHORITY_URL={issuer.removesuffix('/as')}\n" in shown.text
        await browser.get(f"{console.path}/resources/{made.id}/add-attribute")
        await browser.submit(name="sub", source="mapping", mapping="Username", expression="", value="")
        await browser.get(f"{console.path}/resources/{made.id}/add-attribute")
        await browser.submit(name="act", source="expression", expression=ACT, required="on")
        await browser.get(f"{console.path}/resources/{made.id}/add-attribute")
        await browser.submit(name="tenant", source="value", value="north")
        await browser.get(f"{console.path}/resources/{made.id}/add-scope")
        await browser.submit(
            name="pay", description="Transfer money", descriptions="de: Geld überweisen", consent="on_use"
        )
        assert "The scope pay is saved." in browser.response.text
    assert (await find(console, "extra")).entry == {
        "name": "extra",
        "audience": "https://api.example.com/mcp",
        "description": "Extra",
        "token_lifetime": "10 minutes",
        "attributes": [
            {"name": "sub", "mapping": "Username"},
            {"name": "act", "expression": ACT, "required": True},
            {"name": "tenant", "value": "north"},
        ],
        "scopes": [
            {
                "name": "pay",
                "description": "Transfer money",
                "descriptions": {"de": "Geld überweisen"},
                "consent": "on_use",
            }
        ],
    }
    assert await introspect(console, made.id, secret) == (200, {"active": False})


async def test_what_a_form_does_not_show_stays_as_it_is(console):
    before = (await find(console, "test")).entry
    async with console.signed_on() as browser:
        resource = await find(console, "test")
        await browser.get(f"{console.path}/resources/{resource.id}")
        await browser.submit(description="The weather")
    assert (await find(console, "test")).entry == {**before, "description": "The weather"}


async def test_an_item_is_changed_and_removed_and_the_others_stay(console):
    before = (await find(console, "test")).entry
    async with console.signed_on() as browser:
        resource = await find(console, "test")
        await browser.get(f"{console.path}/resources/{resource.id}/attributes/sub")
        await browser.submit(required="on")
        (first, *others) = (await find(console, "test")).entry["attributes"]
        assert (first, others) == ({**before["attributes"][0], "required": True}, before["attributes"][1:])
        shown = await browser.get(f"{console.path}/resources/{resource.id}/attributes")
        place = [*re.findall(r'<form method="post" action="([^"]+)"', shown.text)]
        await browser.submit(next(n for n, each in enumerate(place) if each.endswith("/sub/remove")))
        assert "The attribute sub is removed." in browser.response.text
    assert (await find(console, "test")).entry["attributes"] == before["attributes"][1:]


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "act"}, "name"),
        ({"source": "expression", "expression": "(user.id"}, "expression"),
        ({"source": "expression", "expression": ""}, "expression"),
    ],
)
async def test_a_wrong_attribute_is_marked_at_its_field_and_kept(console, typed, field):
    before = (await find(console, "test")).entry
    async with console.signed_on() as browser:
        await open_editor(browser, console, "test")
        form = {"name": "new", "source": "mapping", "mapping": "Username", "value": "kept"} | typed
        shown = await browser.submit(**form)
        assert (shown.status_code, f'id="f-{field}-problem"' in shown.text) == (422, True)
        assert 'value="kept"' in shown.text
    assert (await find(console, "test")).entry == before


async def test_a_mapping_is_evaluated_for_the_example_and_for_pasted_tokens(console):
    async with console.signed_on() as browser:
        await open_editor(browser, console, "test")
        mapped = {"name": "act", "source": "expression", "expression": ACT, "evaluate": "on"}
        shown = trial((await browser.submit(**mapped)).text)
        assert '"sub":' in shown
        assert "fails open" in shown
        assert "is refused" in shown
        tokens = {
            "trial_subject": json.dumps({"may_act": {"sub": "one"}}),
            "trial_actor": json.dumps({"client_id": "other"}),
        }
        shown = trial((await browser.submit(**mapped, **tokens)).text)
        assert "No value" in shown
        assert "*#root.context.requestData.subjectToken.may_act.sub" in shown
    assert "act" not in [each["name"] for each in (await find(console, "agent")).entry["attributes"]]


async def test_a_pasted_jwt_is_read_and_nothing_of_it_is_kept(console):
    async with console.signed_on() as browser:
        await open_editor(browser, console, "test")
        header, payload = "eyJhbGciOiJub25lIn0", "eyJzdWIiOiJmcm9tIGEgSldUIn0"
        expression = "#root.context.requestData.subjectToken.sub"
        typed = {"name": "x", "source": "expression", "expression": expression, "evaluate": "on"}
        shown = await browser.submit(**typed, trial_subject=f"{header}.{payload}.c2ln")
        assert '"from a JWT"' in trial(shown.text)
        for broken in ("a.b.c", "{", "x" * 20_000):
            shown = await browser.submit(**typed, trial_subject=broken)
            assert shown.status_code == 200
            assert "from a JWT" not in trial(shown.text)


async def test_a_syntax_error_has_a_caret_under_its_place(console):
    async with console.signed_on() as browser:
        await open_editor(browser, console, "test")
        typed = {"name": "x", "source": "expression", "expression": "user.id ++", "evaluate": "on"}
        lines = trial((await browser.submit(**typed)).text).splitlines()
        at = next(number for number, line in enumerate(lines) if line.strip() == "^")
        assert lines[at - 1].strip() == "user.id ++"


async def test_a_secret_is_rotated_with_overlap_and_the_earlier_one_ended(console):
    async with console.signed_on() as browser:
        resource = await find(console, "test")
        console.authority.clock.instant += 1  # secrets made in the same instant have no order
        await browser.get(f"{console.path}/resources/{resource.id}/secrets")
        shown = await browser.submit(overlap="3600")
        new = unescape(re.findall(r"<code>([^<]+)</code>", shown.text)[1])
        assert len((await find(console, "test")).facts["secrets"]) == 2
        await browser.get(f"{console.path}/resources/{resource.id}/secrets")
        assert new not in browser.response.text
        await browser.submit(end="on")
        assert len((await find(console, "test")).facts["secrets"]) == 1
    assert (await introspect(console, resource.id, new))[0] == 200


async def test_no_text_of_a_resource_becomes_markup(console):
    async with console.signed_on() as browser:
        await browser.get(f"{console.path}/resources/new")
        await browser.submit(name=MARKUP, description=MARKUP, audience="urn:x", token_lifetime="10 minutes")
        resource = await find(console, MARKUP)
        where = f"{console.path}/resources/{resource.id}"
        await browser.get(f"{where}/add-attribute")
        await browser.submit(name=MARKUP, source="value", value=MARKUP)
        await browser.get(f"{where}/add-scope")
        await browser.submit(name="s", description=MARKUP, descriptions=f"de: {MARKUP}")
        for path in ("", "/attributes", "/add-attribute", "/scopes", "/scopes/s", "/secrets", "/remove"):
            shown = (await browser.get(where + path)).text
            assert "<script>alert" not in shown
            assert "<img src=x" not in shown
        typed = {"name": MARKUP, "source": "expression", "expression": MARKUP, "evaluate": "on"}
        await browser.get(f"{where}/add-attribute")
        shown = (await browser.submit(**typed, trial_subject=MARKUP)).text
        assert "<script>alert" not in shown


async def test_a_resource_of_another_environment_is_not_there(console):
    resource = await find(console, "test")
    async with console.signed_on() as browser:
        for path in ("", "/attributes", "/add-scope", "/secrets", "/remove"):
            response = await browser.get(f"/console/{console.home}/resources/{resource.id}{path}")
            assert response.status_code == 404
        assert PASSWORD not in browser.response.text


async def test_auditors_read_everything_and_find_no_button(console):
    resource = await find(console, "test")
    async with console.signed_on("auditor") as browser:
        for path in ("", "/attributes", "/attributes/act", "/scopes", "/scopes/test", "/secrets"):
            shown = await browser.get(f"{console.path}/resources/{resource.id}{path}")
            assert shown.status_code == 200, path
            assert "<button>" not in shown.text.partition("<main")[2], path


@pytest.mark.parametrize("confirms", [True, False])
async def test_impersonation_is_asked_about_before_it_is_allowed_and_warned_of_after(console, confirms):
    resource = await find(console, "test")
    where = f"{console.path}/resources/{resource.id}"
    async with console.signed_on() as browser:
        assert 'name="impersonation_allowed"' not in (await browser.get(f"{console.path}/resources/new")).text
        await browser.get(where)
        shown = await browser.submit(impersonation_allowed="on", description="Other")
        assert (shown.url.path, "Allow impersonation for test?" in shown.text) == (
            f"{where}/impersonation",
            True,
        )
        stored = (await find(console, "test")).entry
        assert (stored["description"], stored.get("impersonation_allowed", False)) == ("Other", False)
        if confirms:
            shown = await browser.submit()
            assert (shown.url.path, "The resource test is saved." in shown.text) == (where, True)
        assert (await find(console, "test")).entry.get("impersonation_allowed", False) is confirms
        for path in ("", "/scopes"):
            assert ("Impersonation is allowed:" in (await browser.get(where + path)).text) is confirms
        shown = await browser.get(console.path)
        listed = re.search(
            rf'Resources that allow impersonation: 1\s*\(<a href="{where}">test</a>\)', shown.text
        )
        assert (listed is not None) is confirms
        if confirms:  # what is allowed already is not asked about again
            await browser.get(where)
            assert (await browser.submit(description="Third")).url.path == where
            await browser.get(where)
            shown = await browser.submit(impersonation_allowed=[])
            assert (await find(console, "test")).entry.get("impersonation_allowed", False) is False


async def test_the_page_that_asks_whether_a_resource_is_to_go_says_who_loses_it(console):
    resource = await find(console, "test")
    administration = console.authority.services.administration
    async with console.signed_on() as browser:
        refused = await browser.get(f"{console.path}/resources/{resource.id}/remove")
        assert (refused.status_code, "the agent &#39;MCP Tutorial&#39;" in refused.text) == (409, True)
        made = await administration.change(OPERATOR, console.environment, "resource", {"name": "unused"})
        shown = await browser.get(f"{console.path}/resources/{made.view.id}/remove")
        assert "Sign-ons whose tokens end: 0" in shown.text
        await browser.submit()
        assert "The resource unused is removed." in browser.response.text
