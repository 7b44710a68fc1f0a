"""What clients publish about themselves, fetched where they say: the keys of agents."""

from typing import Final

from deputize.authority.fetching import Documents, Fetcher, FetchFailed
from deputize.jose import IssuerKey, KeyInvalid, read_key_set
from deputize.kernel.clock import Clock
from deputize.kernel.strict_json import loads
from deputize.oauth.errors import InvalidClient, TemporarilyUnavailable

MAX_KEY_SET_BYTES: Final = 64 * 1024
"""Keys may come with their certificates."""
_UNUSABLE: Final = "What the client publishes about itself cannot be used"
_UNREACHABLE: Final = "What the client publishes about itself cannot be fetched now; try again later"


def read_keys(_url: str, content: bytes) -> tuple[IssuerKey, ...]:
    """Return the keys of a document that is a JWK Set, at least one.

    Raises `KeyInvalid` and `JsonError`.
    """
    keys = read_key_set(loads(content, max_size=MAX_KEY_SET_BYTES, max_depth=8))
    if not keys:
        raise KeyInvalid("it has no key that verifies signatures here")
    return keys


class FetchedDocuments:
    """Fetches what clients publish, and remembers it for as long as it counts."""

    def __init__(self, fetcher: Fetcher, clock: Clock) -> None:
        """Start with nothing remembered."""
        self._keys = Documents(fetcher, clock, read_keys, max_bytes=MAX_KEY_SET_BYTES)

    async def keys_of(self, jwks_uri: str, *, newer: bool = False) -> tuple[IssuerKey, ...]:
        """Return the keys at `jwks_uri`; with `newer` fetched again unless they just were.

        Raises `InvalidClient` and `TemporarilyUnavailable`.
        """
        try:
            return await (self._keys.get_newer if newer else self._keys.get)(jwks_uri)
        except FetchFailed as failure:
            raise _refusal(f"the keys at {jwks_uri[:1024]!r}", failure) from failure


def _refusal(what: str, failure: FetchFailed) -> InvalidClient | TemporarilyUnavailable:
    """Say in the log why, and to the client nothing of it (the draft, section 8.6)."""
    detail = f"{what} cannot be used: {failure.reason}"
    return (
        TemporarilyUnavailable(detail, _UNREACHABLE) if failure.may_pass else InvalidClient(detail, _UNUSABLE)
    )
