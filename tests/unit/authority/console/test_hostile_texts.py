"""No text that anybody puts in becomes more than a text, and forms change what they show."""

import copy
import re
from collections import deque
from html import unescape
from pathlib import Path
from urllib.parse import urlencode

import pytest

from deputize.authority.administration import Operator
from deputize.authority.console.pages import SECTIONS
from deputize.authority.directory.objects import OBJECTS, EnvironmentObject, UserObject
from deputize.authority.environment_file.writing import write_yaml
from deputize.oauth.usernames import without_hidden
from support.authority import PASSWORD, Browser, PageForm
from support.console_tour import BY_FORMS
from support.management import running_management
from support.markup import HOSTILE, MARK, PageJudge
from support.rich_environment import RICH

ROOT = Operator("command", "0", "root", frozenset({"administrator"}))
FREE = {"description", "owner", "sponsor", "given_name", "family_name", "title", "text"}
"""Members that take any text: where they refused one, it would be tried nowhere."""
PLAIN = {**RICH, "environment": "Rich"}


def leaves(value, place=()):
    """The places of all texts in a value."""
    if isinstance(value, str):
        yield place
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        yield from leaves(each, (*place, key))


def put(value, place, text):
    for key in place[:-1]:
        value = value[key]
    value[place[-1]] = text


def get(value, place):
    for key in place:
        value = value[key]
    return value


def rename(value, names):
    """The value with objects called otherwise, wherever they are named."""
    if isinstance(value, dict):
        return {names.get(key, key): rename(each, names) for key, each in value.items()}
    if isinstance(value, list):
        return [rename(each, names) for each in value]
    return names.get(value, value) if isinstance(value, str) else value


def base():
    """The rich environment, in which people can sign on for an agent by a browser alone."""
    content = copy.deepcopy(PLAIN)
    agent = next(each for each in content["agents"] if each["name"] == "Mail")
    agent |= {"require_pushed_authorization_requests": False, "dpop_bound_access_tokens": False}
    agent["delegation_resource"] = "assistants"
    del agent["scopes"]["other"]
    content["policies"][0]["steps"] = [{"login": {}}, {"agreement_prompt": {"agreement": "Agent Consent"}}]
    content["users"][0] |= {"must_change_password": False, "password": PASSWORD}
    return content


async def apply_hostile(api, text):
    """Apply the rich environment with a text in every place that takes it; its id, content and places."""
    content = base()
    names = {
        each["name"]: f"{without_hidden(text[:60])} {each['name']}"
        for kind in ("resources", "agreements", "agents")
        for each in content[kind]
    }
    content = rename(content, names)
    places = [place for place in leaves(content) if get(content, place) not in names.values()]
    places = [place for place in places if place[-1] not in {"password", "expires_at"}]
    for place in places:
        put(content, place, text)
    kept = set(places)
    for _ in range(40):
        answer = await api.ask("POST", "/v1/apply", {"text": write_yaml(content)})
        if answer.status_code == 200:
            return answer.json()["environment"]["id"], content, kept
        refused = refused_places(answer.json(), content, kept)
        assert refused, answer.text
        for place in refused:
            put(content, place, get(rename(base(), names), place))
        kept -= refused
    raise AssertionError(answer.text)


def refused_places(problem, content, kept):
    """The places that errors are about; where one is about what is around, or beside, all in there."""
    found = set()
    for each in problem["errors"]:
        pointer = tuple(part.replace("~1", "/").replace("~0", "~") for part in each["pointer"].split("/")[1:])
        about = {place for place in kept if tuple(map(str, place))[: len(pointer)] == pointer}
        while pointer and not about:
            pointer = pointer[:-1]
            near = {place for place in kept if tuple(map(str, place))[: len(pointer)] == pointer}
            about = {place for place in near if place[-1] not in FREE}
        found |= about
    return found


async def judge(response, path=""):
    if response.headers.get("content-type", "").startswith("text/html"):
        flaws = PageJudge(response.text).flaws
        assert flaws == [], (path or response.url, flaws)


class JudgingBrowser(Browser):
    """A browser whose every page is judged."""

    async def _follow(self, response):
        followed = await super()._follow(response)
        await judge(followed)
        return followed


async def crawl(browser, start):
    """Judge every page of the console that links lead to; their paths."""
    seen, waiting = set(), deque([start, f"{start}/search?search={MARK}", f"{start}/search?search=a"])
    shapes = {}
    while waiting:
        path = waiting.popleft()
        bare = path.partition("?")[0]
        if path in seen:
            continue
        seen.add(path)
        response = await browser.get(path)
        assert response.status_code in {200, 404, 409, 422}, (path, response.status_code)
        shapes.setdefault(bare, response.status_code)
        waiting += [
            bare + way for kind, ways in BY_FORMS.items() if is_seen(kind, [bare], start) for way in ways
        ]
        for link in PageJudge(response.text).links:
            target = response.url.join(link)
            if target.path.startswith(f"{start}") and len(seen) < 600:
                waiting.append(target.raw_path.decode())
    return shapes


def patterns():
    """What each page of the sections that links lead to is called, by its path."""
    return {page.path for section in SECTIONS for page in section.pages if page.show}


def is_seen(pattern, paths, start):
    regex = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(pattern))
    return any(re.fullmatch(regex, path.removeprefix(start).strip("/")) for path in paths)


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
async def test_no_text_becomes_markup_on_any_page(tmp_path, name):
    text = HOSTILE[name]
    async with running_management(tmp_path / "data") as api:
        environment, content, kept = await apply_hostile(api, text)
        if name in {"markup", "template"}:
            assert {place[-1] for place in kept} >= FREE
        assert kept
        admin = {"username": HOSTILE["markup"][:100], "password": PASSWORD, "roles": ["administrator"]}
        made = await api.ask("POST", f"{api.home}/users", admin)
        assert made.status_code == 201, made.text
        start = f"/console/{environment}"
        async with api.authority.client() as client:
            browser = JudgingBrowser(api.authority, client)
            await browser.get(start)
            await browser.sign_on(username=admin["username"])
            await sign_on_as_user(api, environment, content)
            await invite_and_introduce(api, environment, text)
            paths = await crawl(browser, start)
            assert {each for each in patterns() if not is_seen(each, paths, start)} == set()
            if name in {"markup", "url"}:
                await send_everywhere(browser, start, paths, text)


async def invite_and_introduce(api, environment, text):
    """Have keys rotated, somebody invited, and an agent wait: there are pages about these only then."""
    rotated = await api.ask("POST", f"/v1/environments/{environment}/keys/rotate")
    assert rotated.status_code == 200, rotated.text
    for name in (text[:100], "guest"):
        guest = {"username": name, "roles": ["auditor"]}
        invited = await api.ask("POST", "/v1/administrators/invitations", guest)
    assert invited.status_code == 201, invited.text
    made = await api.ask("POST", f"/v1/environments/{environment}/invitations", {})
    assert made.status_code == 201, made.text
    said = {"redirect_uris": ["https://stranger.example.com/callback"], "token_endpoint_auth_method": "none"}
    async with api.authority.client() as client:
        for name in (text[:60], "Stranger"):
            answer = await client.post(f"/{environment}/as/register", json={**said, "client_name": name})
    assert answer.status_code == 201, answer.text
    await api.console.refresh()


async def sign_on_as_user(api, environment, content):
    """Go through sign-on, agreement and own pages as a person whose name and whose agent are hostile."""
    user = content["users"][0]
    listed = await api.ask("GET", f"/v1/environments/{environment}/agents")
    agents = {each["name"]: each["id"] for each in listed.json()["items"]}
    agent = next(each for each in content["agents"] if each["name"].endswith("Mail"))
    granted = next(scopes for name, scopes in agent["scopes"].items() if name.endswith("assistants"))
    asked = {"scope": granted[0], "redirect_uri": agent["redirect_uris"][0], "state": "s"}
    asked |= {"response_type": "code", "client_id": agents[agent["name"]]}
    asked |= {
        "code_challenge_method": "S256",
        "code_challenge": "fGGq-I9M7-xRYV1HRRHUrxIVfYkzVtfYrGQQLQQYqzg",
    }
    for language in ("de", "en"):
        async with api.authority.client() as client:
            browser = JudgingBrowser(api.authority, client, headers={"accept-language": language})
            await browser.get(f"/{environment}/as/authorize?{urlencode(asked)}")
            await browser.sign_on(username=user["username"], password="wrong password")
            await browser.sign_on(username=user["username"], password=user["password"])
            if language == "de":
                await browser.accept()
            assert "code" in browser.answer
            own = deque([f"/{environment}/my"])
            seen = set()
            while own:
                path = own.popleft()
                if path in seen:
                    continue
                seen.add(path)
                response = await browser.get(path)
                targets = (response.url.join(link) for link in PageJudge(response.text).links)
                own.extend(
                    each.raw_path.decode() for each in targets if each.path.startswith(f"/{environment}/my")
                )
            assert seen


async def send_everywhere(browser, start, paths, text):
    """Put the text into every field of every form, and into every parameter; nothing fails, and no page is
    more than pages are."""
    for path in paths:
        response = await browser.get(f"{path}?search={text[:200]}&cursor={text[:50]}&token={text[:50]}")
        assert response.status_code in {200, 404, 409, 422}, path
        if response.status_code != 200 or path.endswith(("/remove", "/stop", "/rotate", "/retire")):
            continue
        response = await browser.get(path)
        page = response.text
        for index, form in enumerate(re.findall(r'<form(?! class="find").*?</form>', page, re.DOTALL)):
            shown = PageForm(page, index).fields
            if "csrf" not in shown or not re.search(r"<(textarea|select|input (?!type=.hidden))", form):
                continue
            names = set(map(unescape, re.findall(r' name="([^"]*)"', form))) - {"csrf", "etag"}
            target = str(response.url.join(unescape(PageForm(page, index).action)))
            sent = {**shown, **dict.fromkeys(names, text)}
            answered = await browser.client.post(target, data=sent)
            assert answered.status_code < 500, (path, answered.status_code)
            await judge(answered, path)


PROCESS_SECRET = "of-the-servers-process"


@pytest.mark.parametrize(
    "written",
    [
        '"&{CONSOLE_TEST_SECRET}"',
        '"&{env.CONSOLE_TEST_SECRET}"',
        '"&{read:/etc/passwd}"',
        '"&{file:///etc/passwd}"',
        "!include /etc/passwd",
        "!!python/object/apply:os.getcwd []",
    ],
)
async def test_a_file_that_is_brought_in_learns_nothing_of_the_server(console, monkeypatch, written):
    monkeypatch.setenv("CONSOLE_TEST_SECRET", PROCESS_SECRET)
    before = console.authority.directory.current
    async with console.signed_on() as browser:
        for action in ("check", "apply"):
            await browser.get(f"{console.path}/environments/import")
            file = f"environment: Brought\nresources:\n  - name: api\n    description: {written}\n"
            shown = await browser.submit(file=file, action=action)
            assert shown.status_code == 422
            for secret in (PROCESS_SECRET, "root:", str(Path.cwd())):
                assert secret not in shown.text
    assert console.authority.directory.current.environments.keys() == before.environments.keys()


def changing_pages():
    """Every page that shows an object's own form, by its path; none that asks whether something is to end."""
    return [
        page.path
        for section in SECTIONS
        for page in section.pages
        if page.show
        and page.submit
        and not getattr(page.show, "__name__", "").startswith("confirm_")
        and not page.path.endswith(("secrets", "policies", "approve"))
        and re.findall(r"\{\w+\}", page.path) in ([], ["{id}"])
        and not re.search(r"/(new|invite|import|add-[a-z]+)$|^(preferences|token|why|search)", page.path)
    ]


async def exports(console):
    """All that is stored of the two environments."""
    store, found = console.authority.store, []
    environments = console.authority.services.administration.environments
    for each in (console.environment, console.home):
        users = await store.users.users_of(each)
        found.append(await environments.export(ROOT, each, ids=True))
        found.append([(user.id, user.username, user.password_hash, user.roles) for user in users])
    return found, sorted(map(repr, (await store.directory_rows.load()).secrets))


@pytest.mark.parametrize("path", changing_pages())
async def test_members_that_a_form_does_not_show_change_nothing(console, path):
    names = {"resources": "test", "agreements": "Agent Consent", "policies": "Agent-Consent-Login"}
    names |= {"agents": "MCP Tutorial", "users": "demouser"}
    section = path.partition("/")[0]
    administration = console.authority.services.administration
    object_id = ""
    if section in names:
        kind = {"policies": "policy"}.get(section, section[:-1])
        view = await administration.find_named(ROOT, console.environment, kind, names[section])
        object_id = view.id
    elif "{id}" in path:
        object_id = (await console.authority.store.users.find_user(console.home, "auditor")).id
    models = (*OBJECTS.values(), UserObject, EnvironmentObject)
    members = {name for model in models for name in model.model_fields}
    members |= {"environment_id", "operator", "kind", "object_id", "dry_run", "history", "term", "waiting"}
    async with console.signed_on() as browser:
        where = f"{console.path}/{path.replace('{id}', object_id)}"
        await browser.get(where)
        await browser.submit()  # as it is shown, defaults written out
        before = await exports(console)
        await browser.get(where)
        page = browser.response.text
        shown = set(map(unescape, re.findall(r' name="([^"]*)"', page)))
        foreign = members - shown - {name.partition("/")[0] for name in shown}
        foreign |= {f"{name}/{name}" for name in foreign}
        await browser.submit(**dict.fromkeys(foreign, "administrator"))
        assert browser.response.status_code == 200
        assert await exports(console) == before
