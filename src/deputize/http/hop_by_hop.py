"""Fields that mean one connection only (RFC 9110 section 7.6.1): they end where they are received.

Dropping them on receipt, not on sending, keeps a client from naming in `Connection` a field that the gateway
adds on the way.
"""

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

_NAMES_NOTHING = frozenset({b"keep-alive", b"close"})


def without_named(fields: list[Field], options: list[bytes]) -> list[Field]:
    """`fields` without those that the values of `Connection` name."""
    if len(options) == 1 and options[0].lower() in _NAMES_NOTHING:
        return fields
    named = {option.strip(b" \t").lower() for option in b",".join(options).split(b",")} - _NEVER_NAMED
    return [pair for pair in fields if pair[0].lower() not in named]
