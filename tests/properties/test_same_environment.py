"""An environment is written out to the same bytes whether API, console or a file built it, step by step."""

import asyncio
import contextlib
import re
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from deputize.authority.directory.objects import OBJECTS, EnvironmentObject, UserObject
from deputize.authority.directory.objects.registration import AgentTemplate, RegistrationObject
from deputize.authority.environment_file.reading import parse_value, read_yaml
from deputize.authority.environment_file.writing import write_yaml
from deputize.oauth.records.settings import TrustedUsers
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


def models_in(annotation):
    """The models that a type is made of, and those that they are made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from models_in(field.annotation)
    for inner in get_args(annotation):
        yield from models_in(inner)


def members_said(annotation, value):
    """The members of models that a value of this type says something of, each with its model."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and isinstance(value, dict):
        for name, field in annotation.model_fields.items():
            if name in value:
                yield annotation, name
                yield from members_said(field.annotation, value[name])
    elif isinstance(value, list | dict):
        for inner in get_args(annotation):
            for each in (value, *(value.values() if isinstance(value, dict) else value)):
                yield from members_said(inner, each)


def test_the_rich_environment_says_something_of_every_member():
    roots = dict(zip(KINDS, (*OBJECTS.values(), UserObject), strict=True))
    models = {model for root in (*roots.values(), EnvironmentObject) for model in models_in(root)}
    assert {RegistrationObject, AgentTemplate, TrustedUsers} <= models
    said = set(members_said(EnvironmentObject, RICH))
    for kinds, root in roots.items():
        said |= {each for entry in RICH[kinds] for each in members_said(root, entry)}
    wanted = {(model, name) for model in models for name in model.model_fields}
    assert {each for each in wanted - said if each[1] not in DRAWN | NOT_OFFERED} == set()


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
