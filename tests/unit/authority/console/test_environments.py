"""Settings → Environments: one that is empty, and one from a file whose changes are seen first."""

import re
from html import unescape

import pytest

from deputize.authority.administration import Operator
from deputize.authority.console.pages.environments import EXAMPLE, MAX_FILE

FILE = """environment: Imported
resources:
  - name: api
    scopes: [{ name: read }]
"""
ROOT = Operator("command", "0", "root", frozenset({"administrator"}))
MARKUP = "<script>alert(1)</script>"


def named(console, name):
    found = console.authority.directory.current.environments.values()
    return next((each for each in found if each.name == name), None)


async def test_an_environment_begins_empty_and_is_where_one_goes(console):
    async with console.signed_on() as browser:
        await browser.get(f"{console.path}/environments/new")
        shown = await browser.submit(environment=f"Empty {MARKUP}")
        made = named(console, f"Empty {MARKUP}")
        assert (shown.url.path, MARKUP in shown.text) == (f"/console/{made.id}", False)
        assert (len(made.agents), [each.name for each in made.policies.values()]) == (0, ["Single_Factor"])
        await browser.get(f"{console.path}/environments/new")
        for name in ("", f"Empty {MARKUP}"):
            refused = await browser.submit(environment=name)
            assert (refused.status_code, 'id="f-environment-problem"' in refused.text) == (422, True)
        refused = await browser.submit(environment="Bank\u200b")
        assert "has the character U+200B, which is invisible" in refused.text
        assert 'id="f-environment-problem"' in refused.text


async def test_a_file_changes_nothing_before_its_changes_were_seen(console):
    async with console.signed_on() as browser:
        await browser.get(f"{console.path}/environments/import")
        shown = await browser.submit(file=FILE, action="check")
        assert (shown.status_code, "+ resource api" in shown.text) == (200, True)
        assert named(console, "Imported") is None
        shown = await browser.submit(action="apply")
        made = named(console, "Imported")
        assert [each.name for each in made.resources.values()] == ["api"]
        secret = re.search(r"Secret of api.*?<p class=\"copy\"><code>([^<]+)</code>", shown.text, re.DOTALL)
        assert len(secret[1]) > 20
        await browser.get(f"{console.path}/environments/import")
        again = await browser.submit(file=FILE, action="check")
        assert "everything is so already" in again.text


OTHER = "Nothing was applied"


async def test_a_file_that_was_changed_after_it_was_shown_is_shown_anew_with_its_warnings(console):
    impersonating = FILE + "    impersonation_allowed: true\n"
    async with console.signed_on() as browser:
        await browser.get(f"{console.path}/environments/import")
        await browser.submit(file=FILE, action="check")
        shown = await browser.submit(file=impersonating, action="apply")
        assert (OTHER in shown.text, "allows impersonation" in shown.text) == (True, True)
        assert named(console, "Imported") is None
        shown = await browser.submit(file=impersonating.replace("\n", "\r\n"), action="apply")
        assert OTHER not in shown.text
        [resource] = named(console, "Imported").resources.values()
        assert resource.settings.impersonation_allowed is True


async def test_a_file_is_not_applied_to_an_environment_that_is_another_than_was_shown(console):
    administration = console.authority.services.administration
    async with console.signed_on() as browser:
        await browser.get(f"{console.path}/environments/import")
        await browser.submit(file=FILE, action="check")
        await browser.submit(action="apply")
        made = named(console, "Imported")
        [resource] = made.resources.values()
        await browser.get(f"{console.path}/environments/import")
        await browser.submit(file=f"{FILE}    token_lifetime: 30 minutes\n", action="check")
        for lifetime, is_changed in (("15 minutes", True), ("15 minutes", False)):
            entry = {"token_lifetime": lifetime}
            await administration.change(ROOT, made.id, "resource", entry, object_id=resource.id)
            shown = await browser.submit(action="apply")
            assert (OTHER in shown.text) is is_changed
        view = await administration.find(ROOT, made.id, "resource", resource.id)
        assert view.entry["token_lifetime"] == "30 minutes"


async def test_no_seal_but_that_of_the_page_applies_a_file(console):
    async with console.signed_on() as browser:
        await browser.get(f"{console.path}/environments/import")
        for sealed in ("", "x"):
            shown = await browser.submit(file=FILE, action="apply", shown=sealed)
            assert (OTHER in shown.text, named(console, "Imported")) == (True, None)


async def test_what_a_file_removes_comes_first_and_is_counted_on_the_button(console):
    async with console.signed_on() as browser:
        await browser.get(f"{console.path}/environments/import")
        await browser.submit(file=FILE, action="check")
        await browser.submit(action="apply")
        await browser.get(f"{console.path}/environments/import")
        other = FILE.replace("api", "other") + "prune: true\n"
        text = (await browser.submit(file=other, action="check")).text
        assert 'class="danger">Apply, and remove 1<' in text
        warned = re.search(r'<div class="warning">(.*?)</div>', text, re.DOTALL)
        assert re.findall(r"<code>(.*?)</code>", warned[1]) == ["- resource api"]
        assert (text.count("- resource api"), warned.end() < text.index("+ resource other")) == (1, True)
        await browser.submit(action="apply")
        assert [each.name for each in named(console, "Imported").resources.values()] == ["other"]


async def test_what_is_wrong_with_a_file_is_shown_with_a_caret(console):
    async with console.signed_on() as browser:
        await browser.get(f"{console.path}/environments/import")
        shown = await browser.submit(file=FILE.replace("scopes", MARKUP), action="apply")
        assert (shown.status_code, "Line 4, column 5" in shown.text) == (422, True)
        line, caret = re.search(r"<pre>(.*?)</pre>", shown.text, re.DOTALL)[1].split("\n")
        assert (line.startswith("    &lt;script"), caret) == (True, "    ^")
        assert named(console, "Imported") is None
        assert (MARKUP in shown.text, "&lt;script&gt;alert(1)" in shown.text) == (False, True)


async def upload(console, browser, content, action="check"):
    """Send the form as browsers do, with a file."""
    await browser.get(f"{console.path}/environments/import")
    csrf = re.search(r'name="csrf" value="([^"]+)"', browser.response.text)[1]
    assert 'enctype="multipart/form-data"' in browser.response.text
    form = {"csrf": csrf, "action": action, "file": ""}
    browser.response = await browser.client.post(
        f"{console.path}/environments/import",
        data=form,
        files={"upload": ("environment.yaml", content, "application/yaml")},
    )
    return browser.response


async def test_a_file_can_be_chosen_and_is_seen_before_it_changes_anything(console):
    async with console.signed_on() as browser:
        for action in ("check", "apply"):
            shown = await upload(console, browser, b"\xef\xbb\xbf" + FILE.encode(), action)
            assert (shown.status_code, "+ resource api" in shown.text) == (200, True)
            assert named(console, "Imported") is None
        await browser.submit(action="apply")
        assert named(console, "Imported") is not None


@pytest.mark.parametrize("content", [b"\xff\xfe", b"\xef\xbb\xbf", b"#" * (MAX_FILE + 1)])
async def test_what_is_no_text_or_too_long_is_refused_at_its_field(console, content):
    async with console.signed_on() as browser:
        shown = await upload(console, browser, content)
        assert (shown.status_code, 'id="f-file-problem"' in shown.text) == (422, True)


async def test_a_form_with_a_file_has_to_come_from_this_session(console):
    async with console.signed_on() as browser:
        refused = await browser.client.post(
            f"{console.path}/environments/import",
            data={"csrf": "x", "action": "apply"},
            files={"upload": ("f.yaml", FILE.encode(), "application/yaml")},
        )
        assert (refused.status_code, named(console, "Imported")) == (403, None)


@pytest.mark.parametrize(("role", "status"), [("administrator", 200), ("auditor", 200), ("agent_owner", 403)])
async def test_an_environment_is_exported_as_the_command_does_for_those_who_read_all(console, role, status):
    administration = console.authority.services.administration
    owned = {"name": "Owned", "owner": "agent_owner", "redirect_uris": ["https://a.example.com/"]}
    await administration.change(ROOT, console.environment, "agent", owned)
    async with console.signed_on(role) as browser:
        answer = await browser.get(f"{console.path}/environment/export")
        text = await administration.environments.export(ROOT, console.environment)
        assert (answer.status_code, answer.text == text) == (status, status == 200)
        if status == 200:
            assert answer.headers["content-type"].partition(";")[0] == "application/yaml"
            assert answer.headers["content-disposition"] == (
                "attachment; filename=\"environment.yaml\"; filename*=UTF-8''Agent%20Delegation.yaml"
            )
            assert answer.headers["cache-control"] == "no-store"
            assert not re.search(r"^ *(secret|password|password_hash):", answer.text, re.MULTILINE)
            for page in ("environment", "environments", "environments/import"):
                shown = await browser.get(f"{console.path}/{page}")
                assert f'href="{console.path}/environment/export"' in shown.text


async def test_the_name_of_an_exported_file_ends_no_header(console):
    administration = console.authority.services.administration
    made = await administration.environments.create(ROOT, {"environment": 'Bank "Süd"/A; x=y'})
    async with console.signed_on() as browser:
        answer = await browser.get(f"/console/{made.view.id}/environment/export")
        told = answer.headers["content-disposition"].rpartition("''")[2]
        assert told == "Bank%20%22S%C3%BCd%22%2FA%3B%20x%3Dy.yaml"


async def test_the_example_of_the_page_can_be_imported_and_what_is_exported_changes_nothing(console):
    async with console.signed_on() as browser:
        shown = await browser.get(f"{console.path}/environments/import")
        example = unescape(re.search(r"<pre>(.*?)</pre>", shown.text, re.DOTALL)[1])
        assert example == EXAMPLE
        shown = await browser.submit(file=example, action="check")
        assert 'class="warning"' not in shown.text
        await browser.submit(action="apply")
        made = named(console, "Example")
        assert [each.name for each in made.agents.values()] == ["Assistant"]
        exported = (await browser.get(f"{console.path}/environment/export")).text
        await browser.get(f"{console.path}/environments/import")
        again = await browser.submit(file=exported, action="check")
        assert "everything is so already" in again.text
