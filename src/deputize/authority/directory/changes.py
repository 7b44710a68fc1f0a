"""Changes of the directory that need more than replacing a document: new environments, secrets, keys."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from deputize.authority.directory.assemble import key_ring
from deputize.authority.directory.objects import DEFAULT_POLICY, PolicyObject
from deputize.authority.storage import (
    EnvironmentRow,
    ObjectRow,
    Put,
    Remove,
    RowChange,
    SecretRow,
    SigningKeyRow,
)
from deputize.jose import DEFAULT_ALGORITHM, KeyRing, generate_key, new_key_ring, retire, rotate
from deputize.kernel.digests import digest
from deputize.kernel.ids import new_id, new_secret


@dataclass(frozen=True, slots=True)
class IssuedSecret:
    """A new secret; afterwards only its digest is known."""

    owner: ObjectRow
    text: str


def new_environment(row: EnvironmentRow, now: float) -> list[RowChange]:
    """Create an environment with a key ring, and a policy that asks for a password (`DEFAULT_POLICY`)."""
    policy = PolicyObject.read(DEFAULT_POLICY, {"steps": [{"login": {}}]}).document()
    ring = new_key_ring(new_id(), new_id(), now)
    return [
        Put(row),
        Put(ObjectRow(new_id(), row.id, "policy", DEFAULT_POLICY, policy)),
        *_ring_rows(row.id, ring),
    ]


def rotate_keys(
    environment_id: str, rows: Sequence[SigningKeyRow], now: float, algorithm: str = DEFAULT_ALGORITHM
) -> tuple[list[RowChange], str]:
    """Let the next key sign from now on, a fresh one wait, and the current one only verify.

    Also returns the kid that signs. Raises `KeyInvalid`.
    """
    ring = rotate(key_ring(rows), now, generate_key(algorithm, new_id(), now))
    return _ring_changes(environment_id, rows, ring), ring.current.kid


def retire_key(environment_id: str, rows: Sequence[SigningKeyRow], kid: str) -> list[RowChange]:
    """Forget a retired key before its time, so that what it signed ends at once.

    Raises `KeyInvalid` for any other key.
    """
    return _ring_changes(environment_id, rows, retire(key_ring(rows), kid))


def replace_secret(
    owner: ObjectRow,
    previous: Sequence[SecretRow],
    now: float,
    text: str | None = None,
    keep_previous: float = 0.0,
) -> tuple[list[RowChange], IssuedSecret]:
    """Give a resource or agent a new secret, drawn unless `text` gives it.

    Previous ones end after `keep_previous` seconds.
    """
    issued = IssuedSecret(owner, text or new_secret())
    row = SecretRow(new_id(), owner.environment_id, owner.id, digest(issued.text), now)
    end = now + keep_previous
    ending = [
        Put(replace(each, expires_at=end))
        for each in previous
        if each.expires_at is None or each.expires_at > end
    ]
    return [*ending, Put(row)], issued


def _ring_changes(environment_id: str, rows: Sequence[SigningKeyRow], ring: KeyRing) -> list[RowChange]:
    kept = {key.kid for key in ring.keys}
    return [*(Remove(row) for row in rows if row.kid not in kept), *_ring_rows(environment_id, ring)]


def _ring_rows(environment_id: str, ring: KeyRing) -> list[RowChange]:
    return [
        Put(SigningKeyRow(environment_id, key.kid, position, key.to_json()))
        for position, key in enumerate(ring.keys)
    ]
