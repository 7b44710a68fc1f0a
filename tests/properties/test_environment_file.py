"""Any file that is accepted can be served, and applying it twice is applying it once."""

import asyncio
import json
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from deputize.authority.directory.assemble import assemble
from deputize.authority.environment_file import Application, EnvironmentFileInvalid, apply
from deputize.authority.storage import open_store, sqlite_url

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
                grants=st.lists(st.sampled_from(["client_credentials", "token_exchange", "refresh_token"]), max_size=3),
                redirect_uris=st.lists(st.sampled_from(["http://localhost:1/cb", "https://a.example.com/"]), max_size=2),
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
            st.fixed_dictionaries({"name": st.sampled_from(["alpha", "beta"]), "steps": st.just([{"login": {}}])}),
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
        async with open_store(sqlite_url(Path(folder))) as store:
            for document in documents:
                before = await store.directory_rows.load()
                try:
                    await apply_to(store, document)
                except EnvironmentFileInvalid:
                    assert await store.directory_rows.load() == before
                    continue
                assert (await apply_to(store, document)).lines == ()
                assert assemble(await store.directory_rows.load(), "http://localhost", 1000.0).problems == ()


@settings(max_examples=25, deadline=None)
@given(st.lists(FILES, min_size=1, max_size=4))
def test_accepted_files_serve_and_settle(documents):
    asyncio.run(in_sequence(documents))
