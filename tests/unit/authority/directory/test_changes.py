from deputize.authority.directory.assemble import key_ring
from deputize.authority.directory.changes import new_environment, replace_secret, rotate_keys
from deputize.authority.storage import EnvironmentRow, ObjectRow, Put, Remove, SecretRow, SigningKeyRow
from deputize.kernel.digests import digest, matches

OWNER = ObjectRow("a1", "e1", "agent", "Agent", {})
DAY = 86400.0


def key_rows(changes) -> list[SigningKeyRow]:
    return [
        change.row for change in changes if isinstance(change, Put) and isinstance(change.row, SigningKeyRow)
    ]


def test_a_new_environment_has_keys_and_a_policy_that_asks_for_a_password():
    changes = new_environment(EnvironmentRow("e1", "Test", {}), 1000.0)
    ring = key_ring(key_rows(changes))
    assert [key.state for key in ring.keys] == ["current", "next"]
    policy = next(change.row for change in changes if isinstance(change.row, ObjectRow))
    assert (policy.name, policy.document) == (
        "Single_Factor",
        {"steps": [{"login": {}}]},
    )


def test_rotation_signs_with_the_key_that_waited():
    rows = key_rows(new_environment(EnvironmentRow("e1", "Test", {}), 1000.0))
    before = key_ring(rows)
    changes, kid = rotate_keys("e1", rows, 2000.0)
    after = key_ring(key_rows(changes))
    assert kid == after.current.kid == before.keys[1].kid
    assert after.find(before.current.kid).state == "retired"
    assert not [change for change in changes if isinstance(change, Remove)]


def test_keys_that_verify_nothing_alive_are_removed():
    rows = key_rows(new_environment(EnvironmentRow("e1", "Test", {}), 0.0))
    first = key_ring(rows).current.kid
    for now in (DAY, 40 * DAY):
        changes, _ = rotate_keys("e1", rows, now)
        removed = [change.row.kid for change in changes if isinstance(change, Remove)]
        rows = key_rows(changes)
    assert removed == [first]
    assert len(rows) == 3


def test_another_algorithm_waits_its_turn():
    rows = key_rows(new_environment(EnvironmentRow("e1", "Test", {}), 0.0))
    changes, _ = rotate_keys("e1", rows, 1.0, "Ed25519")
    assert [(key.state, key.algorithm) for key in key_ring(key_rows(changes)).keys][:2] == [
        ("current", "ES256"),
        ("next", "Ed25519"),
    ]


def test_a_new_secret_is_drawn_or_given_and_stored_as_its_digest():
    changes, issued = replace_secret(OWNER, (), 1000.0)
    assert len(issued.text) == 64
    assert [matches(issued.text, change.row.digest) for change in changes] == [True]
    _, given = replace_secret(OWNER, (), 1000.0, "x" * 32)
    assert given.text == "x" * 32


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
