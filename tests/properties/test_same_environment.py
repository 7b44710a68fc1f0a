"""An environment is written out to the same bytes whether the API built it, step by step, or a file did."""

import asyncio
import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deputize.authority.environment_file.reading import parse_value
from deputize.authority.environment_file.writing import write_yaml
from support.environment_files import files
from support.examples import examples
from support.management import running_management

pytestmark = pytest.mark.slow
KINDS = ("resources", "agreements", "policies", "agents", "users")


async def build(api, content, name, random):
    """Build the environment by the API: each object by itself, some in two steps; its path."""
    settings_of = {"environment": name, "session_lifetime": content["session_lifetime"]}
    made = await api.ask("POST", "/v1/environments", {"environment": name})
    path = f"/v1/environments/{made.json()['object']['id']}"
    for kinds in KINDS:
        for entry in random.sample(content[kinds], len(content[kinds])):
            made = await api.ask("POST", f"{path}/{kinds}", entry)
            assert made.status_code == 201, made.text
            place = f"{path}/{kinds}/{made.json()['object']['id']}"
            match random.randrange(3):
                case 0:
                    again = await api.ask("PUT", place, entry)
                    assert again.json()["differences"] == [], again.text
                case 1:
                    member = "given_name" if kinds == "users" else "description"
                    if kinds != "policies":
                        await api.ask("PATCH", place, {member: "another"})
                        back = await api.ask("PATCH", place, {member: entry.get(member)})
                        assert back.status_code == 200, back.text
    changed = await api.ask("PATCH", path, settings_of)
    assert changed.status_code == 200, changed.text
    return path


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
