"""What an environment is exported to makes it again, and is the same however the environment came about."""

import asyncio
import tempfile
from pathlib import Path

import yaml
from argon2 import PasswordHasher
from hypothesis import given, settings
from hypothesis import strategies as st

from deputize.authority.administration import Administration, Operator
from deputize.authority.environment_file import Application, apply
from deputize.authority.environment_file.reading import parse, parse_value, read_yaml
from deputize.authority.environment_file.writing import write_yaml
from deputize.authority.passwords import Passwords
from deputize.authority.storage import open_store
from deputize.expressions import escape, substitute
from support.authority import TurnableClock
from support.databases import new_database
from support.environment_files import TEXTS, TRICKY, VALUES, WORDS, files
from support.examples import examples

ADMINISTRATOR = Operator("command", "", "", frozenset({"administrator"}))
PASSWORDS = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1), threads=1)


@given(VALUES)
def test_what_is_written_is_read_back_exactly(value):
    text = write_yaml({"value": value}).encode()
    read, _ = read_yaml(text, "f")
    assert substitute(read, {}.get) == {"value": value}
    assert repr(substitute(read, {}.get)) == repr({"value": value})


@given(st.dictionaries(st.one_of(TRICKY, TEXTS), WORDS, max_size=4))
def test_other_programs_read_the_same(value):
    read = yaml.safe_load(write_yaml({"value": value}))
    assert substitute(read, {}.get) == {"value": value}


@given(st.text("a&{}|\\ "))
def test_an_escaped_text_stands_for_itself(text):
    assert substitute(escape(text), {"a": "replaced"}.get) == text


async def exported(store, text, *, ids=False):
    """Apply a text, and export what came of it; the lines of what changed, and the export."""
    clock = TurnableClock()
    applied = await apply(Application(text.encode(), "f", {}.get), store, PASSWORDS, clock)
    environments = Administration(store, PASSWORDS, clock, lambda *_: None).environments
    return applied.lines, await environments.export(ADMINISTRATOR, applied.environment.id, ids=ids)


@settings(max_examples=examples(25), deadline=None)
@given(files(), st.randoms(use_true_random=False))
def test_a_file_exported_and_applied_changes_nothing_and_makes_the_same_elsewhere(content, random):
    async def run(folder):
        async with (
            open_store(new_database(Path(folder) / "one")) as one,
            open_store(new_database(Path(folder) / "two")) as two,
            open_store(new_database(Path(folder) / "three")) as three,
        ):
            if parse_value(content, "f").salvaged is not None:
                return
            _, text = await exported(one, write_yaml(content))
            assert await exported(one, text) == ((), text)
            assert parse(text.encode(), "f", {}.get).salvaged is None
            _, with_ids = await exported(one, text, ids=True)
            assert await exported(one, with_ids, ids=True) == ((), with_ids)
            # Elsewhere, from the export; and from the same content, in parts and another order.
            assert (await exported(two, text))[1] == text
            parts = [
                (kind, each)
                for kind in ("resources", "agreements", "policies", "agents", "users")
                for each in random.sample(content[kind], len(content[kind]))
            ]
            head = {name: content[name] for name in ("environment", "session_lifetime")}
            await exported(three, write_yaml(head))
            built = ""
            for kind, each in parts:
                _, built = await exported(
                    three, write_yaml({"environment": content["environment"], kind: [each]})
                )
            assert not parts or built == text

    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").exists() else None) as folder:
        for name in ("one", "two", "three"):
            (Path(folder) / name).mkdir()
        asyncio.run(run(folder))
