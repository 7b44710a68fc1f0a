"""A remembered state of a token is never another than a read would give, whoever commits whatever between."""

import asyncio
import contextlib
import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from deputize.authority.storage import EnvironmentRow, Put, open_store
from deputize.authority.storage.grants import SqlTokenStates
from deputize.oauth.records.store import User
from support.databases import new_database
from support.examples import examples
from support.store_records import AGENT, CODE, CONSENT, ENVIRONMENT, GRANT, SESSION, USER_ID

USER = User(USER_ID, ENVIRONMENT, "demouser", "")
OTHER = replace(GRANT, id="99999999-9999-4999-8999-999999999999")
OTHER_CODE = replace(CODE, digest="1" * 64, grant_id=OTHER.id)
JTIS = ("one", f"{GRANT.id}.two", "three")
WRITES = {
    "nothing": lambda store: asyncio.sleep(0),
    "end the grant": lambda store: store.grants.end_grant(GRANT.id, 1001.0),
    "end the session": lambda store: store.sessions.end_session(SESSION.id, 1001.0),
    "touch the session": lambda store: store.sessions.touch_session(SESSION.id, 1002.0),
    "withdraw": lambda store: store.consents.withdraw_consents(ENVIRONMENT, USER_ID, AGENT, 1001.0),
    "consent": lambda store: store.consents.record_consent(CONSENT, None),
    "revoke one": lambda store: store.revocations.revoke_token(JTIS[0], 5000.0),
    "revoke two": lambda store: store.revocations.revoke_token(JTIS[1], 5000.0),
    "add a grant": lambda store: store.codes.add_code(OTHER_CODE, OTHER),
    "change the user": lambda store: store.users.put_user(replace(USER, enabled=False)),
    "remove the user": lambda store: store.users.remove_user(ENVIRONMENT, USER_ID),
    "purge": lambda store: store.purge(7000.0),
}
grant_ids = st.sampled_from([GRANT.id, OTHER.id, None])
questions = st.tuples(grant_ids, st.lists(st.sampled_from(JTIS), max_size=3, unique=True).map(tuple))
steps = st.tuples(st.sampled_from(sorted(WRITES)), st.booleans(), st.lists(questions, max_size=4))


@settings(max_examples=examples(100), deadline=None)
@given(st.lists(steps, max_size=12), st.sampled_from([1, 2, 4096]))
def test_remembered_states_are_what_a_read_gives(history, capacity) -> None:
    asyncio.run(compare(history, capacity))


async def compare(history, capacity: int) -> None:
    """Do the steps, each by this process's store or by another's, and compare all answers after each."""
    with tempfile.TemporaryDirectory() as folder:
        url = new_database(Path(folder))
        async with open_store(url) as store, open_store(url) as others:
            rows = store.directory_rows
            await rows.change([Put(EnvironmentRow(ENVIRONMENT, "Test", {})), Put(USER)], 0)
            await store.sessions.add_session(SESSION)
            await store.codes.add_code(CODE, GRANT)
            remembering = SqlTokenStates(store.database, capacity)
            for write, by_another, asked in history:
                # What is gone cannot be written to; that changes nothing, which has to show as well.
                with contextlib.suppress(Exception):
                    await WRITES[write](others if by_another else store)
                for grant_id, jtis in asked:
                    anew = await SqlTokenStates(store.database).read_token_state(ENVIRONMENT, grant_id, jtis)
                    assert await remembering.read_token_state(ENVIRONMENT, grant_id, jtis) == anew


async def test_a_state_is_read_once_until_somebody_commits(tmp_path) -> None:
    url = new_database(tmp_path)
    async with open_store(url) as store, open_store(url) as others:
        first = await store.token_states.read_token_state(ENVIRONMENT, None, JTIS)
        assert await store.token_states.read_token_state(ENVIRONMENT, None, JTIS) is first
        await others.revocations.revoke_token(JTIS[0], 5000.0)
        assert (await store.token_states.read_token_state(ENVIRONMENT, None, JTIS)).revoked == {JTIS[0]}
