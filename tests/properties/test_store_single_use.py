"""Whatever the order in which callers reach the store, single-use things are used once and revoked things
stay dead.
"""

import asyncio
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from deputize.authority.storage import EnvironmentRow, Put, open_store
from deputize.oauth.records.store import User
from support.databases import new_database
from support.examples import examples
from support.store_records import CODE, ENVIRONMENT, GRANT, SESSION, TOKEN, next_generation


class RefreshTokens(RuleBasedStateMachine):
    """One grant against a model that keeps all generations of its refresh token in a list."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.opening = open_store(new_database(Path(self.folder.name)))
        self.store = self.run(self.opening.__aenter__())
        user = User(GRANT.authentication.user_id, ENVIRONMENT, "demouser", "")
        self.run(
            self.store.directory_rows.change([Put(EnvironmentRow(ENVIRONMENT, "Test", {})), Put(user)], 0)
        )
        self.run(self.store.sessions.add_session(SESSION))
        self.run(self.store.codes.add_code(CODE, GRANT))
        self.tokens = []
        self.ended = False

    def run(self, work):
        return self.runner.run(work)

    def teardown(self) -> None:
        self.run(self.opening.__aexit__(None, None, None))
        self.runner.close()
        self.folder.cleanup()

    @rule(tries=st.integers(1, 4))
    def redeem(self, tries) -> None:
        async def all_at_once():
            return await asyncio.gather(
                *(self.store.codes.redeem_code(CODE.digest, 1000.0, TOKEN) for _ in range(tries))
            )

        assert sum(self.run(all_at_once())) == (0 if self.tokens else 1)
        self.tokens = self.tokens or [TOKEN]

    @precondition(lambda self: self.tokens)
    @rule(behind=st.integers(0, 2))
    def rotate(self, behind) -> None:
        parent = self.tokens[max(0, len(self.tokens) - 1 - behind)]
        successor = next_generation(parent, f"g{parent.generation + 1}")
        rotated = self.run(self.store.refresh_tokens.rotate_refresh_token(successor))
        assert rotated == (parent is self.tokens[-1] and not self.ended)
        if rotated:
            self.tokens.append(successor)

    @precondition(lambda self: self.tokens)
    @rule()
    def end(self) -> None:
        self.run(self.store.grants.end_grant(GRANT.id, 2000.0))
        self.ended = True

    @invariant()
    def every_generation_is_found_where_it_belongs(self) -> None:
        find, spent = self.store.refresh_tokens.find_refresh_token, self.store.refresh_tokens.find_spent_grant
        live = {token.digest for token in self.tokens[-2:]}
        for token in self.tokens:
            assert (self.run(find(token.digest)) is not None) == (token.digest in live)
            assert (self.run(spent(token.digest)) is not None) == (token.digest not in live)

    @invariant()
    def an_ended_grant_stays_ended(self) -> None:
        grant = self.run(self.store.token_states.read_token_state(ENVIRONMENT, GRANT.id, ())).grant
        assert grant.ended_at == (2000.0 if self.ended else None)


def test_refresh_tokens_behave_like_their_model():
    run_state_machine_as_test(
        RefreshTokens, settings=settings(max_examples=examples(8), stateful_step_count=12, deadline=None)
    )
