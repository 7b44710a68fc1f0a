"""Fields that mean one connection only (RFC 9110 section 7.6.1): they end where they are received.

Dropping them on receipt, not on sending, keeps a client from naming in `Connection` a field that the gateway adds on the way.
"""

from collections.abc import Iterable

Field = tuple[bytes, bytes]

HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)

FRAMING = HOP_BY_HOP | {b"content-length"}
"""Fields that only the code which writes a message may set."""

_NEVER_NAMED = frozenset({b"host", b"content-length", b"authorization", b"cookie", b"cache-control"})
"""Fields that `Connection` cannot remove: programs would disagree about who asks and for what."""


def connection_options(fields: Iterable[Field]) -> frozenset[bytes]:
    """The lower-case options listed in all `Connection` fields."""
    listed = b",".join(value for name, value in fields if name.lower() == b"connection")
    return frozenset(option.strip(b" \t").lower() for option in listed.split(b",")) - {b""}


def end_to_end(fields: list[Field]) -> list[Field]:
    """The fields that are meant for whoever comes behind this connection."""
    kept = [pair for pair in fields if pair[0].lower() not in HOP_BY_HOP]
    if len(kept) == len(fields):
        return kept
    named = connection_options(fields) - _NEVER_NAMED
    return [pair for pair in kept if pair[0].lower() not in named] if named else kept
