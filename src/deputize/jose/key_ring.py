"""The keys of one environment: one signs, one waits its turn, retired ones still verify what they signed."""

from dataclasses import dataclass, field, replace

from deputize.jose.keys import DEFAULT_ALGORITHM, KeyInvalid, SigningKey, generate_key
from deputize.kernel.values import JsonObject

MAX_TOKEN_LIFETIME = 30 * 86400.0
"""Seconds: the longest that a resource may let its tokens live. A key retired longer ago verifies nothing
alive.
"""


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Keys, of which exactly one is `current`; the next is published before it signs, so caches know it."""

    keys: tuple[SigningKey, ...]
    by_kid: dict[str, SigningKey] = field(init=False, repr=False, compare=False)
    current: SigningKey = field(init=False, repr=False, compare=False)
    """The key that signs."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_kid", {key.kid: key for key in self.keys})
        current = [key for key in self.keys if key.state == "current"]
        if len(current) != 1 or len(self.by_kid) != len(self.keys):
            raise KeyInvalid("a key ring has exactly one current key, and every kid once")
        object.__setattr__(self, "current", current[0])

    @property
    def algorithms(self) -> tuple[str, ...]:
        """The algorithms its keys are named for, the signing one first."""
        return tuple(dict.fromkeys([self.current.algorithm, *(key.algorithm for key in self.keys)]))

    def find(self, kid: str) -> SigningKey | None:
        """The key called `kid`, whatever its state."""
        return self.by_kid.get(kid)

    def public_jwks(self) -> JsonObject:
        """The JWK set to publish: current, next and retired keys (RFC 7517 section 5)."""
        return {"keys": [key.public_jwk for key in self.keys]}


def new_key_ring(kid: str, next_kid: str, now: float, algorithm: str = DEFAULT_ALGORITHM) -> KeyRing:
    """A ring for a new environment: a current and a next key."""
    return KeyRing((generate_key(algorithm, kid, now, "current"), generate_key(algorithm, next_kid, now)))


def rotate(ring: KeyRing, now: float, new_key: SigningKey) -> KeyRing:
    """The ring after a rotation: next signs, current retires, `new_key` waits; without a next key it signs.

    Keys that verify nothing any more are dropped. Raises `KeyInvalid` when `new_key`'s kid is taken.
    """
    ring = without_outlived(ring, now)
    waiting = next((key for key in ring.keys if key.state == "next"), None)
    retired = [
        replace(ring.current, state="retired", retired_at=now),
        *(key for key in ring.keys if key.state == "retired"),
    ]
    if waiting is None:
        return KeyRing((replace(new_key, state="current"), *retired))
    return KeyRing((replace(waiting, state="current"), replace(new_key, state="next"), *retired))


def outlived_at(key: SigningKey) -> float | None:
    """When the last token that a retired key may have signed expires; `None` while the key is not retired."""
    return None if key.state != "retired" else (key.retired_at or 0.0) + MAX_TOKEN_LIFETIME


def without_outlived(ring: KeyRing, now: float) -> KeyRing:
    """The ring without retired keys that verify nothing any more: they are neither published nor believed."""
    return KeyRing(tuple(key for key in ring.keys if (end := outlived_at(key)) is None or now < end))


def retire(ring: KeyRing, kid: str) -> KeyRing:
    """The ring without a retired key, whose tokens end at once. Raises `KeyInvalid` for any other key."""
    key = ring.find(kid)
    if key is None:
        raise KeyInvalid(f"there is no key {kid!r}; there are {', '.join(ring.by_kid)}")
    if key.state != "retired":
        raise KeyInvalid(f"the key {kid!r} is the {key.state} one; rotate until it is retired")
    return KeyRing(tuple(each for each in ring.keys if each is not key))
