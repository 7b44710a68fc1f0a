"""Settings → Keys: which sign, which wait; rotated and ended after the page said what that does."""

import re
from html import unescape

import pytest

from deputize.authority.administration import Operator

ROOT = Operator("command", "0", "root", frozenset({"administrator"}))


async def states(console, algorithm: str) -> list[tuple[str, str]]:
    page = await console.authority.services.administration.keys.list(ROOT, console.environment)
    return [(each.id, each.facts["state"]) for each in page.items if each.facts["algorithm"] == algorithm]


async def published(console) -> set[str]:
    async with console.authority.client() as client:
        answer = await client.get(f"/{console.environment}/as/jwks")
    return {key["kid"] for key in answer.json()["keys"]}


def words(page: str) -> str:
    return unescape(re.sub(r"<[^>]+>", "", page.partition("<main")[2]))


async def test_keys_stand_by_algorithm_with_what_each_is_good_for(console):
    async with console.signed_on() as browser:
        shown = await browser.get(f"{console.path}/keys")
        assert re.findall(r'<h2 id="of-([^"]+)"', shown.text) == ["ES256", "RS256"]
        for kid, _ in await states(console, "ES256"):
            assert kid in shown.text
        assert (shown.text.count(">Signs<"), shown.text.count(">Next<")) == (2, 2)
        assert "/retire" not in shown.text
        assert f'href="/{console.environment}/as/jwks"' in shown.text
        assert shown.text.count("<td>0</td>") == 4
    console.authority.clock.instant += 3 * 86400
    async with console.signed_on() as browser:
        assert (await browser.get(f"{console.path}/keys")).text.count("<td>3</td>") == 4


async def test_a_rotation_lets_the_next_key_sign_and_ends_nothing(console):
    (current, _), (following, _) = await states(console, "ES256")
    others = await states(console, "RS256")
    async with console.signed_on() as browser:
        shown = await browser.get(f"{console.path}/keys/ES256/rotate")
        assert f"{current} signs nothing any more" in words(shown.text)
        assert f"{following} signs from now on" in words(shown.text)
        await browser.submit()
        assert "The next key of ES256 signs now." in browser.response.text
    after = dict(await states(console, "ES256"))
    assert (after[following], after[current], len(after)) == ("current", "retired", 3)
    assert await states(console, "RS256") == others
    assert set(after) <= await published(console)


async def test_a_rotation_that_was_made_meanwhile_is_not_made_again(console):
    async with console.signed_on() as browser, console.signed_on() as other:
        for each in (browser, other):
            await each.get(f"{console.path}/keys/ES256/rotate")
        await other.submit()
        after = await states(console, "ES256")
        await browser.submit()
        assert "were rotated meanwhile" in words(browser.response.text)
    assert await states(console, "ES256") == after


async def test_keys_of_another_algorithm_are_made_when_asked_for(console):
    async with console.signed_on() as browser:
        await browser.get(f"{console.path}/keys/EdDSA/rotate")
        assert browser.heading == "Make keys of EdDSA?"
        await browser.submit()
    assert [state for _, state in await states(console, "EdDSA")] == ["current", "next"]


async def test_a_retired_key_ends_after_the_page_said_what_ends(console):
    (current, _), _ = await states(console, "ES256")
    await console.authority.services.administration.keys.rotate(ROOT, console.environment, ["ES256"])
    async with console.signed_on() as browser:
        shown = await browser.get(f"{console.path}/keys")
        assert "Only verifies, until" in words(shown.text)
        (href,) = re.findall(r'href="([^"]+/retire)"', shown.text)
        shown = await browser.get(href)
        assert "Every token that it signed is refused from now on" in words(shown.text)
        assert current in await published(console)
        await browser.submit()
        assert f"{current} verifies nothing any more." in words(browser.response.text)
    assert current not in dict(await states(console, "ES256"))
    assert current not in await published(console)


async def test_a_key_that_signs_cannot_be_ended(console):
    (current, _), (following, _) = await states(console, "ES256")
    async with console.signed_on() as browser:
        for kid in (current, following):
            shown = await browser.get(f"{console.path}/keys/{kid}/retire")
            assert (shown.status_code, "rotate first" in words(shown.text)) == (409, True)
        await browser.get(f"{console.path}/keys/ES256/rotate")
        csrf = re.search(r'name="csrf" value="([^"]+)"', browser.response.text)[1]
        refused = await browser.client.post(f"{console.path}/keys/{current}/retire", data={"csrf": csrf})
        assert refused.status_code == 409
    assert dict(await states(console, "ES256"))[current] == "current"


@pytest.mark.parametrize("path", ["none/rotate", "%3Cscript%3Ealert(1)/rotate", "1/retire"])
async def test_what_is_no_key_is_not_there(console, path):
    async with console.signed_on() as browser:
        shown = await browser.get(f"{console.path}/keys/{path}")
        assert (shown.status_code, "<script>alert" in shown.text) == (404, False)


async def test_auditors_see_keys_without_buttons_and_owners_nothing(console):
    async with console.signed_on("auditor") as browser:
        shown = await browser.get(f"{console.path}/keys")
        assert (shown.status_code, "/rotate" in shown.text) == (200, False)
    entry = {"name": "Owned", "owner": "agent_owner", "redirect_uris": ["https://a.example.com/"]}
    await console.authority.services.administration.change(ROOT, console.environment, "agent", entry)
    async with console.signed_on("agent_owner") as browser:
        assert (await browser.get(f"{console.path}/keys")).status_code == 403


async def test_keys_of_another_environment_are_not_ended(console):
    await console.authority.services.administration.keys.rotate(ROOT, console.environment, ["ES256"])
    retired = next(kid for kid, state in await states(console, "ES256") if state == "retired")
    async with console.signed_on() as browser:
        shown = await browser.get(f"/console/{console.home}/keys/{retired}/retire")
        assert shown.status_code == 404
