"""An environment is written out to the same bytes whether API, console or a file built it, step by step."""

import asyncio
import contextlib
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deputize.authority.directory.objects import (
    AgentObject,
    AgreementObject,
    EnvironmentObject,
    PolicyObject,
    ResourceObject,
    UserObject,
)
from deputize.authority.directory.objects.agreement import AgreementLanguage
from deputize.authority.directory.objects.resource import ResourceAttribute, ResourceScope
from deputize.authority.environment_file.reading import parse_value, read_yaml
from deputize.authority.environment_file.writing import write_yaml
from deputize.oauth.records.settings import (
    Branding,
    IdentityProvider,
    PasswordPolicy,
    TrustedIssuer,
    TrustedUsers,
)
from support.authority import PASSWORD
from support.console import USE_CASE
from support.console_builder import ConsoleBuilder
from support.environment_files import files
from support.examples import examples
from support.management import running_management
from support.rich_environment import RICH

pytestmark = pytest.mark.slow
KINDS = ("resources", "agreements", "policies", "agents", "users")
LATE = ("default_policy", "trusted_issuers", "registration")
"""Settings that name policies."""
NOT_OFFERED = {"organization_id"}
"""What is drawn."""
MODELS = (AgentObject, AgreementObject, PolicyObject, ResourceObject, UserObject)
MODELS += (AgreementLanguage, ResourceAttribute, ResourceScope, EnvironmentObject, IdentityProvider)
MODELS += (TrustedIssuer, TrustedUsers, Branding, PasswordPolicy)
DRAWN = {"id", "secret", "password_hash", "roles"}


async def build(api, content, name, random=None):
    """Build the environment by the API, each object by itself; its path.

    With `random` in any order, and some in two steps.
    """
    settings_of = {each: value for each, value in content.items() if each not in KINDS}
    late = {each: settings_of.pop(each) for each in LATE if each in settings_of}
    made = await api.ask("POST", "/v1/environments", {"environment": name})
    path = f"/v1/environments/{made.json()['object']['id']}"
    await patch(api, path, {**settings_of, "environment": name})
    for kinds in KINDS:
        entries = content[kinds]
        for entry in random.sample(entries, len(entries)) if random else entries:
            made = await api.ask("POST", f"{path}/{kinds}", entry)
            assert made.status_code == 201, made.text
            place = f"{path}/{kinds}/{made.json()['object']['id']}"
            match random and random.randrange(3):
                case 0:
                    again = await api.ask("PUT", place, entry)
                    assert again.json()["differences"] == [], again.text
                case 1:
                    member = "given_name" if kinds == "users" else "description"
                    if kinds != "policies":
                        await api.ask("PATCH", place, {member: "another"})
                        await patch(api, place, {member: entry.get(member)})
        if kinds == "policies":
            await patch(api, path, late)
    return path


async def patch(api, path, members):
    changed = await api.ask("PATCH", path, members)
    assert changed.status_code == 200, changed.text


async def compare(api, content, random):
    applied = await api.ask("POST", "/v1/apply", {"text": write_yaml({**content, "environment": "By file"})})
    assert applied.status_code == 200, applied.text
    by_file = f"/v1/environments/{applied.json()['environment']['id']}"
    by_api = await build(api, content, "By API", random)
    one, other = [await api.ask("GET", f"{path}/export") for path in (by_file, by_api)]
    assert other.content.replace(b"environment: By API\n", b"environment: By file\n", 1) == one.content
    for path in (by_file, by_api):
        assert (await api.ask("DELETE", path)).status_code == 200


def test_built_by_the_api_and_by_a_file_it_exports_to_the_same_bytes(tmp_path):
    with asyncio.Runner() as runner:
        running = contextlib.AsyncExitStack()
        api = runner.run(running.enter_async_context(running_management(tmp_path / "data")))

        @settings(max_examples=examples(10), deadline=None)
        @given(files(), st.randoms(use_true_random=False))
        def check(content, random):
            if parse_value(content, "f").salvaged is None:
                runner.run(compare(api, content, random))

        check()
        runner.run(running.aclose())


def use_case():
    """The use case's file, with its variables filled in."""
    text = USE_CASE.read_text("utf-8").replace("&{DEMO_PASSWORD}", PASSWORD)
    content, _ = read_yaml(re.sub(r"&\{\w+\|([^}]*)\}", r"\1", text).encode(), "environment.yaml")
    return content


def members_said(value):
    """The names of all members that something says, at any depth."""
    found = set()
    if isinstance(value, dict):
        found |= value.keys()
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        found |= members_said(each)
    return found


def test_the_rich_environment_says_something_of_every_member():
    wanted = {name for model in MODELS for name in model.model_fields}
    assert wanted - members_said(RICH) - DRAWN - NOT_OFFERED == set()


async def save_unchanged(api, builder, path):
    """Send the forms of all objects again, as they are shown."""
    for kinds, tab in (("resources", ""), ("agreements", ""), ("agents", "/configuration"), ("users", "")):
        for each in (await api.ask("GET", f"{path}/{kinds}")).json()["items"]:
            await builder.open(f"{kinds}/{each['id']}{tab}")
            await builder.send(**{"username" if kinds == "users" else "name": each["name"]})


@pytest.mark.parametrize("content", [use_case(), RICH], ids=["use case", "rich"])
async def test_built_by_the_console_by_the_api_and_by_a_file_it_exports_to_the_same_bytes(tmp_path, content):
    content = {name: value for name, value in content.items() if name not in NOT_OFFERED}
    async with running_management(tmp_path / "data") as api, api.console.signed_on() as browser:
        named = {**content, "environment": "By file"}
        applied = await api.ask("POST", "/v1/apply", {"text": write_yaml(named)})
        assert applied.status_code == 200, applied.text
        by_file = f"/v1/environments/{applied.json()['environment']['id']}"
        by_api = await build(api, content, "By API")
        builder = ConsoleBuilder(browser, api.console.path)
        by_console = f"/v1/environments/{await builder.build({**content, 'environment': 'By console'})}"
        await save_unchanged(api, builder, by_console)
        wanted, *others = [
            (await api.ask("GET", f"{path}/export")).text for path in (by_file, by_api, by_console)
        ]
        for name, other in zip(("By API", "By console"), others, strict=True):
            assert other.replace(f"environment: {name}\n", "environment: By file\n") == wanted
