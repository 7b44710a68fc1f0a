"""Whatever the order in which callers reach the store, single-use things are used once and revoked things stay dead."""

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from deputize.authority.storage import open_store, sqlite_url
from deputize.oauth.ports import IssuedToken
from support.store_records import CODE, ENVIRONMENT, TOKEN, next_generation


class Families(RuleBasedStateMachine):
    """One family against a model that keeps all its generations in a list."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.opening = open_store(sqlite_url(Path(self.folder.name)))
        self.store = self.run(self.opening.__aenter__())
        self.run(self.store.codes.add_code(CODE))
        self.tokens = []
        self.issued: list[str] = []
        self.revoked = False

    def run(self, work):
        return self.runner.run(work)

    def teardown(self) -> None:
        self.run(self.opening.__aexit__(None, None, None))
        self.runner.close()
        self.folder.cleanup()

    def fresh(self) -> IssuedToken:
        return IssuedToken(f"t{len(self.issued)}-{len(self.tokens)}-{self.revoked}", 4600)

    @rule(tries=st.integers(1, 4))
    def redeem(self, tries) -> None:
        issued = self.fresh()

        async def all_at_once():
            each = (
                self.store.codes.redeem_code(CODE.digest, 1000.0, replace(issued, jti=f"{issued.jti}-{n}"), TOKEN) for n in range(tries)
            )
            return await asyncio.gather(*each)

        outcomes = self.run(all_at_once())
        assert sum(outcomes) == (0 if self.tokens else 1)
        if not self.tokens:
            self.tokens.append(TOKEN)
            self.issued.append(f"{issued.jti}-{outcomes.index(True)}")

    @precondition(lambda self: self.tokens)
    @rule(behind=st.integers(0, 2))
    def rotate(self, behind) -> None:
        parent = self.tokens[max(0, len(self.tokens) - 1 - behind)]
        successor, issued = next_generation(parent, f"g{parent.generation + 1}"), self.fresh()
        rotated = self.run(self.store.refresh_tokens.rotate_refresh_token(successor, issued))
        assert rotated == (parent is self.tokens[-1] and not self.revoked)
        if rotated:
            self.tokens.append(successor)
            self.issued.append(issued.jti)

    @precondition(lambda self: self.tokens)
    @rule()
    def issue_again(self) -> None:
        issued = replace(self.fresh(), jti=f"again-{len(self.issued)}")
        assert self.run(self.store.refresh_tokens.record_issued(TOKEN.family_id, issued)) == (not self.revoked)
        if not self.revoked:
            self.issued.append(issued.jti)

    @precondition(lambda self: self.tokens)
    @rule()
    def revoke(self) -> None:
        self.run(self.store.refresh_tokens.revoke_family(TOKEN.family_id, 2000.0))
        self.revoked = True

    @invariant()
    def every_generation_is_found_where_it_belongs(self) -> None:
        find, replayed = self.store.refresh_tokens.find_refresh_token, self.store.refresh_tokens.find_replayed_family
        live = {token.digest for token in self.tokens[-2:]}
        for token in self.tokens:
            assert (self.run(find(token.digest)) is not None) == (token.digest in live)
            assert (self.run(replayed(token.digest)) is not None) == (token.digest not in live)

    @invariant()
    def a_revoked_family_has_no_token_alive(self) -> None:
        standing = self.run(self.store.standings.standing(ENVIRONMENT, None, None, (), self.issued))
        assert standing.revoked == (frozenset(self.issued) if self.revoked else frozenset())


def test_families_behave_like_their_model():
    run_state_machine_as_test(Families, settings=settings(max_examples=8, stateful_step_count=12, deadline=None))
