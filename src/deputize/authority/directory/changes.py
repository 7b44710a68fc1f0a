"""Changes of the directory that need more than replacing a document: new environments, secrets, keys."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import inf, nextafter

from deputize.authority.directory.assemble import key_ring
from deputize.authority.directory.objects import DEFAULT_POLICY, PolicyObject
from deputize.authority.storage import (
    DirectoryConflict,
    DirectoryRows,
    EnvironmentRow,
    ObjectRow,
    Put,
    Remove,
    RowChange,
    SecretRow,
    SigningKeyRow,
    SqlDirectoryRows,
)
from deputize.jose import (
    ALGORITHMS,
    ALWAYS_HELD,
    KeyInvalid,
    KeyRing,
    SigningKey,
    complete_keys,
    generate_key,
    retire,
    rotate,
)
from deputize.kernel.digests import digest
from deputize.kernel.ids import new_id, new_secret


@dataclass(frozen=True, slots=True)
class IssuedSecret:
    """A new secret; afterwards only its digest is known."""

    owner: ObjectRow
    text: str


def new_environment(row: EnvironmentRow, now: float | None = None) -> list[RowChange]:
    """Create an environment with a policy that asks for a password (`DEFAULT_POLICY`), without keys."""
    document = PolicyObject.read(DEFAULT_POLICY, {"steps": [{"login": {}}]}).document()
    policy = ObjectRow(new_id(), row.id, "policy", DEFAULT_POLICY, document, created_at=now, changed_at=now)
    return [Put(row), Put(policy)]


def add_missing_keys(
    environment_id: str, rows: Sequence[SigningKeyRow], objects: Iterable[ObjectRow], now: float
) -> list[RowChange]:
    """Make the signing keys that an environment with these objects needs and has not got.

    That is a pair for each algorithm that something of it is signed with, and for ES256 and RS256 always.
    Takes 0.1 s for an RSA key: not for the event loop. Keys that cannot be read are left as they are, for
    nobody knows what they signed.
    """
    named = [
        value
        for each in objects
        if each.environment_id == environment_id
        for name, value in each.document.items()
        if name.endswith("_signed_response_alg")
    ]
    needed = [each for each in ALGORITHMS if each in (*ALWAYS_HELD, *named)]
    try:
        keys = [SigningKey.from_json(row.document) for row in sorted(rows, key=lambda row: row.position)]
        ring = complete_keys(keys, needed, now, new_id)
    except KeyInvalid:
        return []
    return [] if ring.keys == tuple(keys) else _ring_rows(environment_id, ring)


async def complete_signing_keys(directory_rows: SqlDirectoryRows, now: float) -> None:
    """Give environments that an earlier version made the keys they lack.

    Servers that start at once do it once: who comes second finds them.
    """

    def find_missing(rows: DirectoryRows) -> list[RowChange]:
        return [
            change
            for environment in rows.environments
            for change in add_missing_keys(
                environment.id,
                [row for row in rows.signing_keys if row.environment_id == environment.id],
                rows.objects,
                now,
            )
        ]

    while True:
        rows = await directory_rows.load()
        changes = await asyncio.to_thread(find_missing, rows)
        try:
            if changes:
                await directory_rows.change(changes, rows.version)
        except DirectoryConflict:
            continue
        return


def rotate_keys(
    environment_id: str, rows: Sequence[SigningKeyRow], now: float, algorithms: Sequence[str] = ()
) -> tuple[list[RowChange], KeyRing]:
    """Let the next key of each algorithm sign from now on, a fresh one wait, the current one only verify.

    `algorithms` are by default all that the environment signs with; of one that it does not, keys are made.
    Also returns the ring as it will be. Raises `KeyInvalid`.
    """
    ring = key_ring(rows)
    rotated = algorithms or ring.algorithms
    for algorithm in rotated:
        ring = rotate(ring, now, generate_key(algorithm, new_id(), now))
    ring = complete_keys(ring.keys, rotated, now, new_id)
    return _ring_changes(environment_id, rows, ring), ring


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

    Previous ones end after `keep_previous` seconds. It is the newest, whatever the clock did since they were
    drawn: which of them `end_previous_secrets` leaves is no accident.
    """
    issued = IssuedSecret(owner, text or new_secret())
    created_at = max([now, *(nextafter(each.created_at, inf) for each in previous)])
    row = SecretRow(new_id(), owner.environment_id, owner.id, digest(issued.text), created_at)
    return [*_end_secrets(previous, now + keep_previous), Put(row)], issued


def end_previous_secrets(valid: Sequence[SecretRow], now: float) -> list[RowChange]:
    """End all valid secrets of a resource or agent but the newest, which is the first."""
    return _end_secrets(valid[1:], now)


def _end_secrets(secrets: Sequence[SecretRow], end: float) -> list[RowChange]:
    return [
        Put(replace(each, expires_at=end))
        for each in secrets
        if each.expires_at is None or each.expires_at > end
    ]


def _ring_changes(environment_id: str, rows: Sequence[SigningKeyRow], ring: KeyRing) -> list[RowChange]:
    kept = {key.kid for key in ring.keys}
    return [*(Remove(row) for row in rows if row.kid not in kept), *_ring_rows(environment_id, ring)]


def _ring_rows(environment_id: str, ring: KeyRing) -> list[RowChange]:
    return [
        Put(SigningKeyRow(environment_id, key.kid, position, key.to_json()))
        for position, key in enumerate(ring.keys)
    ]
