import asyncio
import threading

import pytest

from deputize.authority.directory.assemble import key_ring
from deputize.authority.directory.changes import (
    add_missing_keys,
    complete_signing_keys,
    end_previous_secrets,
    new_environment,
    replace_secret,
    rotate_keys,
)
from deputize.authority.storage import (
    EnvironmentRow,
    ObjectRow,
    Put,
    Remove,
    SecretRow,
    SigningKeyRow,
    open_store,
)
from deputize.jose import KeyRing, generate_key, new_key_ring
from deputize.jose import key_ring as key_rings
from deputize.kernel.digests import digest, matches
from support.databases import new_database

OWNER = ObjectRow("a1", "e1", "agent", "Agent", {})
DAY = 86400.0


def key_rows(changes) -> list[SigningKeyRow]:
    return [
        change.row for change in changes if isinstance(change, Put) and isinstance(change.row, SigningKeyRow)
    ]


def stored(ring) -> list[SigningKeyRow]:
    return [SigningKeyRow("e1", key.kid, place, key.to_json()) for place, key in enumerate(ring.keys)]


def states(rows) -> list[tuple[str, str]]:
    return [(key.state, key.algorithm) for key in key_ring(rows).keys]


def test_a_new_environment_has_a_policy_that_asks_for_a_password():
    [_, change] = new_environment(EnvironmentRow("e1", "Test", {}))
    assert (change.row.name, change.row.document) == ("Single_Factor", {"steps": [{"login": {}}]})


def test_an_environment_gets_the_keys_that_it_lacks_and_those_that_it_names():
    named = ObjectRow("r1", "e1", "resource", "R", {"access_token_signed_response_alg": "EdDSA"})
    elsewhere = ObjectRow("a2", "e2", "agent", "A", {"id_token_signed_response_alg": "Ed25519"})
    rows = key_rows(add_missing_keys("e1", (), (named, elsewhere), 1000.0))
    assert states(rows) == [
        (state, alg) for state in ("current", "next") for alg in ("ES256", "RS256", "EdDSA")
    ]
    assert not add_missing_keys("e1", rows, (named, elsewhere), 2000.0)


def test_an_earlier_versions_keys_stay_and_one_that_waited_to_change_the_algorithm_signs():
    before = new_key_ring("a", "b", 1.0)
    waiting = new_key_ring("x", "c", 1.0, "RS256").keys[1]
    rows = stored(KeyRing((before.current["ES256"], waiting)))
    ring = key_ring(key_rows(add_missing_keys("e1", rows, (), 1000.0)))
    assert (ring.signing_key("ES256").kid, ring.signing_key("RS256").kid) == ("a", "c")
    assert states(key_rows(add_missing_keys("e1", rows, (), 1000.0))) == [
        ("current", "ES256"),
        ("current", "RS256"),
        ("next", "ES256"),
        ("next", "RS256"),
    ]


def test_keys_that_cannot_be_read_are_left_as_they_are():
    assert add_missing_keys("e1", [SigningKeyRow("e1", "k", 0, {"kid": "k"})], (), 1000.0) == []


async def test_servers_that_start_at_once_make_missing_keys_once(tmp_path):
    async with open_store(new_database(tmp_path)) as store:
        rows = store.directory_rows
        old = [Put(row) for row in stored(new_key_ring("a", "b", 1.0))]
        await rows.change([*new_environment(EnvironmentRow("e1", "Test", {})), *old], 0)
        await asyncio.gather(complete_signing_keys(rows, 5.0), complete_signing_keys(rows, 5.0))
        loaded = await rows.load()
    assert states(loaded.signing_keys) == [
        (state, alg) for state in ("current", "next") for alg in ("ES256", "RS256")
    ]
    assert key_ring(loaded.signing_keys).signing_key("ES256").kid == "a"
    assert loaded.version == 2


async def test_keys_are_made_beside_the_event_loop(tmp_path, monkeypatch):
    made_in = []

    def generate(*arguments):
        made_in.append(threading.get_ident())
        return generate_key(*arguments)

    monkeypatch.setattr(key_rings, "generate_key", generate)
    async with open_store(new_database(tmp_path)) as store:
        await store.directory_rows.change(new_environment(EnvironmentRow("e1", "Test", {})), 0)
        await complete_signing_keys(store.directory_rows, 5.0)
    assert len(made_in) == 4
    assert threading.get_ident() not in made_in


def test_rotation_signs_with_the_keys_that_waited():
    rows = key_rows(add_missing_keys("e1", (), (), 1000.0))
    before = key_ring(rows)
    changes, ring = rotate_keys("e1", rows, 2000.0)
    after = key_ring(key_rows(changes))
    assert ring == after
    for algorithm in ("ES256", "RS256"):
        waited = next(key for key in before.keys if (key.state, key.algorithm) == ("next", algorithm))
        assert after.signing_key(algorithm).kid == waited.kid
        assert after.find(before.signing_key(algorithm).kid).state == "retired"
    assert not [change for change in changes if isinstance(change, Remove)]


def test_rotation_of_one_algorithm_leaves_the_others_keys():
    rows = key_rows(add_missing_keys("e1", (), (), 1000.0))
    before, (_, after) = key_ring(rows), rotate_keys("e1", rows, 2000.0, ["ES256"])
    assert after.signing_key("ES256") != before.signing_key("ES256")
    assert [key for key in after.keys if key.algorithm == "RS256"] == [
        key for key in before.keys if key.algorithm == "RS256"
    ]


def test_keys_that_verify_nothing_alive_are_removed():
    rows = stored(new_key_ring("first", "b", 0.0))
    for now in (DAY, 40 * DAY):
        changes, _ = rotate_keys("e1", rows, now)
        removed = [change.row.kid for change in changes if isinstance(change, Remove)]
        rows = key_rows(changes)
    assert removed == ["first"]
    assert len(rows) == 3


def test_an_algorithm_without_keys_gets_a_pair():
    rows = stored(new_key_ring("a", "b", 0.0))
    changes, _ = rotate_keys("e1", rows, 1.0, ["EdDSA"])
    assert states(key_rows(changes)) == [
        (state, alg) for state in ("current", "next") for alg in ("ES256", "EdDSA")
    ]


def test_a_new_secret_is_drawn_or_given_and_stored_as_its_digest():
    changes, issued = replace_secret(OWNER, (), 1000.0)
    assert len(issued.text) == 64
    assert [matches(issued.text, change.row.digest) for change in changes] == [True]
    _, given = replace_secret(OWNER, (), 1000.0, "x" * 32)
    assert given.text == "x" * 32


@pytest.mark.parametrize("now", [1000.0, 999.0])
def test_a_new_secret_is_the_newest_even_where_the_clock_stands_or_goes_back(now):
    _, first = replace_secret(OWNER, (), 1000.0)
    row = SecretRow("z", "e1", "a1", digest(first.text), 1000.0)
    changes, issued = replace_secret(OWNER, (row,), now, keep_previous=60.0)
    newest, previous = sorted((change.row for change in changes), key=lambda each: each.age, reverse=True)
    assert (previous.id, matches(issued.text, newest.digest)) == ("z", True)
    assert [change.row.id for change in end_previous_secrets((newest, previous), now)] == ["z"]


def test_of_secrets_of_one_instant_the_one_that_was_not_replaced_is_the_newest():
    replaced = SecretRow("z", "e1", "a1", "", 1000.0, 1060.0)
    assert max(replaced, SecretRow("a", "e1", "a1", "", 1000.0), key=lambda each: each.age).id == "a"


def test_previous_secrets_end_when_told_and_never_live_longer():
    soon, later, forever = (
        SecretRow(str(end), "e1", "a1", digest(str(end)), 0.0, end) for end in (1010.0, 2000.0, None)
    )
    changes, _ = replace_secret(OWNER, (soon, later, forever), 1000.0, keep_previous=60.0)
    assert [(change.row.id, change.row.expires_at) for change in changes[:-1]] == [
        ("2000.0", 1060.0),
        ("None", 1060.0),
    ]
    at_once, _ = replace_secret(OWNER, (soon, forever), 1000.0)
    assert {change.row.expires_at for change in at_once[:-1]} == {1000.0}
