"""The only place that draws random numbers: identifiers and secrets."""

import itertools
import secrets
import string

SECRET_ALPHABET = string.ascii_letters + string.digits + "-._~"
SECRET_LENGTH = 64
TERM_LENGTH = 8
SEGMENT_LENGTH = 30


def new_id() -> str:
    """Return a random UUID in its 36-character form; ids are public, never a credential.

    RFC 9562 section 5.4, put together here: that takes a third of `uuid`'s time, and each request needs one.
    """
    drawn = secrets.token_hex(16)
    variant = "89ab"[int(drawn[16], 16) % 4]
    return f"{drawn[:8]}-{drawn[8:12]}-4{drawn[13:16]}-{variant}{drawn[17:20]}-{drawn[20:]}"


def is_id(text: str) -> bool:
    """Whether `text` has the form of what `new_id` returns."""
    return len(text) == 36 and all(character in "0123456789abcdef-" for character in text)


def new_token() -> str:
    """Return a URL-safe bearer value with 256 bits of entropy (codes, refresh tokens, cookies)."""
    return secrets.token_urlsafe(32)


def new_term() -> str:
    """Return a random term of an agent, resource, policy or user (`oauth.lineage`).

    It has `TERM_LENGTH` characters of the base64url alphabet.
    """
    return secrets.token_urlsafe(6)


def new_segment(agent_term: str, resource_term: str) -> str:
    """Return a segment of a token's `jti`: the terms of its agent and its resource, and 84 random bits."""
    return agent_term + resource_term + secrets.token_urlsafe(11)[: SEGMENT_LENGTH - 2 * TERM_LENGTH]


def new_secret() -> str:
    """Return a client or resource secret: 64 characters of the unreserved URI alphabet (over 380 bits)."""
    return "".join(secrets.choice(SECRET_ALPHABET) for _ in range(SECRET_LENGTH))


def random_bytes(count: int) -> bytes:
    """Return `count` random bytes, for keys and nonces."""
    return secrets.token_bytes(count)


class TransactionIds:
    """Ids that connect the log lines and records of one exchange: unique, cheap, never a credential."""

    __slots__ = ("_numbers", "_prefix")

    def __init__(self) -> None:
        """Draw a prefix of 80 random bits, which tells processes apart; a counter tells exchanges apart."""
        self._prefix = secrets.token_hex(10)
        self._numbers = itertools.count(1)

    def new(self) -> str:
        """Return the next id."""
        return f"{self._prefix}-{next(self._numbers)}"
