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
from deputize.authority.storage import open_store, sqlite_url
from deputize.expressions import escape, substitute
from support.authority import TurnableClock

ADMINISTRATOR = Operator("command", "", "", frozenset({"administrator"}))
PASSWORDS = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1), threads=1)
TEXTS = st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\ufffe\uffff"))
LINES = st.lists(TEXTS, min_size=1, max_size=4).map("\n".join)
TRICKY = st.sampled_from(
    [
        "yes",
        "null",
        "~",
        "1",
        "-1.5",
        "09",
        "1e5",
        "a: b",
        "a #b",
        "- a",
        "&{x}",
        "\\\\&{x",
        " a",
        "a ",
        "|",
        "a\n\n",
        "\n",
        "\ta",
        "a\tb\nc",
        "a\n b",
        " a\nb",
        "&{a|&{b}}",
        "\x85",
        "\u2028",
        "\ufeff",
        "2026-01-01",
        "=",
        "!a",
        "*a",
    ]
)
WORDS = st.one_of(TRICKY, TEXTS, LINES)
NUMBERS = st.one_of(
    st.integers(-(10**15) + 1, 10**15 - 1),
    st.floats(-1e14, 1e14, allow_nan=False),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, WORDS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(TRICKY, TEXTS), inner, max_size=3)
    ),
    max_leaves=8,
)
NAMES = st.text("abcdefghijklm \u00e4:#'\"&{}\\", min_size=1, max_size=8)


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


def entries(name, **members):
    unique = st.lists(
        st.fixed_dictionaries({name: NAMES}, optional=members), max_size=3, unique_by=lambda each: each[name]
    )
    return unique.map(list)


@st.composite
def files(draw):
    resources = draw(
        entries(
            "name",
            description=WORDS.filter(lambda text: len(text) < 2000),
            token_lifetime=st.integers(60, 9999),
            impersonation_allowed=st.booleans(),
            scopes=st.lists(st.sampled_from(["a", "b", "c"]), unique=True).map(
                lambda names: [{"name": name, "consent": "on_use"} for name in names]
            ),
        )
    )
    for at, each in enumerate(resources):
        each["audience"] = f"https://{at}.example.com/"
    languages = [{"locale": "en", "title": "T", "text": draw(WORDS.filter(bool))}]
    agreements = [
        {**each, "languages": languages} for each in draw(entries("name", description=st.just("d")))
    ]
    policies = [
        {"name": f"P{at}", "steps": [{"login": {}}, {"agreement_prompt": {"agreement": each["name"]}}]}
        for at, each in enumerate(agreements)
    ]
    granted = {each["name"]: [scope["name"] for scope in each.get("scopes", [])] for each in resources}
    agents = draw(
        entries(
            "name",
            owner=WORDS.filter(lambda text: len(text) < 2000),
            enabled=st.booleans(),
            expires_at=st.sampled_from(["2030-01-01T00:00:00Z", "2030-01-01T00:00:00.125+02:00"]),
            grants=st.permutations(["refresh_token", "token_exchange"]),
            redirect_uris=st.just(["https://app.example.com/"]),
            scopes=st.just(granted),
            policies=st.just([each["name"] for each in policies]),
        )
    )
    users = [
        {"username": f"user{at}", **each}
        for at, each in enumerate(
            draw(
                st.lists(
                    st.fixed_dictionaries(
                        {},
                        optional={
                            "enabled": st.booleans(),
                            "given_name": NAMES,
                            "attributes": st.dictionaries(TEXTS, VALUES, max_size=2),
                        },
                    ),
                    max_size=2,
                )
            )
        )
    ]
    return {
        "environment": draw(NAMES),
        "session_lifetime": draw(st.integers(60, 9999)),
        "resources": resources,
        "agreements": agreements,
        "policies": policies,
        "agents": agents,
        "users": users,
    }


async def exported(store, text, *, ids=False):
    """Apply a text, and export what came of it; the lines of what changed, and the export."""
    clock = TurnableClock()
    applied = await apply(Application(text.encode(), "f", {}.get), store, PASSWORDS, clock)
    environments = Administration(store, PASSWORDS, clock, lambda *_: None).environments
    return applied.lines, await environments.export(ADMINISTRATOR, applied.environment.id, ids=ids)


@settings(max_examples=25, deadline=None)
@given(files(), st.randoms(use_true_random=False))
def test_a_file_exported_and_applied_changes_nothing_and_makes_the_same_elsewhere(content, random):
    async def run(folder):
        async with (
            open_store(sqlite_url(Path(folder) / "one")) as one,
            open_store(sqlite_url(Path(folder) / "two")) as two,
            open_store(sqlite_url(Path(folder) / "three")) as three,
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
