"""The keys of one environment, by algorithm: one signs, one waits its turn, retired ones verify."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from deputize.jose.keys import ALGORITHMS, DEFAULT_ALGORITHM, STATES, KeyInvalid, SigningKey, generate_key
from deputize.kernel.values import JsonObject

MAX_TOKEN_LIFETIME = 30 * 86400.0
"""Seconds: the longest that a resource may let its tokens live. A key retired longer ago verifies nothing
alive.
"""


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Keys, of which at most one of each algorithm is `current`.

    The next of an algorithm is published before it signs, so that caches know it.
    """

    keys: tuple[SigningKey, ...]
    by_kid: dict[str, SigningKey] = field(init=False, repr=False, compare=False)
    current: Mapping[str, SigningKey] = field(init=False, repr=False, compare=False)
    """The key that signs, by algorithm; see `signing_key`."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_kid", {key.kid: key for key in self.keys})
        current = [key for key in self.keys if key.state == "current"]
        object.__setattr__(self, "current", {key.algorithm: key for key in current})
        if not current or len(self.current) != len(current) or len(self.by_kid) != len(self.keys):
            raise KeyInvalid(
                "a key ring has a current key, not more than one of an algorithm, and every kid once"
            )

    @property
    def algorithms(self) -> tuple[str, ...]:
        """The algorithms it signs with."""
        return tuple(self.current)

    def signing_key(self, algorithm: str) -> SigningKey:
        """The key that signs with this algorithm. Raises `KeyInvalid` where there is none."""
        key = self.current.get(algorithm)
        if key is None:
            make = f"deputize keys rotate --algorithm {algorithm[:32]}"
            raise KeyInvalid(f"no key signs with {algorithm[:32]}; make one: {make}")
        return key

    def find(self, kid: str) -> SigningKey | None:
        """The key called `kid`, whatever its state."""
        return self.by_kid.get(kid)

    def public_jwks(self) -> JsonObject:
        """The JWK set to publish: current, next and retired keys (RFC 7517 section 5)."""
        return {"keys": [key.public_jwk for key in self.keys]}


def new_key_ring(kid: str, next_kid: str, now: float, algorithm: str = DEFAULT_ALGORITHM) -> KeyRing:
    """A ring of one algorithm: a current and a next key."""
    return KeyRing((generate_key(algorithm, kid, now, "current"), generate_key(algorithm, next_kid, now)))


def complete_keys(
    keys: Sequence[SigningKey], algorithms: Collection[str], now: float, new_kid: Callable[[], str]
) -> KeyRing:
    """The ring of these keys in which each of the algorithms has a current and a next key.

    One that waited becomes current where none is. Making an RSA key takes some 0.1 s. Raises `KeyInvalid` for
    an algorithm that is not one of `ALGORITHMS`.
    """
    complete = list(keys)
    for algorithm in algorithms:
        mine = {key.state: key for key in complete if key.algorithm == algorithm}
        if "current" not in mine:
            signing = mine.pop("next", None) or generate_key(algorithm, new_kid(), now)
            complete = [key for key in complete if key is not signing]
            complete.append(replace(signing, state="current"))
        if "next" not in mine:
            complete.append(generate_key(algorithm, new_kid(), now))
    return _ring_of(complete)


def rotate(ring: KeyRing, now: float, new_key: SigningKey) -> KeyRing:
    """The ring after a rotation of the new key's algorithm: next signs, current retires, `new_key` waits.

    Without a next key the new one signs. Keys that verify nothing any more are dropped. Raises `KeyInvalid`
    when `new_key`'s kid is taken.
    """
    ring = without_outlived(ring, now)
    mine = {
        key.state: key for key in ring.keys if key.algorithm == new_key.algorithm and key.state != "retired"
    }
    keys = [key for key in ring.keys if key not in mine.values()]
    if "current" in mine:
        keys.insert(0, replace(mine["current"], state="retired", retired_at=now))
    if "next" in mine:
        keys += [replace(mine["next"], state="current"), replace(new_key, state="next")]
    else:
        keys.append(replace(new_key, state="current"))
    return _ring_of(keys)


def outlived_at(key: SigningKey) -> float | None:
    """When the last token that a retired key may have signed expires; `None` while the key is not retired."""
    return None if key.state != "retired" else (key.retired_at or 0.0) + MAX_TOKEN_LIFETIME


def without_outlived(ring: KeyRing, now: float) -> KeyRing:
    """The ring without retired keys that verify nothing any more: they are neither published nor believed."""
    return KeyRing(tuple(key for key in ring.keys if (end := outlived_at(key)) is None or now < end))


def _ring_of(keys: Iterable[SigningKey]) -> KeyRing:
    """The ring with its keys in order: the signing ones first, then those that wait, by algorithm."""
    order: Mapping[tuple[str, str], int] = {
        each: place for place, each in enumerate((state, name) for state in STATES for name in ALGORITHMS)
    }
    return KeyRing(tuple(sorted(keys, key=lambda key: order[key.state, key.algorithm])))


def retire(ring: KeyRing, kid: str) -> KeyRing:
    """The ring without a retired key, whose tokens end at once. Raises `KeyInvalid` for any other key."""
    key = ring.find(kid)
    if key is None:
        raise KeyInvalid(f"there is no key {kid!r}; there are {', '.join(ring.by_kid)}")
    if key.state != "retired":
        raise KeyInvalid(f"the key {kid!r} is the {key.state} one; rotate until it is retired")
    return KeyRing(tuple(each for each in ring.keys if each is not key))
