"""Any file that is accepted can be served, applying it twice is applying it once, and it changes what it
names and nothing else.
"""

import asyncio
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deputize.authority.directory.assemble import assemble
from deputize.authority.environment_file import Application, EnvironmentFileInvalid, apply
from deputize.authority.environment_file.problems import Places, Problems
from deputize.authority.storage import open_store
from support.databases import new_database
from support.examples import examples

NAMES = st.sampled_from(["alpha", "beta", "Gamma Delta", "é", "0"])
SCOPES = st.lists(st.sampled_from(["read", "write", "a:b"]), max_size=3, unique=True)
ATTRIBUTES = st.sampled_from(
    [
        {"name": "sub", "mapping": "Username"},
        {"name": "act", "expression": "#root.context.requestData.subjectToken.may_act"},
        {"name": "tenant", "value": "acme", "required": True},
        {"name": "tier", "expression": "user.tier ?: 'none'"},
    ]
)


def named(**members):
    return st.fixed_dictionaries({"name": NAMES}, optional=members)


def listed(entry):
    return st.lists(entry, max_size=3, unique_by=lambda each: each["name"])


FILES = st.fixed_dictionaries(
    {"environment": NAMES},
    optional={
        "resources": listed(
            named(
                scopes=SCOPES.map(lambda scopes: [{"name": scope} for scope in scopes]),
                attributes=st.lists(ATTRIBUTES, max_size=3, unique_by=lambda each: each["name"]),
                token_lifetime=st.sampled_from(["1 hour", 60, "2 days"]),
                delegation_required=st.booleans(),
            )
        ),
        "agents": listed(
            named(
                enabled=st.booleans(),
                scopes=st.dictionaries(NAMES, SCOPES, max_size=2),
                grants=st.lists(
                    st.sampled_from(["client_credentials", "token_exchange", "refresh_token"]), max_size=3
                ),
                redirect_uris=st.lists(
                    st.sampled_from(["http://localhost:1/cb", "https://a.example.com/"]), max_size=2
                ),
                policies=st.lists(NAMES, max_size=2),
            )
        ),
        "agreements": listed(
            named(
                enabled=st.booleans(),
                reconsent_every=st.sampled_from(["never", "180 days", "1 minute"]),
                languages=st.just([{"locale": "en", "title": "T", "text": "t"}]),
            )
        ),
        "policies": listed(
            st.fixed_dictionaries(
                {"name": st.sampled_from(["alpha", "beta"]), "steps": st.just([{"login": {}}])}
            ),
        ),
        "prune": st.booleans(),
    },
)


class Clock:
    def now(self) -> float:
        return 1000.0


async def apply_to(store, document):
    application = Application(json.dumps(document).encode(), "f", {}.get)
    return await apply(application, store, None, Clock())


async def in_sequence(documents) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with open_store(new_database(Path(folder))) as store:
            for document in documents:
                before = await store.directory_rows.load()
                try:
                    await apply_to(store, document)
                except EnvironmentFileInvalid:
                    assert await store.directory_rows.load() == before
                    continue
                assert (await apply_to(store, document)).lines == ()
                assert assemble(await store.directory_rows.load(), "http://localhost", 1000.0).problems == ()


@settings(max_examples=examples(25), deadline=None)
@given(st.lists(FILES, min_size=1, max_size=4))
def test_accepted_files_serve_and_settle(documents):
    asyncio.run(in_sequence(documents))


KINDS = {"resource": "resources", "agreement": "agreements", "policy": "policies", "agent": "agents"}


async def changes_only_what_it_names(first, second) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with open_store(new_database(Path(folder))) as store:
            try:
                await apply_to(store, first)
                before = await store.directory_rows.load()
                await apply_to(store, {**second, "environment": first["environment"], "prune": False})
            except EnvironmentFileInvalid:
                return
            after = {row.id: row for row in (await store.directory_rows.load()).objects}
            for row in before.objects:
                entries = second.get(KINDS[row.kind], [])
                entry = next((each for each in entries if each["name"] == row.name), {})
                now = after[row.id].document
                assert {
                    name for name in now | row.document if row.document.get(name) != now.get(name)
                } <= set(entry)
                expected = {
                    name: value for name, value in entry.items() if name in {"enabled", "delegation_required"}
                }
                assert expected.items() <= after[row.id].document.items()


@settings(max_examples=examples(40), deadline=None)
@given(FILES, FILES)
def test_an_entry_changes_the_members_it_names_and_no_others(first, second):
    asyncio.run(changes_only_what_it_names(first, second))


@given(
    st.text() | st.text("'\"\\\n\u00e9a"),
    st.integers(0, 8),
    st.sampled_from([8, 64, 128, None]),
    st.sampled_from([repr, ascii]),
)
@example('it\'s "hunter2"', 5, None, ascii)
@example("\\'", 0, None, repr)
def test_no_part_of_what_a_token_stands_for_is_told(text, start, end, quote):
    problems = Problems(Places("test.yaml", {"/a": (1, 1)}, {}, {"/a": text}))
    quoted = quote(text[start:end])
    problems.add("/a", f"there is no policy {quoted}", f"look after {quoted} again")
    problems.add("/b", f"there is no policy {quoted}")
    with pytest.raises(EnvironmentFileInvalid) as raised:
        problems.raise_if_any()
    hidden = [error for error in raised.value.errors if error.position.pointer == "/a"]
    assert [(error.reason, error.fix) for error in hidden] == [
        ("there is no policy '…'", "look after '…' again")
    ]
    assert any(quoted in error.reason for error in raised.value.errors)
